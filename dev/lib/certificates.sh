# shellcheck shell=bash
# The control plane's certificates and service-account keys (.dev/pki, made once) and the kubeconfigs.

# What a cluster with a node needs besides: addresses of the API server, and `name=/subject` of further clients.
SERVER_ADDRESSES='' CLIENT_CERTIFICATES=()

certificate() {
    local name=$1 subject=$2 usage=$3
    openssl req -new -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$name.key" -out "$name.csr" -subj "$subject"
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$name.crt" \
        -extfile openssl.cnf -extensions "$usage"
    rm -f "$name.csr"
}

make_pki() {
    local client
    # A configuration of our own: what the distribution's adds by itself differs from one to the next.
    cat >openssl.cnf <<END
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP:10.96.0.1$SERVER_ADDRESSES
[client]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END
    openssl req -x509 -config openssl.cnf -extensions authority -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout ca.key -out ca.crt -subj /CN=supercargo-dev -days 3650
    certificate server /CN=kube-apiserver server
    certificate admin /O=system:masters/CN=admin client
    certificate controller-manager /CN=system:kube-controller-manager client
    for client in "${CLIENT_CERTIFICATES[@]}"; do certificate "${client%%=*}" "${client#*=}" client; done
    openssl genrsa -out service-account.key 2048
    openssl rsa -in service-account.key -pubout -out service-account.pub
}

ensure_pki() {
    if [[ -s $STATE/pki/service-account.pub ]]; then return; fi
    say "  making certificates"
    rm -rf "$STATE/pki" "$STATE/pki.new"
    mkdir -m 700 "$STATE/pki.new"
    (umask 077 && cd "$STATE/pki.new" && make_pki) >"$STATE/log/openssl.log" 2>&1 || {
        tail -n 5 "$STATE/log/openssl.log" >&2
        die "openssl could not make the certificates (all of it: $STATE/log/openssl.log)"
    }
    mv "$STATE/pki.new" "$STATE/pki"
}

encoded() { base64 <"$1" | tr -d '\n'; }

# kubeconfig FILE CERTIFICATE: with everything in it, so that it can be copied elsewhere.
kubeconfig() {
    (umask 077 && write_file "$1") <<END
apiVersion: v1
kind: Config
clusters:
- name: supercargo-dev
  cluster:
    server: https://127.0.0.1:${PORT[APISERVER]}
    certificate-authority-data: $(encoded "$STATE/pki/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(encoded "$STATE/pki/$2.crt")
    client-key-data: $(encoded "$STATE/pki/$2.key")
contexts:
- name: supercargo-dev
  context: {cluster: supercargo-dev, user: $2, namespace: default}
current-context: supercargo-dev
END
}

write_kubeconfigs() {
    kubeconfig "$STATE/kubeconfig.new" admin
    # A person's own choice of namespace in there stays, as long as the address is the same.
    if ! grep -qsF "server: https://127.0.0.1:${PORT[APISERVER]}" "$STATE/kubeconfig" ||
        ! grep -qsF "$(encoded "$STATE/pki/admin.crt")" "$STATE/kubeconfig"; then
        mv -f "$STATE/kubeconfig.new" "$STATE/kubeconfig"
    else
        rm -f "$STATE/kubeconfig.new"
    fi
    kubeconfig "$STATE/controller-manager.kubeconfig" controller-manager
}
