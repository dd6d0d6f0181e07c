# shellcheck shell=bash
# What every script here stands on: where things are, how to speak, what must be on the machine.

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034 # the scripts that source this read it
DEV=$CHECKOUT/dev
STATE=${SUPERCARGO_DEV_DIR:-$CHECKOUT/.dev}
[[ $STATE == /* ]] || STATE=$PWD/$STATE
# Without a HOME, as under some service managers, there is still a place for it.
CACHE=${SUPERCARGO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/cache}/.cache}/supercargo}
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE

say() { printf '%s\n' "$@"; }
warn() { printf '%s\n' "$@" >&2; }
die() { printf 'error: %s\n' "$1" >&2; shift; (($# == 0)) || printf '       %s\n' "$@" >&2; exit 1; }

# need COMMAND WHY HOW: remembers what is missing; need_all tells about everything at once, not one a run.
MISSING=()
need() {
    command -v "$1" >/dev/null || MISSING+=("$1: $2 ($3)")
}
need_all() {
    ((${#MISSING[@]} == 0)) || die "this machine lacks what the local cluster needs:" "${MISSING[@]}"
}

# Tools that rustup and the Go tarball install where a bare PATH may not look.
find_toolchains() {
    local folder
    for folder in "${CARGO_HOME:-${HOME:-}/.cargo}/bin" /usr/local/go/bin; do
        if [[ -d $folder && :$PATH: != *":$folder:"* ]]; then PATH=$PATH:$folder; fi
    done
}

need_basics() {
    need openssl "makes the certificates" "Debian: apt-get install openssl"
    need curl "asks the processes whether they are ready" "Debian: apt-get install curl"
    need flock "keeps two runs from working at once" "Debian: apt-get install util-linux"
    need setsid "detaches the processes from the terminal" "Debian: apt-get install util-linux"
    if ((EUID == 0)); then need setpriv "PostgreSQL refuses to run as root" "Debian: apt-get install util-linux"; fi
    need_all
}

# prepare_state: the state folder, which ignores itself in git and carries a mark that `clean` looks for before it deletes.
prepare_state() {
    # What we did not make is not ours to fill, and `clean` would delete it.
    if [[ -d $STATE && ! -e $STATE/.supercargo && -n $(ls -A "$STATE") ]]; then
        die "the state folder $STATE holds other files" "set SUPERCARGO_DEV_DIR to a new or an empty folder"
    fi
    mkdir -p "$STATE" || die "cannot create the state folder $STATE" "set SUPERCARGO_DEV_DIR to a folder you may write"
    STATE=$(cd "$STATE" && pwd -P)
    # To be passed through, for PostgreSQL may run as another user, but not to be listed; its secrets are the owner's to read.
    chmod 711 "$STATE"
    mkdir -p "$STATE"/{pids,run,log,bin}
    printf '*\n' >"$STATE/.gitignore"
    touch "$STATE/.supercargo"
}

# lock_state: one up, down or clean at a time for a state folder. The lock is descriptor 9, which no child may inherit.
lock_state() {
    while true; do
        exec 9>"$STATE/lock"
        flock -n 9 || { say "waiting for another run on $STATE to finish …"; flock 9; }
        # A `clean` that went before may have deleted the file we waited for.
        if [[ /proc/self/fd/9 -ef $STATE/lock ]]; then return; fi
        prepare_state
    done
}

# write_file FILE: standard input becomes the file, whole or not at all; readable by the owner only.
write_file() {
    local temporary
    temporary=$(mktemp "$1.XXXXXX")
    cat >"$temporary"
    mv -f "$temporary" "$1"
}

# seconds_since MILLISECONDS: such as 4.2
now() { local stamp=${EPOCHREALTIME/[.,]/}; printf '%s' "${stamp::-3}"; }
seconds_since() {
    local elapsed=$(($(now) - $1))
    printf '%d.%d' $((elapsed / 1000)) $((elapsed % 1000 / 100))
}

# wanted NAME: whether this run is to start it. SUPERCARGO_DEV_ONLY narrows it, for tests that need only some of them.
wanted() {
    [[ -z ${SUPERCARGO_DEV_ONLY:-} || " $SUPERCARGO_DEV_ONLY " == *" $1 "* ]]
}
