# shellcheck shell=bash
# How much memory the installation takes when nothing is asked of it.

MEMORY_LIMIT=150

# resident PID: kilobytes, where pages that several processes share count for each by its part.
resident() { awk '/^Pss:/ { sum += $2 } END { print sum + 0 }' "/proc/$1/smaps_rollup" 2>/dev/null || echo 0; }

# Without what stands in for the outside world: NATS, Postgres, sandbox.
check_memory() {
    local pid role size sum=0 lines=()
    sleep "${E2E_REST:-20}"
    for pid in $(node_processes); do
        [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == /supercargo ]] || continue
        role=$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -d' ' -f2-)
        [[ $role != *sandbox* ]] || continue
        size=$(resident "$pid")
        sum=$((sum + size))
        lines+=("$(printf '%5d kB  %s' "$size" "$role")")
    done
    printf '   %s\n' "${lines[@]}" | sort -rn -k1
    shows "together $((sum / 1024)) MB in ${#lines[@]} processes, of at most $MEMORY_LIMIT MB"
    ((${#lines[@]} > 0 && sum / 1024 <= MEMORY_LIMIT))
}
