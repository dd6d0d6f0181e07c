# shellcheck shell=bash
# Stopping, in the order that lets everyone finish what they hold.

stop_everything() {
    local name running=() ids=()
    for name in supercargo sandbox kube-controller-manager kube-apiserver etcd nats postgres; do
        if alive "$name"; then
            running+=("$name")
            ids+=("$PID")
        fi
    done
    if ((${#running[@]} > 0)); then say "stopping ${running[*]} …"; fi
    # supercargo first: it has work in hand that needs all the others.
    stop_process supercargo 30
    stop_process sandbox 10
    stop_process kube-controller-manager 10
    stop_process kube-apiserver 20
    # These hold the data and do not know each other.
    for name in etcd nats postgres; do ask_to_stop "$name"; done
    for name in etcd nats postgres; do stop_process "$name" 30; done
    stop_strays
    reaped "${ids[@]}"
    rm -f "$STATE/settings"
}
