# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that go with this read what is set here
# The programs, the image, the node, the chart: bringing it all there, and taking the chart away again.

PROGRAMS="etcd kube-apiserver kube-controller-manager kubectl nats-server $NODE_BINARIES helm"
ROLES="operator inventory payment shipping notifications catalog accounts orders cart storefront"
# The data stay with the orders, until the end.
VALUES=(--values "$CHECKOUT/charts/supercargo/values/e2e.yaml" --set trial.deleteData=false)

build_programs() {
    # shellcheck disable=SC2086 # a list of names
    build_all $PROGRAMS
    shows "built from their modules: $PROGRAMS"
}

build_image() {
    VERSION=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$CHECKOUT/charts/supercargo/Chart.yaml")
    mkdir -p "$STATE/images"
    SUPERCARGO_PROFILE=${SUPERCARGO_PROFILE:-dev} SUPERCARGO_IMAGE=supercargo:$VERSION \
        "$DEV/image/build" "$STATE/images/supercargo.tar" | sed -n '1s/^/   /p'
    nats_image
    NATS_ARCHIVE=$ARCHIVE
    postgres_image
    POSTGRES_ARCHIVE=$ARCHIVE
}

start_node() {
    node_up
    import_image "$STATE/images/supercargo.tar"
    import_image "$NATS_ARCHIVE"
    import_image "$POSTGRES_ARCHIVE"
    make_volumes
    shows "$(ours get node "$NODE_NAME" --no-headers -o wide | tr -s ' ')"
    shows "images: $(containers images list -q 2>/dev/null | grep -v sha256 | sort | tr '\n' ' ')"
}

# The node has nobody who makes volumes when they are asked for, so some lie ready. Kubernetes does not change the owner of a
# folder of the node's, so they are open to all.
make_volumes() {
    local number
    for number in 1 2 3; do
        mkdir -p "$STATE/volumes/$number"
        chmod 777 "$STATE/volumes/$number"
        cat <<END
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$number}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: $STATE/volumes/$number, type: Directory}
END
    done | ours apply -f - >/dev/null
}

helm() {
    path_of helm
    "${WITHIN[@]}" env "HELM_CACHE_HOME=$STATE/helm" "HELM_CONFIG_HOME=$STATE/helm" "HELM_DATA_HOME=$STATE/helm" \
        "$BINARY_PATH" --namespace "$NAMESPACE" "$@"
}

# The namespace demands of every pod what Pod Security calls restricted.
install() {
    ours create namespace "$NAMESPACE" >/dev/null
    ours label namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
    helm install supercargo "$CHECKOUT/charts/supercargo" "${VALUES[@]}" --wait --timeout 5m >"$STATE/log/helm.log" 2>&1 ||
        { sed 's/^/   /' "$STATE/log/helm.log" >&2; return 1; }
    shows "$(k get deployments,statefulsets --no-headers | wc -l) workloads are ready, in a namespace that enforces Pod Security \"restricted\""
    helm test supercargo --timeout 2m >"$STATE/log/helm-test.log" 2>&1 || { sed 's/^/   /' "$STATE/log/helm-test.log" >&2; return 1; }
    shows "helm test: $(grep -c '^Phase: *Succeeded' "$STATE/log/helm-test.log") of the chart's tests succeeded"
}

uninstall() {
    local before after
    before=$(k get orders.supercargo.dev --no-headers | wc -l)
    helm uninstall supercargo --wait --timeout 3m >"$STATE/log/uninstall.log" 2>&1 || { cat "$STATE/log/uninstall.log" >&2; return 1; }
    after=$(k get orders.supercargo.dev --no-headers | wc -l)
    ((before == after && before > 0)) || { warn "$before orders before, $after after the uninstall"; return 1; }
    shows "the release is gone, all $after orders are still there to read"
    nothing_remains
    helm install supercargo "$CHECKOUT/charts/supercargo" "${VALUES[@]}" --set crds.keep=false,trial.deleteData=true --wait --timeout 5m \
        >"$STATE/log/helm.log" 2>&1 || { sed 's/^/   /' "$STATE/log/helm.log" >&2; return 1; }
    audit_is_clean
    shows "installed again, it goes on with the same orders and data"
    k delete orders.supercargo.dev --all --timeout=240s >/dev/null
    shows "deleted, the orders are undone or archived, then gone"
    helm uninstall supercargo --wait --timeout 3m >"$STATE/log/uninstall.log" 2>&1 || { cat "$STATE/log/uninstall.log" >&2; return 1; }
    if ours get customresourcedefinitions -o name | grep supercargo.dev; then
        warn "the definitions stayed though crds.keep was false"
        return 1
    fi
    k wait persistentvolumeclaims --all --for=delete --timeout=60s >/dev/null
    [[ -z $(k get secret supercargo-trial --ignore-not-found -o name) ]] || { warn "the passwords stayed though trial.deleteData was true"; return 1; }
    shows "told otherwise (crds.keep=false, trial.deleteData=true), the definitions and the data went with the release"
}

# nothing_remains: of what the chart made in the whole cluster, but for the definitions of the resources.
nothing_remains() {
    local kinds=clusterroles,clusterrolebindings,validatingadmissionpolicies,mutatingadmissionpolicies,priorityclasses,flowschemas left
    left=$(ours get "$kinds" -l app.kubernetes.io/instance=supercargo -o name
        k get deployments,statefulsets,services,serviceaccounts,roles,rolebindings,networkpolicies -l app.kubernetes.io/instance=supercargo -o name)
    [[ -z $left ]] || { warn "the uninstall left:" "$left"; return 1; }
    shows "no workload, right, policy or priority of it is left in the cluster"
}
