# shellcheck shell=bash
# shellcheck disable=SC2034 # postgres.sh reads what is set here
# Images of the programs that a cluster usually fetches from a registry, where there is none: the pause container, NATS and
# PostgreSQL. They have the official images' names, users and ways of being started, and what is in them is the real program.

NATS_IMAGE=nats:2.12-alpine
POSTGRES_IMAGE=postgres:17

# stand_in NAME KEY: sets ARCHIVE; fails when it has yet to be made of what KEY stands for.
stand_in() {
    mkdir -p "$CACHE/images"
    ARCHIVE=$CACHE/images/$1-$(sha256sum <<<"$2" | cut -c1-16).tar
    [[ -s $ARCHIVE ]]
}

# new_root: sets ROOT, an empty folder to fill.
new_root() {
    ROOT=$(mktemp -d "$CACHE/images/root.XXXXXX")
    chmod 755 "$ROOT"
}

compile() { cc -static -O2 -Wall -o "$2" "$1" || die "the C compiler could not build $1"; }

pause_image() {
    if stand_in pause "$(cat "$DEV/node/pause.c")"; then return; fi
    new_root
    compile "$DEV/node/pause.c" "$ROOT/pause"
    write_image supercargo.local/pause:1 "$ARCHIVE" "$ROOT" '{"User":"65535:65535","Entrypoint":["/pause"],"Env":["PATH=/"]}'
    rm -rf "$ROOT"
}

nats_image() {
    local program
    path_of nats-server
    program=$BINARY_PATH
    if stand_in nats "$NATS_IMAGE $program $(cat "$DEV/image/entry.c")"; then return; fi
    new_root
    mkdir -p "$ROOT/usr/local/bin" "$ROOT/data" "$ROOT/tmp"
    chmod 1777 "$ROOT/data" "$ROOT/tmp"
    cp "$program" "$ROOT/usr/local/bin/nats-server"
    compile "$DEV/image/entry.c" "$ROOT/usr/local/bin/docker-entrypoint.sh"
    write_image "$NATS_IMAGE" "$ARCHIVE" "$ROOT" \
        '{"Entrypoint":["docker-entrypoint.sh"],"Cmd":["--jetstream"],"Env":["PATH=/usr/local/bin:/usr/bin:/bin"]}'
    rm -rf "$ROOT"
}

# with_libraries PROGRAM...: what the programs are linked with, and what loads it, at the same places below ROOT.
with_libraries() {
    local library
    # It fails for programs that need none.
    { ldd "$@" 2>/dev/null || true; } | grep -oE '/[^ :]+\.so[^ :]*( |$)' | sort -u | while read -r library; do
        # Those that lie beside the program are there already.
        if [[ $library != "$ROOT"* && -e $library && ! -e $ROOT$library ]]; then
            mkdir -p "$ROOT${library%/*}"
            cp -L "$library" "$ROOT$library"
        fi
    done
}

# PostgreSQL of the machine, or the one that dev/postgres fetches: see postgres.sh.
postgres_image() {
    local home tool path
    AS=()
    POSTGRES_DATA=/nonexistent
    postgres_binaries
    if stand_in postgres "$POSTGRES_IMAGE $POSTGRES_BIN $("$POSTGRES_BIN/postgres" --version) $(cat "$DEV/image/postgres-entry")"; then
        return
    fi
    new_root
    home=${POSTGRES_BIN%/bin}
    mkdir -p "$ROOT"{/bin,/etc,/usr/local/bin,/tmp,/var/run/postgresql,/var/lib/postgresql/data,"$home"}
    chmod 1777 "$ROOT"{/tmp,/var/run/postgresql,/var/lib/postgresql/data}
    cp -r "$home/." "$ROOT$home"
    # Debian keeps what is the same on every machine elsewhere, and the time zones once for all programs.
    for path in /usr/share/postgresql/"${home##*/}" /usr/share/zoneinfo; do
        if [[ $home == /usr/lib/postgresql/* && -d $path ]]; then
            mkdir -p "$ROOT$path"
            cp -r "$path/." "$ROOT$path"
        fi
    done
    # The compiler of queries is large, and our server does without it.
    rm -rf "$ROOT$home"/lib/{bitcode,llvmjit*,pgxs} "$ROOT$home"/include
    for tool in sh mkdir mv rm rmdir sleep cat id; do
        path=$(realpath "$(type -P "$tool")")
        cp "$path" "$ROOT/bin/$tool"
        with_libraries "$path"
    done
    with_libraries "$ROOT$home"/bin/* "$ROOT$home"/lib/*.so
    ln -s "$home"/bin/* "$ROOT/usr/local/bin/"
    cp "$DEV/image/postgres-entry" "$ROOT/usr/local/bin/docker-entrypoint.sh"
    printf '%s\n' root:x:0:0:root:/:/bin/sh postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh >"$ROOT/etc/passwd"
    printf '%s\n' root:x:0: postgres:x:999: >"$ROOT/etc/group"
    write_image "$POSTGRES_IMAGE" "$ARCHIVE" "$ROOT" "$(printf '%s' \
        '{"User":"999:999","Entrypoint":["docker-entrypoint.sh"],"Cmd":["postgres"],"StopSignal":"SIGINT",' \
        '"Env":["PATH=/usr/local/bin:/usr/bin:/bin","PGDATA=/var/lib/postgresql/data"]}')"
    rm -rf "$ROOT"
}
