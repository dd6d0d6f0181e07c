# shellcheck shell=bash
# The programs: built from pinned Go modules into the cache, under a key of what they are made from; the Rust binary from the checkout.

# shellcheck disable=SC2034 # the scripts that source this read it
KUBERNETES_BINARIES="kube-apiserver kube-controller-manager kubectl"
SERVER_BINARIES="etcd nats-server"
# What the chart is rendered and judged by, a module each: their requirements clash.
CHART_BINARIES="helm kube-score"
# What the dashboard and the alerts are tried with.
EYES_BINARIES="prometheus promtool"
# What a node needs besides: Kubernetes' own from its module, the others from dev/node.
NODE_BINARIES="kube-scheduler kubelet kube-proxy containerd containerd-shim-runc-v2 ctr runc coredns"

module_of() {
    case $1 in
        etcd | nats-server) echo servers ;;
        helm | kube-score) echo "chart-tools/$1" ;;
        prometheus | promtool) echo eyes ;;
        containerd | containerd-shim-runc-v2 | ctr | runc | coredns) echo node ;;
        *) echo kubernetes ;;
    esac
}

package_of() {
    case $1 in
        etcd) echo go.etcd.io/etcd/server/v3 ;;
        nats-server) echo github.com/nats-io/nats-server/v2 ;;
        containerd | containerd-shim-runc-v2 | ctr) echo "github.com/containerd/containerd/v2/cmd/$1" ;;
        runc) echo github.com/opencontainers/runc ;;
        coredns) echo ./coredns ;;
        helm) echo helm.sh/helm/v3/cmd/helm ;;
        kube-score) echo github.com/zegl/kube-score/cmd/kube-score ;;
        prometheus | promtool) echo "github.com/prometheus/prometheus/cmd/$1" ;;
        *) echo "k8s.io/kubernetes/cmd/$1" ;;
    esac
}

# How long it takes on two cores with an empty cache, to tell the person who waits.
duration_of() {
    case $1 in
        kube-apiserver) echo "about 4 min" ;;
        kube-controller-manager) echo "about 2 min" ;;
        prometheus) echo "about 5 min" ;;
        supercargo) echo "a few minutes" ;;
        *) echo "about 1 min" ;;
    esac
}

# build_tags BINARY: what is left out, or has to be asked for.
build_tags() {
    case $1 in
        containerd) echo no_btrfs,no_devmapper,no_zfs ;;
        runc) echo seccomp ;;
        prometheus | promtool) echo remove_all_sd ;;
        *) echo ;;
    esac
}

# uses_c BINARY: 1 for the one that is partly written in C.
uses_c() { if [[ $1 == runc ]]; then echo 1; else echo 0; fi; }

# linker_flags BINARY: without a version of its own a Kubernetes binary says v0.0.0, which clients refuse to believe, and helm takes
# every cluster it does not ask for Kubernetes 1.20.
linker_flags() {
    local version minor flags="-s -w" name
    if [[ $(module_of "$1") == kubernetes ]]; then
        version=$(version_in kubernetes k8s.io/kubernetes)
        for name in gitVersion="$version" gitMajor=1 gitMinor="$(cut -d. -f2 <<<"$version")" gitTreeState=clean; do
            flags+=" -X k8s.io/component-base/version.$name"
        done
    elif [[ $1 == helm ]]; then
        flags+=" -X helm.sh/helm/v3/internal/version.version=$(version_in chart-tools/helm helm.sh/helm/v3)"
        # k8s.io/client-go v0.36.2 is that of Kubernetes 1.36.
        minor=$(version_in chart-tools/helm k8s.io/client-go | cut -d. -f2)
        for name in chartutil lint/rules; do
            flags+=" -X helm.sh/helm/v3/pkg/$name.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$name.k8sVersionMinor=$minor"
        done
    fi
    printf '%s' "$flags"
}

# version_in MODULE REQUIREMENT: as its go.mod pins it.
version_in() {
    awk -v name="$2" '$1 == name { print $2; exit } $2 == name { print $3; exit }' "$DEV/$1/go.mod"
}

# binary_folder MODULE: sets FOLDER. The Go version is part of the key; a machine that has lost its Go still finds what is built.
declare -A FOLDERS
binary_folder() {
    local module=$1 sources version candidate
    FOLDER=${FOLDERS[$module]:-}
    if [[ -n $FOLDER ]]; then return; fi
    sources=$(cat "$DEV/$module/go.mod" "$DEV/$module/go.sum" | sha256sum | cut -c1-16)
    if command -v go >/dev/null && version=$(cd "$DEV/$module" && go env GOVERSION 2>/dev/null) && [[ -n $version ]]; then
        FOLDER=$CACHE/bin/$module-$sources-$version-$(uname -m)
    else
        FOLDER=$CACHE/bin/$module-$sources-no-go
        for candidate in "$CACHE/bin/$module-$sources-"*"-$(uname -m)"; do
            if [[ -d $candidate ]]; then FOLDER=$candidate; fi
        done
    fi
    FOLDERS[$module]=$FOLDER
}

# path_of BINARY: sets BINARY_PATH.
path_of() {
    binary_folder "$(module_of "$1")"
    BINARY_PATH=$FOLDER/$1
}

need_rust() {
    need cargo "builds supercargo" "see https://rustup.rs"
    need cc "links supercargo" "Debian: apt-get install build-essential"
}

need_go() { need go "builds the cluster's programs, once" "Debian 13: apt-get install golang-go; else see https://go.dev/dl"; }

check_go_version() {
    local version
    version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null || true)
    if [[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] < 21)); then
        die "go is too old ($version): from 1.21 on it brings the version that dev/*/go.mod asks for by itself" \
            "install one from https://go.dev/dl"
    fi
}

# build_go STEP BINARY: into a file beside its place, then moved there, so that what is there is whole.
build_go() {
    local step=$1 binary=$2 module log began target heartbeat status=0
    module=$(module_of "$binary")
    path_of "$binary"
    target=$BINARY_PATH
    log=$CACHE/log/$binary.log
    mkdir -p "${target%/*}" "${log%/*}" || die "cannot write to the cache $CACHE" "set SUPERCARGO_CACHE to a folder you may write"
    began=$(now)
    say "[$step] building $binary ($(duration_of "$binary") with nothing cached) …"
    # A sign of life for whoever waits, from a process that ends with us.
    (
        exec 7>&- 9>&-
        while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
            say "[$step]   still building $binary, $(seconds_since "$began") s"
        done
    ) &
    heartbeat=$!
    (cd "$DEV/$module" && CGO_ENABLED=$(uses_c "$binary") go build -mod=readonly -trimpath -buildvcs=false \
        -tags "$(build_tags "$binary")" -ldflags "$(linker_flags "$binary")" \
        -o "$target.new" "$(package_of "$binary")") >"$log" 2>&1 || status=$?
    kill "$heartbeat" 2>/dev/null || true
    wait "$heartbeat" 2>/dev/null || true
    if ((status != 0)); then
        rm -f "$target.new"
        tail -n 20 "$log" | sed 's/^/    /' >&2
        die "building $binary failed (all of it: $log)" \
            "it needs the Go modules, so a network or a Go proxy the first time, and about 3 GB of disk"
    fi
    mv -f "$target.new" "$target"
    say "[$step] $binary built in $(seconds_since "$began") s"
}

# rust_binary: sets SUPERCARGO to the path of the binary, built or given.
rust_binary() {
    local profile=${SUPERCARGO_PROFILE:-dev} folder target=${CARGO_TARGET_DIR:-target}
    folder=$profile
    if [[ $profile == dev ]]; then folder=debug; fi
    [[ $target == /* ]] || target=$CHECKOUT/$target
    SUPERCARGO=${SUPERCARGO_BIN:-$target/$folder/supercargo}
}

build_rust() {
    local step=${1:-} began
    rust_binary
    if [[ -n ${SUPERCARGO_BIN:-} ]]; then
        [[ -x $SUPERCARGO_BIN ]] || die "SUPERCARGO_BIN=$SUPERCARGO_BIN is not a program" "unset it to build from the checkout"
        return
    fi
    began=$(now)
    if [[ -x $SUPERCARGO ]]; then say "[$step] supercargo: building what changed …"
    else say "[$step] building supercargo ($(duration_of supercargo) with nothing cached) …"; fi
    (cd "$CHECKOUT" && cargo build --locked --profile "${SUPERCARGO_PROFILE:-dev}" --bin supercargo) 7>&- 9>&- ||
        die "building supercargo failed; the compiler's words are above"
    say "[$step] supercargo built in $(seconds_since "$began") s"
}

# build_all BINARY...: what is missing of them.
build_all() {
    local binary missing=() total step=0 rust=0
    for binary in "$@"; do
        if [[ $binary == supercargo ]]; then
            # A binary that is given needs no step.
            if [[ -n ${SUPERCARGO_BIN:-} ]]; then build_rust; else rust=1; fi
            continue
        fi
        path_of "$binary"
        if [[ ! -x $BINARY_PATH ]]; then missing+=("$binary"); fi
    done
    total=$((${#missing[@]} + rust))
    # Before the first long build, not after it.
    if ((rust)); then need_rust; fi
    if ((${#missing[@]} > 0)); then need_go; fi
    need_all
    if ((${#missing[@]} > 0)); then
        check_go_version
        mkdir -p "$CACHE" || die "cannot create the cache $CACHE" "set SUPERCARGO_CACHE to a folder you may write"
        exec 7>"$CACHE/build.lock"
        flock -n 7 || { say "waiting for another build into $CACHE to finish …"; flock 7; }
        for binary in "${missing[@]}"; do
            step=$((step + 1))
            path_of "$binary"
            if [[ -x $BINARY_PATH ]]; then say "[$step/$total] $binary was built meanwhile"
            else build_go "$step/$total" "$binary"; fi
        done
        exec 7>&-
    fi
    if ((rust)); then build_rust "$((step + 1))/$total"; fi
}
