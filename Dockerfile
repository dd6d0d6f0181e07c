# The same image as `make image` makes without Docker:
#   docker build --build-arg SUPERCARGO_COMMIT=$(git rev-parse --short=12 HEAD) --tag supercargo .
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# There is no repository in here to ask for it.
ARG SUPERCARGO_COMMIT=unknown
# Static, and at one fixed address: see dev/lib/image.sh.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/target \
    cargo rustc --locked --profile release --bin supercargo --target-dir /target -- \
        -C target-feature=+crt-static -C relocation-model=static && \
    mkdir -p /image/etc/ssl/certs /image/tmp && \
    chmod 1777 /image/tmp && \
    strip -o /image/supercargo /target/release/supercargo && \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
    echo 'supercargo:x:65532:65532:supercargo:/tmp:/supercargo' >/image/etc/passwd && \
    echo 'supercargo:x:65532:' >/image/etc/group

FROM scratch
COPY --from=build /image /
USER 65532:65532
WORKDIR /tmp
ENV PATH=/ SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8080
ENTRYPOINT ["/supercargo"]
