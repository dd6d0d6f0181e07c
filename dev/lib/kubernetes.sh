# shellcheck shell=bash
# The control plane: etcd, kube-apiserver, kube-controller-manager. No node: nothing here runs pods, and no root is needed.

# Their environment holds nothing of the caller's: etcd takes any ETCD_… for a flag, and a change would count as new settings.
clean_environment() { CLEAN=(env -i PATH=/usr/bin:/bin "HOME=$STATE" LC_ALL=C TZ=UTC "$MARK=$STATE"); }

start_etcd() {
    local client=http://127.0.0.1:${PORT[ETCD]} peer=http://127.0.0.1:${PORT[ETCD_PEER]}
    path_of etcd
    launch etcd '' "${CLEAN[@]}" "$BINARY_PATH" --name=default "--data-dir=$STATE/etcd" \
        "--listen-client-urls=$client" "--advertise-client-urls=$client" \
        "--listen-peer-urls=$peer" "--initial-advertise-peer-urls=$peer" "--initial-cluster=default=$peer" \
        --unsafe-no-fsync=false --quota-backend-bytes=8589934592 --log-level=warn
}

etcd_ready() { answers "http://127.0.0.1:${PORT[ETCD]}/health"; }

# What a cluster with a node has otherwise: the last of two settings counts.
APISERVER_ARGUMENTS=() CONTROLLER_MANAGER_ARGUMENTS=()

start_apiserver() {
    local pki=$STATE/pki
    path_of kube-apiserver
    # --endpoint-reconciler-type=none: there is no node from which the Service `kubernetes` would have to be reached.
    launch kube-apiserver '' "${CLEAN[@]}" ${GOGC:+"GOGC=$GOGC"} "$BINARY_PATH" \
        "--etcd-servers=http://127.0.0.1:${PORT[ETCD]}" \
        --bind-address=127.0.0.1 --advertise-address=127.0.0.1 "--secure-port=${PORT[APISERVER]}" \
        "--tls-cert-file=$pki/server.crt" "--tls-private-key-file=$pki/server.key" "--client-ca-file=$pki/ca.crt" \
        "--service-account-key-file=$pki/service-account.pub" "--service-account-signing-key-file=$pki/service-account.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/16 --endpoint-reconciler-type=none \
        "--profiling=${SUPERCARGO_PROFILING:-false}" "${APISERVER_ARGUMENTS[@]}"
}

apiserver_ready() { answers --cacert "$STATE/pki/ca.crt" "https://127.0.0.1:${PORT[APISERVER]}/readyz"; }

# Only the controllers that a cluster without nodes has work for. It starts after our kinds are there, because its garbage
# collector looks for new kinds just every 30 s.
start_controller_manager() {
    local pki=$STATE/pki config=$STATE/controller-manager.kubeconfig controllers
    controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller
    controllers+=,serviceaccount-token-controller,root-ca-certificate-publisher-controller
    controllers+=,clusterrole-aggregation-controller,resourcequota-controller,validatingadmissionpolicy-status-controller
    path_of kube-controller-manager
    launch kube-controller-manager "$(sha256sum <"$config")" "${CLEAN[@]}" "$BINARY_PATH" \
        "--kubeconfig=$config" "--authentication-kubeconfig=$config" "--authorization-kubeconfig=$config" \
        --bind-address=127.0.0.1 "--secure-port=${PORT[CONTROLLER_MANAGER]}" \
        "--tls-cert-file=$pki/server.crt" "--tls-private-key-file=$pki/server.key" \
        "--service-account-private-key-file=$pki/service-account.key" "--root-ca-file=$pki/ca.crt" \
        --use-service-account-credentials --leader-elect=false "--controllers=$controllers" \
        --concurrent-namespace-syncs=10 --kube-api-qps=200 --kube-api-burst=400 --profiling=false \
        "${CONTROLLER_MANAGER_ARGUMENTS[@]}"
}

controller_manager_ready() {
    answers --cacert "$STATE/pki/ca.crt" "https://127.0.0.1:${PORT[CONTROLLER_MANAGER]}/healthz"
}

link_kubectl() {
    path_of kubectl
    ln -sfn "$BINARY_PATH" "$STATE/bin/kubectl"
}

ours() { "${WITHIN[@]}" "$STATE/bin/kubectl" --kubeconfig="$STATE/kubeconfig" --cache-dir="$STATE/kubectl-cache" "$@"; }

has_manifests() { compgen -G "$1/*.yaml" >/dev/null || compgen -G "$1/*.yml" >/dev/null || compgen -G "$1/*.json" >/dev/null; }

# apply_manifests FOLDER WHAT
apply_manifests() {
    if ! has_manifests "$1"; then return; fi
    # By itself a server that has just started may refuse a first time: its default roles come a moment after it is ready.
    ours apply --server-side --force-conflicts -f "$1" >"$STATE/log/apply.log" 2>&1 ||
        { sleep 1 && ours apply --server-side --force-conflicts -f "$1" >"$STATE/log/apply.log" 2>&1; } || {
        tail -n 20 "$STATE/log/apply.log" | sed 's/^/    /' >&2
        die "the API server refused $2 in $1"
    }
}

apply_resources() {
    apply_manifests "$CHECKOUT/crds" "the resource definitions"
    if has_manifests "$CHECKOUT/crds"; then
        ours wait --for=condition=Established --timeout=30s -f "$CHECKOUT/crds" >"$STATE/log/apply.log" 2>&1 || {
            sed 's/^/    /' "$STATE/log/apply.log" >&2
            die "the resource definitions in $CHECKOUT/crds were accepted, but not served within 30 s" \
                "\`kubectl describe crd\` shows the reason in the conditions"
        }
    fi
    apply_manifests "$CHECKOUT/manifests/install" "the manifests"
}

# kinds_can_be_created: a mutating admission policy refuses kinds whose schema it does not know yet, and it looks for schemas every
# 5 s: after each start, and for new kinds. So ask for one of each, as a dry run; any other refusal is none of our business here.
kinds_can_be_created() {
    local kinds answer
    kinds=$(ours get customresourcedefinitions -o jsonpath='{range .items[*]}{.spec.group}/{.spec.versions[0].name} {.spec.names.kind}{"\n"}{end}')
    if [[ -z $kinds ]]; then return; fi
    answer=$(awk '{ printf "---\napiVersion: %s\nkind: %s\nmetadata: {name: probe}\n", $1, $2 }' <<<"$kinds" |
        ours --namespace=default create --dry-run=server --validate=false -f - 2>&1 || true)
    [[ $answer != *"(ServiceUnavailable)"* && $answer != *"no matches for kind"* ]]
}
