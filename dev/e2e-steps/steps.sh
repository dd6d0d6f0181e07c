# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that go with this read what is set here
# How a step runs and speaks, and what is shown when one fails.

# step NAME FUNCTION: what it shows is on its lines; how long it took stands at their end.
step() {
    local started
    STEP=$1
    started=$(now)
    say "" "== $1"
    "$2"
    say "   ($(seconds_since "$started") s)"
}

shows() { printf '   %s\n' "$@"; }

# The shop's namespace, seen by its admin.
NAMESPACE=shop
k() { ours --namespace "$NAMESPACE" "$@"; }

# program ROLE ARGUMENT...: our command line, inside a pod of the role, where all settings are.
program() {
    local role=$1
    shift
    k exec -i "deployment/supercargo-$role" -c "$role" -- /supercargo "$@"
}

# diagnose: what a person would look at first.
diagnose() {
    local pod
    warn "" "---- what the cluster says ----"
    {
        ours get pods --all-namespaces -o wide
        k get events --sort-by=.lastTimestamp | tail -n 40
        k get orders.supercargo.dev -o wide | grep -vE ' Completed ' | head -n 40
        for pod in $(k get pods -o name); do
            printf -- '---- %s\n' "$pod"
            k describe "$pod" | sed -n '/^Conditions:/,/^Volumes:/p' | head -n 12
            k logs "$pod" --all-containers --tail=25
            k logs "$pod" --all-containers --tail=15 --previous 2>/dev/null | sed 's/^/before: /'
        done
        for pod in containerd kubelet kube-apiserver; do
            printf -- '---- %s\n' "$pod"
            tail -n 15 "$STATE/log/$pod.log"
        done
    } 2>&1 | cut -c1-400 >&2 || true
}
