# shellcheck shell=bash
# PostgreSQL: the machine's own, else binaries that dev/postgres fetches. As root it runs as another user, because it refuses root.

# postgres_user: sets AS, the command that runs another as that user; empty when we are not root.
postgres_user() {
    local user
    AS=()
    if ((EUID != 0)); then return; fi
    for user in postgres nobody; do
        if id "$user" >/dev/null 2>&1; then
            AS=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
            POSTGRES_OWNER=$(id -u "$user"):$(id -g "$user")
            return
        fi
    done
    die "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody'" \
        "run this as an ordinary user, or add one: useradd --system postgres"
}

# postgres_home: sets POSTGRES_HOME, where its data lie. A checkout below /root is out of the other user's reach, so then they lie
# under /var/tmp; .dev/postgres.home remembers it.
postgres_home() {
    if [[ -s $STATE/postgres.home ]]; then
        POSTGRES_HOME=$(<"$STATE/postgres.home")
    else
        POSTGRES_HOME=$STATE/postgres
        if ((${#AS[@]} > 0)) && ! reachable "$STATE"; then
            POSTGRES_HOME=/var/tmp/supercargo-$(sha256sum <<<"$STATE" | cut -c1-12)
            if [[ -e $POSTGRES_HOME ]]; then
                # The state folder was deleted by hand, and the password of these data with it.
                say "  dropping $POSTGRES_HOME, left over from a deleted $STATE"
                POSTGRES_DATA=$POSTGRES_HOME/data
                clear_postgres_leftovers
                rm -rf "$POSTGRES_HOME"
            fi
        fi
        printf '%s\n' "$POSTGRES_HOME" >"$STATE/postgres.home"
    fi
    if [[ ! -d $POSTGRES_HOME ]]; then
        mkdir -m 700 "$POSTGRES_HOME" || die "cannot create $POSTGRES_HOME for PostgreSQL's data"
        if ((${#AS[@]} > 0)); then chown "$POSTGRES_OWNER" "$POSTGRES_HOME"; fi
    fi
    "${AS[@]}" test -O "$POSTGRES_HOME" ||
        die "$POSTGRES_HOME, the place of PostgreSQL's data, belongs to somebody else" \
            "remove it, or give it back: chown -R ${POSTGRES_OWNER:-$(id -un)} $POSTGRES_HOME"
    POSTGRES_DATA=$POSTGRES_HOME/data
}

# reachable FOLDER: whether the other user may pass it and every folder above it.
reachable() { "${AS[@]}" test -x "$1/"; }

# postgres_binaries: sets POSTGRES_BIN. Data of one major version need a server of the same.
postgres_binaries() {
    local wanted='' folder found='' version
    if [[ -s $POSTGRES_DATA/PG_VERSION ]]; then wanted=$(<"$POSTGRES_DATA/PG_VERSION"); fi
    if [[ -z ${SUPERCARGO_EMBEDDED_POSTGRES:-} ]]; then
        folder=$(command -v postgres || true)
        if [[ -n $folder ]]; then folder=$(dirname "$(realpath "$folder")"); fi
        while read -r folder; do
            [[ -x $folder/postgres && -x $folder/initdb ]] || continue
            version=$("$folder/postgres" --version 2>/dev/null | sed -E 's/[^0-9]*([0-9]+).*/\1/')
            found+=" $version"
            if [[ -z $wanted || $wanted == "$version" ]]; then
                POSTGRES_BIN=$folder
                return
            fi
        done < <(
            printf '%s\n' "$folder"
            printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
        )
    fi
    embedded_postgres
    version=$("$POSTGRES_BIN/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
    [[ -z $wanted || $wanted == "$version" ]] ||
        die "PostgreSQL's data in $POSTGRES_DATA are of version $wanted, this machine has:$found $version" \
            "install version $wanted (Debian: apt-get install postgresql-$wanted), or drop the data: make clean"
}

embedded_postgres() {
    local folder=$CACHE/postgres log=$STATE/log/postgres-install.log
    # As root the cache may be out of the other user's reach, like the checkout.
    if ((${#AS[@]} > 0)); then
        mkdir -p "$folder"
        reachable "$folder" || folder=/var/cache/supercargo/postgres
    fi
    POSTGRES_BIN=$(cat "$folder/bin" 2>/dev/null || true)
    if [[ -x $POSTGRES_BIN/postgres ]]; then return; fi
    need cargo "fetches PostgreSQL, which this machine lacks" "Debian: apt-get install postgresql, or see https://rustup.rs"
    need_all
    say "  no PostgreSQL on this machine: fetching one (about 3 min, once) …"
    mkdir -p "$folder" || die "cannot write to $folder"
    cargo build --locked --manifest-path "$DEV/postgres/Cargo.toml" --target-dir "$CACHE/postgres-target" 9>&- ||
        die "could not build what fetches PostgreSQL; the compiler's words are above" \
            "or install PostgreSQL itself: apt-get install postgresql"
    POSTGRES_BIN=$("$CACHE/postgres-target/debug/supercargo-dev-postgres" "$folder" 2>"$log" 9>&-) || {
        tail -n 10 "$log" | sed 's/^/    /' >&2
        die "could not fetch PostgreSQL (all of it: $log)" "or install it: apt-get install postgresql"
    }
    chmod -R a+rX "$folder"
    printf '%s\n' "$POSTGRES_BIN" >"$folder/bin"
    rm -rf "$CACHE/postgres-target" # it is not needed again
}

make_database() {
    local new=$POSTGRES_HOME/data.new locale=C
    if [[ -s $POSTGRES_DATA/PG_VERSION ]]; then return; fi
    say "  making the database"
    if locale -a 2>/dev/null | grep -qix 'c.utf-\?8'; then locale=C.UTF-8; fi
    rm -rf "$new" "$POSTGRES_HOME/password"
    (umask 077 && printf '%s\n' "${SECRET[POSTGRES_PASSWORD]}" >"$POSTGRES_HOME/password")
    if ((${#AS[@]} > 0)); then chown "$POSTGRES_OWNER" "$POSTGRES_HOME/password"; fi
    # In single-user mode `supercargo` gets its database before there is a server, so that no client program is needed for it.
    (
        cd "$POSTGRES_HOME" || exit 1
        "${AS[@]}" "$POSTGRES_BIN/initdb" --pgdata="$new" --username=supercargo --pwfile="$POSTGRES_HOME/password" \
            --auth=scram-sha-256 --encoding=UTF8 --locale="$locale" --data-checksums &&
            "${AS[@]}" "$POSTGRES_BIN/postgres" --single -D "$new" postgres <<<'CREATE DATABASE supercargo OWNER supercargo'
    ) >"$STATE/log/initdb.log" 2>&1 9>&- || {
        tail -n 10 "$STATE/log/initdb.log" | sed 's/^/    /' >&2
        die "could not make the database in $POSTGRES_HOME (all of it: $STATE/log/initdb.log)"
    }
    rm -f "$POSTGRES_HOME/password"
    mv "$new" "$POSTGRES_DATA"
}

# postgres_leftovers: processes that work in the data folder; a server's working directory is its data.
postgres_leftovers() {
    local link
    for link in /proc/[0-9]*/cwd; do
        if [[ $(readlink "$link" 2>/dev/null) == "$POSTGRES_DATA" ]]; then
            link=${link#/proc/}
            printf '%s\n' "${link%/cwd}"
        fi
    done
}

# clear_postgres_leftovers: after a kill or a reboot. The server refuses to start over processes that still use its memory, and
# over a postmaster.pid whose number now belongs to a stranger.
clear_postgres_leftovers() {
    local began pid
    began=$(now)
    while pid=$(postgres_leftovers) && [[ -n $pid ]]; do
        if (($(now) - began > 2000)); then
            # shellcheck disable=SC2086 # a list of ids
            kill -s KILL $pid 2>/dev/null || true
        fi
        sleep 0.1
    done
    rm -f "$POSTGRES_DATA/postmaster.pid"
}

start_postgres() {
    postgres_user
    postgres_home
    postgres_binaries
    make_database
    if ! alive postgres; then clear_postgres_leftovers; fi
    if [[ -x $POSTGRES_BIN/psql ]]; then ln -sfn "$POSTGRES_BIN/psql" "$STATE/bin/psql"; fi
    launch postgres '' "${CLEAN[@]}" "${AS[@]}" "$POSTGRES_BIN/postgres" -D "$POSTGRES_DATA" \
        -c listen_addresses=127.0.0.1 -c "port=${PORT[POSTGRES]}" -c unix_socket_directories= \
        -c max_connections=200 -c shared_buffers=64MB -c fsync=on -c synchronous_commit=on -c jit=off \
        ${SUPERCARGO_PROFILING:+-c shared_preload_libraries=pg_stat_statements}
}

# The server itself writes its state to the eighth line.
postgres_ready() { [[ $("${AS[@]}" sed -n 8p "$POSTGRES_DATA/postmaster.pid") == ready* ]]; }

drop_postgres() {
    local home
    if [[ ! -s $STATE/postgres.home ]]; then return; fi
    home=$(<"$STATE/postgres.home")
    if [[ $home == /var/tmp/supercargo-* ]]; then rm -rf "$home"; fi
}
