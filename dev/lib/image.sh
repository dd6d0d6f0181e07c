# shellcheck shell=bash
# Images without Docker and without a registry: a root folder becomes an archive of one layer, as `docker save` writes it, which
# `docker load`, `podman load`, `ctr images import` and `kind load image-archive` read.

# The same folder makes the same archive, whenever and by whomever it is packed.
pack() {
    tar --create --sort=name --format=posix --pax-option=delete=atime,delete=ctime --mtime="@${SOURCE_DATE_EPOCH:-0}" \
        --owner=0 --group=0 --numeric-owner "$@"
}

digest_of() { sha256sum "$1" | cut -d' ' -f1; }

image_architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# write_image NAME ARCHIVE ROOT CONFIG: CONFIG is what the container is started with, as JSON: user, entry point, environment.
# The layer lies compressed in the archive; its identity is that of what is in it.
write_image() {
    local name=$1 archive=$2 root=$3 config=$4 work layer identity
    work=$(mktemp -d "$archive.XXXXXX")
    pack --directory="$root" --file="$work/layer.tar" .
    layer=$(digest_of "$work/layer.tar")
    mkdir "$work/$layer"
    gzip -n -6 <"$work/layer.tar" >"$work/$layer/layer.tar"
    rm "$work/layer.tar"
    printf '{"architecture":"%s","os":"linux","created":"%s","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(image_architecture)" "$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%FT%TZ)" "$config" "$layer" >"$work/config"
    identity=$(digest_of "$work/config")
    mv "$work/config" "$work/$identity.json"
    printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["%s/layer.tar"]}]' "$identity" "$name" "$layer" >"$work/manifest.json"
    pack --directory="$work" --file="$work/archive" "$identity.json" "$layer" manifest.json
    mv -f "$work/archive" "$archive"
    rm -rf "$work"
}

# certificate_roots: sets ROOTS, the machine's list of whom it trusts.
certificate_roots() {
    for ROOTS in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [[ -s $ROOTS ]]; then return; fi
    done
    die "this machine has no list of certificate authorities to put into the image" "Debian: apt-get install ca-certificates"
}

# Ours: nothing but the binary, the certificate authorities, a name for its user and a place for temporary files.
# supercargo_image NAME ARCHIVE BINARY
supercargo_image() {
    local name=$1 archive=$2 binary=$3 root commit
    certificate_roots
    root=$(mktemp -d "$archive.root.XXXXXX")
    mkdir -p "$root"/etc/ssl/certs "$root/tmp"
    chmod 755 "$root"
    chmod 1777 "$root/tmp"
    strip -o "$root/supercargo" "$binary"
    chmod 755 "$root/supercargo"
    cat "$ROOTS" >"$root/etc/ssl/certs/ca-certificates.crt"
    echo 'supercargo:x:65532:65532:supercargo:/tmp:/supercargo' >"$root/etc/passwd"
    echo 'supercargo:x:65532:' >"$root/etc/group"
    commit=$("$root/supercargo" --version | sed -n 's/^commit //p')
    write_image "$name" "$archive" "$root" "$(printf '%s' \
        '{"User":"65532:65532","WorkingDir":"/tmp","Entrypoint":["/supercargo"],' \
        '"Env":["PATH=/","SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],"ExposedPorts":{"8080/tcp":{}},' \
        '"Labels":{"org.opencontainers.image.title":"supercargo","org.opencontainers.image.licenses":"Apache-2.0",' \
        "\"org.opencontainers.image.revision\":\"$commit\"}}")"
    rm -rf "$root"
}

# static_binary PROFILE: sets STATIC to a binary that needs no library of the machine's. Only the last step, the program itself, is
# made otherwise than by `cargo build`: all crates below it are the same, so that those built for work or for the tests serve here
# too. It has one fixed address, because a movable one would have every process hold megabytes of addresses of its own.
static_binary() {
    local profile=$1 built
    SUPERCARGO_BIN='' SUPERCARGO_PROFILE=$profile rust_binary
    built=$SUPERCARGO
    STATIC=${built%/*}/supercargo-static
    # cargo puts its last product under the usual name, where what is running from there must not be swapped for another.
    if [[ -e $built ]]; then ln -f "$built" "$built.usual"; fi
    (cd "$CHECKOUT" && cargo rustc --locked --profile "$profile" --bin supercargo -- \
        -C target-feature=+crt-static -C relocation-model=static) ||
        die "building the static supercargo failed; the compiler's words are above"
    cp -f "$built" "$STATIC.new"
    mv -f "$STATIC.new" "$STATIC"
    if [[ -e $built.usual ]]; then mv -f "$built.usual" "$built"; fi
}
