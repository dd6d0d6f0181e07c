# shellcheck shell=bash
# Ports: picked once, remembered in .dev/ports, picked anew only if a stranger took one while our process was down.

declare -A PORT

# Which process listens on which ports.
declare -A PORTS_OF=(
    [etcd]="ETCD ETCD_PEER"
    [kube-apiserver]="APISERVER"
    [kube-controller-manager]="CONTROLLER_MANAGER"
    [nats]="NATS NATS_MONITORING MQTT"
    [postgres]="POSTGRES"
    [sandbox]="STRIPE CARRIER SMTP MAILBOX"
    [supercargo]="HTTP"
)

# listening PORT: whether anybody listens there, as the kernel tells it (state 0A), without knocking.
listening() {
    local hex
    printf -v hex ':%04X' "$1"
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'
}

# claimed PORT: whether another state folder that shares our cache keeps it, even while its processes are down.
claimed() {
    local owner
    { read -r owner <"$CACHE/ports/$1"; } 2>/dev/null || return 1
    [[ $owner != "$STATE" ]] && grep -qsx -- ".*=$1" "$owner/ports"
}

# free_port: one below the range that outgoing connections take theirs from.
free_port() {
    local port attempt mine=" ${PORT[*]} "
    for ((attempt = 0; attempt < 1000; attempt++)); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if [[ $mine != *" $port "* ]] && ! listening "$port" && ! claimed "$port"; then
            FREE=$port
            return
        fi
    done
    die "found no free port between 20000 and 32000 on this machine"
}

assign_ports() {
    local key value process claims=0
    if [[ -e $STATE/ports ]]; then
        while IFS='=' read -r key value; do
            if [[ $value =~ ^[0-9]+$ ]]; then PORT[$key]=$value; fi
        done <"$STATE/ports"
    fi
    # Two checkouts that come up at the same moment pick one after the other.
    if { mkdir -p "$CACHE/ports" && exec 8>"$CACHE/ports/lock"; } 2>/dev/null; then
        flock 8
        claims=1
    fi
    for process in "${!PORTS_OF[@]}"; do
        if alive "$process"; then continue; fi
        for key in ${PORTS_OF[$process]}; do
            if [[ -n ${PORT[$key]:-} ]] && listening "${PORT[$key]}"; then
                say "  port ${PORT[$key]} of $process ($key) was taken by another program, picking a new one"
                unset "PORT[$key]"
            fi
            if [[ -z ${PORT[$key]:-} ]]; then
                free_port
                PORT[$key]=$FREE
            fi
        done
    done
    for key in "${!PORT[@]}"; do printf '%s=%s\n' "$key" "${PORT[$key]}"; done | sort | write_file "$STATE/ports"
    if ((claims)); then
        for value in "${PORT[@]}"; do printf '%s\n' "$STATE" >"$CACHE/ports/$value"; done
        exec 8>&-
    fi
}

release_ports() {
    local key value owner
    while IFS='=' read -r key value; do
        { read -r owner <"$CACHE/ports/$value"; } 2>/dev/null || continue
        if [[ $owner == "$STATE" ]]; then rm -f "$CACHE/ports/$value"; fi
    done < <(cat "$STATE/ports" 2>/dev/null)
}
