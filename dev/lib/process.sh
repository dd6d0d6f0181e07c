# shellcheck shell=bash
# Processes: start them detached, know them again, wait for them, stop them.
#
# .dev/pids/NAME holds the process id, for people and tests. .dev/run/NAME holds what makes it ours: the id, its start time, the
# boot it belongs to, and a fingerprint of the command it was started with. An id alone may belong to a stranger after a reboot.

# Every process carries this in its environment, so that one whose records are lost is still found.
MARK=SUPERCARGO_PROCESS_OF

# What every process is started and asked through: nothing, or the way into a node's namespaces (node.sh).
WITHIN=()

boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# start_time PID: ticks since boot; fails for a process that is gone or a zombie.
start_time() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }" # the command's name may hold blanks and brackets
    [[ ${fields[0]} != [ZX] ]] || return 1
    printf '%s' "${fields[19]}"
}

# alive NAME: sets PID and FINGERPRINT when our process runs.
alive() {
    local started boot
    PID='' FINGERPRINT=''
    { read -r PID started boot FINGERPRINT <"$STATE/run/$1"; } 2>/dev/null || return 1
    [[ $boot == "$(boot_id)" && $(start_time "$PID") == "$started" ]]
}

# remember NAME PID FINGERPRINT
remember() {
    printf '%s %s %s %s\n' "$2" "$(start_time "$2" || echo gone)" "$(boot_id)" "$3" | write_file "$STATE/run/$1"
    printf '%s\n' "$2" >"$STATE/pids/$1"
}

forget() { rm -f "$STATE/run/$1" "$STATE/pids/$1"; }

# launch NAME MARKER COMMAND [ARGUMENT]...: runs the command unless it runs already as it should. MARKER is anything else whose
# change asks for a restart, such as the binary's identity.
launch() {
    local name=$1 marker=$2 fingerprint
    shift 2
    fingerprint=$(printf '%s\0' "$marker" "$@" | sha256sum)
    fingerprint=${fingerprint%% *}
    if alive "$name"; then
        if [[ $FINGERPRINT == "$fingerprint" ]]; then
            printf '%s\n' "$PID" >"$STATE/pids/$name"
            return
        fi
        say "  $name: its program or settings changed, restarting it"
        stop_process "$name"
    elif [[ -e $STATE/run/$name ]]; then
        say "  $name had died, starting it again"
    fi
    local log=$STATE/log/$name.log
    if [[ -e $log && $(stat -c %s "$log") -gt 33554432 ]]; then mv -f "$log" "$log.1"; fi
    printf -- '--- %s: starting %s\n' "$(date -u +%FT%TZ)" "$name" >>"$log"
    (
        # Nothing of the caller's may stay open: neither its output, which it may wait to see closed, nor our lock.
        exec </dev/null >>"$log" 2>&1
        for descriptor in /proc/self/fd/*; do
            descriptor=${descriptor##*/}
            if ((descriptor > 2 && descriptor != 255)); then eval "exec $descriptor>&-"; fi
        done
        # The usual soft limit of 1024 open files is soon used up by connections.
        ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" || true
        cd "$STATE" || exit 1
        # The mark stands in the environment, not in the command.
        export "$MARK=$STATE"
        exec setsid "${WITHIN[@]}" "$@"
    ) &
    remember "$name" $! "$fingerprint"
    # It is none of this shell's jobs, whose end it would comment on.
    disown $!
}

# wait_for NAME SECONDS COMMAND...: until the command succeeds; ends the run if the process dies or the time is over.
wait_for() {
    local name=$1 seconds=$2 began
    shift 2
    began=$(now)
    until "$@" >/dev/null 2>&1; do
        alive "$name" || fail "$name" "$name ended instead of getting ready"
        (($(now) - began < seconds * 1000)) || fail "$name" "$name was not ready after $seconds s"
        sleep 0.1
    done
}

fail() {
    local name=$1 log=$STATE/log/$1.log
    warn "" "error: $2"
    if [[ -s $log ]]; then
        warn "the end of $log:"
        # Of the last start only.
        tac "$log" | awk 'NR > 20 || /^--- .*: starting / { exit } { print }' | tac | cut -c1-400 | sed 's/^/    /' >&2
    fi
    warn "What is up stays up: once the cause is gone, \`make up\` starts what is missing." \
        "\`make down\` stops everything, \`make clean\` drops its data too."
    exit 1
}

answers() { "${WITHIN[@]}" curl --noproxy '*' --silent --fail --max-time 2 --output /dev/null "$@"; }

# ask_to_stop NAME: for PostgreSQL the signal that does not wait for its clients to leave.
ask_to_stop() {
    local signal=TERM
    if [[ $1 == postgres ]]; then signal=INT; fi
    if alive "$1"; then kill -s "$signal" "$PID" 2>/dev/null || true; fi
}

# stop_process NAME [SECONDS]: asks, then insists.
stop_process() {
    local name=$1 seconds=${2:-20} began
    if alive "$name"; then
        ask_to_stop "$name"
        began=$(now)
        while alive "$name"; do
            if (($(now) - began > seconds * 1000)); then
                warn "  $name did not stop within $seconds s, killing it"
                kill -s KILL "$PID" 2>/dev/null || true
                seconds=$((seconds + 10))
            fi
            sleep 0.05
        done
    fi
    forget "$name"
}

# reaped PID...: waits a moment until whoever inherited the ended processes has taken note of it, so that `ps` shows none of them.
reaped() {
    local pid attempt
    for pid in "$@"; do
        for ((attempt = 0; attempt < 30; attempt++)); do
            if [[ ! -e /proc/$pid ]] || start_time "$pid" >/dev/null; then break; fi
            sleep 0.1
        done
    done
}

# strays: ids of processes of this state folder that no record knows, as after a lost record.
strays() {
    local file pid name known=' '
    for file in "$STATE"/run/*; do
        name=${file##*/}
        if alive "$name"; then known+="$PID "; fi
    done
    { grep -lszx -- "$MARK=$STATE" /proc/[0-9]*/environ || true; } | while IFS=/ read -r _ _ pid _; do
        if [[ $known != *" $pid "* && $pid != "$$" && $pid != "$BASHPID" ]]; then printf '%s\n' "$pid"; fi
    done
}

stop_strays() {
    local pid
    for pid in $(strays); do
        warn "  stopping a leftover process: $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80))"
        kill -s KILL "$pid" 2>/dev/null || true
    done
}
