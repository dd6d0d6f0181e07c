# shellcheck shell=bash
# What happens to a cluster every week, under load: an upgrade, and pods that go.

# What must always hold, across Kubernetes, the databases, the streams and the provider's books.
audit_is_clean() {
    helm test supercargo --timeout 3m >"$STATE/log/helm-test.log" 2>&1 || {
        warn "the audit found something, or could not look:"
        k logs supercargo-test --all-containers --tail=60 >&2 || true
        return 1
    }
    shows "helm test: the audit finds nothing wrong"
}

ready() { k rollout status deployment,statefulset --timeout=180s >/dev/null; }

# The same program under another tag, so that every pod of ours is replaced; what would differ is in it, not in how it is rolled out.
upgrade_under_load() {
    local name=docker.io/library/supercargo next=$VERSION-next images
    containers images tag "$name:$VERSION" "$name:$next" >/dev/null 2>&1
    start_load upgrade
    sleep 5
    helm upgrade supercargo "$CHECKOUT/charts/supercargo" "${VALUES[@]}" --set "image.tag=$next" --wait --timeout 5m \
        >"$STATE/log/helm.log" 2>&1 || { sed 's/^/   /' "$STATE/log/helm.log" >&2; return 1; }
    sleep 5
    stop_load
    ready
    images=$(k get deployments -o 'jsonpath={range .items[*]}{.spec.template.spec.containers[0].image} {.status.updatedReplicas}{"\n"}{end}')
    ! grep -v ":$next " <<<"$images" || return 1
    shows "all $(awk '{ sum += $2 } END { print sum }' <<<"$images") pods of $(wc -l <<<"$images") Deployments were replaced"
    nothing_is_lost
    audit_is_clean
}

# A pod every few seconds, any of them, Postgres and NATS too; every second one without a chance to finish what it holds.
deletions_under_load() {
    local seed=${SEED:-$((RANDOM + 1))} began count=0 pods pod names=() manner
    RANDOM=$seed
    start_load deletions
    began=$(now)
    while (($(now) - began < ${E2E_DELETIONS:-60} * 1000)); do
        mapfile -t pods < <(k get pods --field-selector=status.phase=Running -o name | sort)
        pod=${pods[RANDOM % ${#pods[@]}]}
        manner=()
        if ((count % 2)); then manner=(--grace-period=0 --force); fi
        k delete "$pod" --wait=false "${manner[@]}" >/dev/null 2>&1 || true
        names+=("$(sed -E 's/^pod\/(supercargo-)?//; s/-[a-z0-9]+-[a-z0-9]{5}$//' <<<"$pod")")
        count=$((count + 1))
        sleep 4
    done
    sleep 5
    stop_load
    ready || { warn "not everything came back"; return 1; }
    shows "seed $seed: $count pods deleted, every second one by force: ${names[*]}"
    nothing_is_lost
    audit_is_clean
}
