# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that go with this read what is set here
# A whole Kubernetes node on this machine, for `make e2e`: kubelet, containerd, runc, kube-proxy, CoreDNS. Needs root.
#
# It lives in a network and a mount namespace of its own, which end with the last process in them: its interfaces, rules and mounts
# cannot stay behind. Its cgroups have one parent, by which every process of every pod is found.

NODE_ADDRESS=10.77.0.1
NODE_NAME=node
PODS=10.244.0.0/16
SERVICES_DNS=10.96.0.10
NODE_PACKAGES="containernetworking-plugins iptables nftables iproute2 conntrack libseccomp-dev pkg-config gcc libc6-dev"

need_node() {
    local how="Debian: apt-get install $NODE_PACKAGES"
    need ip "gives the node its interfaces" "$how"
    need nft "routes the Services" "$how"
    need iptables "lets pods reach each other" "$how"
    need conntrack "routes the Services" "$how"
    need nsenter "enters the node's namespaces" "Debian: apt-get install util-linux"
    need cc "builds runc and what is in the images" "$how"
    # Not programs to be called by hand, so on no PATH.
    [[ -x /usr/lib/cni/bridge ]] || MISSING+=("/usr/lib/cni: gives pods their network ($how)")
    [[ -e /usr/include/seccomp.h ]] || MISSING+=("seccomp.h: runc confines containers by it ($how)")
    need_all
}

# ---- Namespaces and cgroups ----

node_cgroup() { CGROUP=supercargo-$(sha256sum <<<"$STATE" | cut -c1-12); }

# cgroup_roots: where cgroup controllers are mounted: one place in version 2, one a controller in version 1.
cgroup_roots() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }

make_cgroups() {
    local root folder controller
    node_cgroup
    for root in $(cgroup_roots); do
        mkdir -p "$root/$CGROUP/node"
        # In version 2 a controller has to be handed down from folder to folder.
        for folder in "$root" "$root/$CGROUP"; do
            if [[ ! -e $folder/cgroup.subtree_control ]]; then continue; fi
            for controller in $(<"$folder/cgroup.controllers"); do
                echo "+$controller" >"$folder/cgroup.subtree_control" 2>/dev/null || true
            done
        done
    done
}

# node_processes: everything that runs in the node or in its pods.
node_processes() {
    local root
    node_cgroup
    for root in $(cgroup_roots); do
        if [[ -d $root/$CGROUP ]]; then find "$root/$CGROUP" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done | sort -nu | grep -vx 0 || true
}

remove_cgroups() {
    local root attempt
    node_cgroup
    for root in $(cgroup_roots); do
        # The kernel takes a moment to let go of a process that has ended.
        for ((attempt = 0; attempt < 50; attempt++)); do
            [[ -d $root/$CGROUP ]] || break
            find "$root/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
    done
}

node_is_apart() { [[ $(readlink "/proc/$PID/ns/mnt") != "$(readlink /proc/self/ns/mnt)" ]]; }

# make_namespaces: `enter` becomes the way in, for our programs and for a person who looks around.
make_namespaces() {
    local root
    WITHIN=()
    launch namespaces '' unshare --mount --net --propagation slave -- sleep infinity
    alive namespaces
    wait_for namespaces 10 node_is_apart
    {
        say '#!/bin/sh' '# Runs a command inside the node.'
        # In version 1 the one hierarchy that hands out nothing scarce; in version 2 there is but one.
        for root in $(cgroup_roots); do
            case $root in */pids | */unified | /sys/fs/cgroup) say "echo \$\$ >$root/$CGROUP/node/cgroup.procs || true" ;; esac
        done
        say "export KUBECONFIG=$(quoted "$STATE/kubeconfig") PATH=$(quoted "$STATE/bin"):\$PATH"
        say 'unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY'
        say "exec nsenter --target $PID --mount --net --wdns=\"\$PWD\" -- \"\$@\""
    } | write_file "$STATE/enter"
    chmod 755 "$STATE/enter"
    WITHIN=("$STATE/enter")
}

# furnish: run inside. What programs keep at places that cannot be told them lies in the state folder, not on the machine.
furnish() {
    local state=$1 folder name
    mount --make-rshared /
    mount -t tmpfs -o mode=755 supercargo-run /run
    for folder in /var/lib /var/log; do
        if [[ $state == "$folder"/* ]]; then continue; fi
        name=${folder//\//-}
        mkdir -p "$state/private/$name" "$state/private/$name.work"
        mount -t overlay -o "lowerdir=$folder,upperdir=$state/private/$name,workdir=$state/private/$name.work" overlay "$folder"
    done
    ip link set lo up
    # Its address sits on a bridge, for not every kernel has a dummy device.
    ip link add node0 type bridge
    ip address add "$2/24" dev node0
    ip link set node0 up
    ip route add default via "$2" dev node0
    sysctl -qw net.ipv4.ip_forward=1
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
}

# ---- The programs ----

write_network() {
    mkdir -p "$STATE/cni"
    write_file "$STATE/cni/10-pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$STATE/ipam", "ranges": [[{"subnet": "${PODS%/16}/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
END
}

start_containerd() {
    local folder
    path_of runc
    folder=${BINARY_PATH%/*}
    write_network
    write_file "$STATE/containerd.toml" <<END
version = 3
root = "$STATE/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[ttrpc]
  address = "/run/containerd/containerd.sock.ttrpc"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "supercargo.local/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$STATE/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
    BinaryName = "$folder/runc"
END
    launch containerd "$(sha256sum <"$STATE/containerd.toml")" env -i "PATH=$folder:/usr/sbin:/usr/bin:/sbin:/bin" "$MARK=$STATE" \
        "$folder/containerd" --config "$STATE/containerd.toml" --log-level warn
}

containers() { path_of ctr && "${WITHIN[@]}" "$BINARY_PATH" --address /run/containerd/containerd.sock --namespace k8s.io "$@"; }

containerd_ready() { containers version; }

import_image() {
    containers images import "$1" >"$STATE/log/import.log" 2>&1 || die "containerd refused the image in $1" "$(tail -n 3 "$STATE/log/import.log")"
}

start_kubelet() {
    write_file "$STATE/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $STATE/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
cgroupsPerQOS: true
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
clusterDNS: [$SERVICES_DNS]
clusterDomain: cluster.local
resolvConf: $STATE/resolv.conf
volumePluginDir: $STATE/kubelet-plugins
maxPods: 200
END
    say "nameserver $NODE_ADDRESS" | write_file "$STATE/resolv.conf"
    chmod 644 "$STATE/resolv.conf"
    path_of kubelet
    launch kubelet "$(sha256sum <"$STATE/kubelet.yaml")" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$MARK=$STATE" \
        "$BINARY_PATH" "--config=$STATE/kubelet.yaml" "--kubeconfig=$STATE/kubelet.kubeconfig" --root-dir=/var/lib/kubelet \
        "--hostname-override=$NODE_NAME" "--node-ip=$NODE_ADDRESS" --v=1
}

start_scheduler() {
    local config=$STATE/scheduler.kubeconfig
    path_of kube-scheduler
    launch kube-scheduler '' "${CLEAN[@]}" "$BINARY_PATH" "--kubeconfig=$config" "--authentication-kubeconfig=$config" \
        "--authorization-kubeconfig=$config" --leader-elect=false --bind-address=127.0.0.1
}

start_proxy() {
    path_of kube-proxy
    launch kube-proxy '' env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$MARK=$STATE" "$BINARY_PATH" \
        "--kubeconfig=$STATE/kubeconfig" "--hostname-override=$NODE_NAME" "--cluster-cidr=$PODS" --proxy-mode=nftables \
        --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}

start_coredns() {
    write_file "$STATE/Corefile" <<END
.:53 {
  bind $NODE_ADDRESS
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $STATE/kubeconfig supercargo-dev
    ttl 5
  }
  cache 5
}
END
    path_of coredns
    launch coredns "$(sha256sum <"$STATE/Corefile")" "${CLEAN[@]}" "$BINARY_PATH" -conf "$STATE/Corefile"
}

# Services without pods behind them: name resolution and the API server are processes of the node.
apply_node_services() {
    ours apply --server-side --force-conflicts -f - >"$STATE/log/apply.log" 2>&1 <<END
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: $SERVICES_DNS, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [$NODE_ADDRESS], conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: ${PORT[APISERVER]}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes-1, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
ports: [{name: https, port: ${PORT[APISERVER]}, protocol: TCP}]
endpoints: [{addresses: [$NODE_ADDRESS], conditions: {ready: true}}]
END
}

node_ready() { [[ $(ours get node "$NODE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]; }

# The kubelet does not measure disks here: on some machines it cannot make out which one it stands on, and would not start. So it is
# told what there is, for pods ask for some of it.
tell_disk() {
    local free
    free=$(df --output=avail -k "$STATE" | tail -n 1)
    ours patch node "$NODE_NAME" --subresource=status --type merge \
        --patch "{\"status\":{\"capacity\":{\"ephemeral-storage\":\"${free// /}Ki\"}}}" >/dev/null
    wait_for kubelet 60 disk_is_known
}

disk_is_known() { [[ -n $(ours get node "$NODE_NAME" -o 'jsonpath={.status.allocatable.ephemeral-storage}') ]]; }

# ---- Up and down ----

node_up() {
    # In a network of its own every port is free.
    PORT=([ETCD]=2379 [ETCD_PEER]=2380 [APISERVER]=6443 [CONTROLLER_MANAGER]=10257)
    SERVER_ADDRESSES=", IP:$NODE_ADDRESS"
    CLIENT_CERTIFICATES=("kubelet=/O=system:nodes/CN=system:node:$NODE_NAME" "scheduler=/CN=system:kube-scheduler")
    APISERVER_ARGUMENTS=(--bind-address=0.0.0.0 "--advertise-address=$NODE_ADDRESS" --allow-privileged
        --kubelet-preferred-address-types=InternalIP
        "--kubelet-client-certificate=$STATE/pki/admin.crt" "--kubelet-client-key=$STATE/pki/admin.key")
    CONTROLLER_MANAGER_ARGUMENTS=('--controllers=*' --allocate-node-cidrs "--cluster-cidr=$PODS"
        "--cluster-signing-cert-file=$STATE/pki/ca.crt" "--cluster-signing-key-file=$STATE/pki/ca.key")
    make_cgroups
    make_namespaces
    "${WITHIN[@]}" bash -euo pipefail -c "$(declare -f furnish); furnish \"\$@\"" furnish "$STATE" "$NODE_ADDRESS"
    clean_environment
    ensure_pki
    write_kubeconfigs
    kubeconfig "$STATE/kubelet.kubeconfig" kubelet
    kubeconfig "$STATE/scheduler.kubeconfig" scheduler
    start_etcd
    start_containerd
    wait_for etcd 60 etcd_ready
    start_apiserver
    link_kubectl
    wait_for containerd 30 containerd_ready
    pause_image
    import_image "$ARCHIVE"
    wait_for kube-apiserver 120 apiserver_ready
    start_controller_manager
    start_scheduler
    start_kubelet
    start_proxy
    start_coredns
    apply_node_services || { sleep 1 && apply_node_services; } ||
        die "the API server refused the node's Services" "$(tail -n 5 "$STATE/log/apply.log")"
    wait_for kubelet 60 node_ready
    tell_disk
}

# node_down: nothing of it may stay. Nobody in there is asked: what they hold is thrown away with them.
node_down() {
    local pids began name
    began=$(now)
    # The kubelet first, which would start again what ends.
    stop_process kubelet 2
    while pids=$(node_processes) && [[ -n $pids ]]; do
        # shellcheck disable=SC2086 # a list of ids
        kill -s KILL $pids 2>/dev/null || true
        (($(now) - began < 30000)) || die "processes of the node do not end: $(tr '\n' ' ' <<<"$pids")"
        sleep 0.1
    done
    stop_process namespaces 2
    stop_strays
    for name in "$STATE"/run/*; do forget "${name##*/}"; done
    remove_cgroups
}

# node_leftovers: names what is still there of it, one a line; says nothing when all is gone.
node_leftovers() {
    local pid root
    for pid in $(node_processes) $(strays); do say "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-80)"; done
    for root in $(cgroup_roots); do
        if [[ -e $root/$CGROUP ]]; then say "cgroup $root/$CGROUP"; fi
    done
    # Of whatever process: a mount namespace that lives on would show here.
    grep -lF -- "$STATE/" /proc/[0-9]*/mountinfo 2>/dev/null | sed 's/^/mounts in /' || true
    if [[ -e /sys/class/net/node0 || -e /sys/class/net/cni0 ]]; then say "a network interface"; fi
}
