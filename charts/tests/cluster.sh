# shellcheck shell=bash
# What charts/test asks of a real API server. Expects HELM, CHART, CASES and TEMPORARY; the server has no node, so nothing runs there.

KINDS_OF_OTHERS="ScaledObject, PodMonitor, ServiceMonitor, PrometheusRule, HTTPRoute"

cluster() { "$SUPERCARGO_DEV_DIR/bin/kubectl" --kubeconfig="$SUPERCARGO_DEV_DIR/kubeconfig" --cache-dir="$TEMPORARY/kubectl" "$@"; }
release() { "$HELM" --kubeconfig "$SUPERCARGO_DEV_DIR/kubeconfig" --namespace shop "$@" >"$TEMPORARY/helm.log" 2>&1 || {
    tail -n 20 "$TEMPORARY/helm.log" >&2
    die "helm $1 failed"
}; }

# as ROLE COMMAND...: as the ServiceAccount of a role.
as() {
    local role=$1
    shift
    cluster --namespace=shop --as="system:serviceaccount:shop:supercargo-$role" --as-group=system:serviceaccounts \
        --as-group=system:authenticated "$@"
}

# Without our definitions, which `make up` has put there: here the chart brings them. Namespaces are held to restricted Pod Security.
prepare_cluster() {
    local namespace
    cluster delete --ignore-not-found -f "$CHECKOUT/manifests/install" -f "$CHECKOUT/crds" >/dev/null
    cluster apply --server-side -f "$CHECKOUT/charts/tests/foreign" >/dev/null
    cluster wait --for=condition=Established --timeout=30s -f "$CHECKOUT/charts/tests/foreign" >/dev/null
    for namespace in shop shop-berlin berlin paris; do
        cluster create namespace "$namespace" >/dev/null
        cluster label namespace "$namespace" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
    done
}

# Server-side, so that nothing is skipped, with unknown fields refused. A warning is a fault too: of Pod Security, or that something is
# deprecated.
dry_run_all() {
    local name said
    # A dry run of a pod (that of `helm test`) wants its account to be there.
    cluster --namespace=shop create serviceaccount supercargo-test >/dev/null
    for name in "${!CASES[@]}"; do
        said=$(cluster apply --server-side --dry-run=server --validate=strict -f "$TEMPORARY/$name.yaml" 2>&1) ||
            die "the API server refuses $name:" "$(grep -v 'serverside-applied' <<<"$said" | head -n 20)"
        if grep -qi warning <<<"$said"; then die "the API server warns of $name:" "$(grep -i warning <<<"$said")"; fi
        say "  dry run, $name: $(grep -c 'serverside-applied' <<<"$said") objects taken"
    done
    cluster --namespace=shop delete serviceaccount supercargo-test >/dev/null
    say "  (of others' kinds, $KINDS_OF_OTHERS, the short schemas in charts/tests/foreign judge: their whole definitions are not here)"
}

password() { cluster --namespace=shop get secret supercargo-trial -o jsonpath='{.data.POSTGRES_PASSWORD}'; }

install_and_upgrade() {
    local before version
    release install supercargo "$CHART" --values "$CHART/values/trial.yaml"
    before=$(password)
    [[ -n $before ]] || die "the trial has no password for Postgres"
    release upgrade supercargo "$CHART" --values "$CHART/values/trial.yaml" --set image.tag=0.1.1,settings.LOG_LEVEL=debug
    [[ $(password) == "$before" ]] || die "an upgrade changed the trial's passwords: nobody would reach their database any more"
    version=$(cluster --namespace=shop get deployment supercargo-payment -o jsonpath='{.spec.template.spec.containers[0].image}')
    [[ $version == supercargo:0.1.1 ]] || die "after the upgrade payment has the image $version"
    say "  installed and upgraded: the passwords are kept"
}

# What the API server itself says that each account may, but for what every authenticated user may: no more than files/roles.yaml says.
rights_are_exact() {
    local role expected got verb what accounts=0 refusals=0
    for role in operator inventory payment shipping notifications catalog accounts orders cart storefront nats postgres sandbox default; do
        expected=$(expected_rights "$role" | sort)
        got=$(as "$role" auth can-i --list --no-headers | granted_rights | sort)
        [[ $got == "$expected" ]] || die "the account of $role may not exactly what files/roles.yaml says (< expected, > granted):" \
            "$(diff <(echo "$expected") <(echo "$got"))"
        accounts=$((accounts + 1))
    done
    # The same in the negative and by hand, for what would hurt most.
    while read -r role verb what; do
        # shellcheck disable=SC2086 # a resource, with arguments
        if as "$role" auth can-i "$verb" $what >/dev/null 2>&1; then die "$role may $verb $what"; fi
        refusals=$((refusals + 1))
    done <<'END'
payment patch orders.supercargo.dev
payment patch orders.supercargo.dev --subresource=status
payment patch shipments.supercargo.dev --subresource=status
payment update payments.supercargo.dev
payment patch payments.supercargo.dev
payment create payments.supercargo.dev
payment delete payments.supercargo.dev
payment list payments.supercargo.dev
inventory patch payments.supercargo.dev --subresource=status
shipping patch payments.supercargo.dev --subresource=status
orders delete orders.supercargo.dev
orders patch orders.supercargo.dev --subresource=status
orders create payments.supercargo.dev
orders create orders.supercargo.dev --namespace=berlin
orders restore orders.supercargo.dev
operator create orders.supercargo.dev
operator update orders.supercargo.dev
operator patch payments.supercargo.dev --subresource=status
operator restore orders.supercargo.dev
operator get secrets
operator update leases.coordination.k8s.io/another
operator create leases.coordination.k8s.io --namespace=kube-system
catalog get orders.supercargo.dev
storefront create orders.supercargo.dev
cart get secrets
notifications list orders.supercargo.dev
accounts create pods
END
    # And that the question is asked rightly.
    as payment auth can-i patch payments.supercargo.dev --subresource=status >/dev/null || die "payment may not report"
    as operator auth can-i update leases.coordination.k8s.io/supercargo-operator >/dev/null || die "the operator may not lead"
    say "  each of $accounts accounts may what files/roles.yaml says and no more; $refusals things that would hurt are refused"
}

# granted_rights: of `kubectl auth can-i --list`, a line `verb resource names` for each right. Reviews of oneself are everybody's, as are the
# addresses without a resource (discovery, health), whose lines begin with a blank.
granted_rights() {
    awk -F '  +' '/^[^ ]/ && !/^selfsubject/ {
        gsub(/[][]/, "", $3)
        gsub(/[][]/, "", $4)
        count = split($4, verbs, " ")
        for (one = 1; one <= count; one++) print verbs[one] " " $1 ($3 == "" ? "" : " " $3)
    }'
}

expected_rights() {
    local kind verb
    case $1 in
        operator)
            for verb in get list watch patch delete; do echo "$verb orders.supercargo.dev"; done
            for kind in stockreservations payments shipments; do
                for verb in get list watch create update delete; do echo "$verb $kind.supercargo.dev"; done
            done
            printf '%s\n' "update orders.supercargo.dev/status" "list shops.supercargo.dev" "watch shops.supercargo.dev" \
                "patch shops.supercargo.dev/status" "create events.events.k8s.io" "patch events.events.k8s.io" \
                "create leases.coordination.k8s.io" "get leases.coordination.k8s.io supercargo-operator" \
                "update leases.coordination.k8s.io supercargo-operator"
            ;;
        inventory) echo "patch stockreservations.supercargo.dev/status" ;;
        payment) echo "patch payments.supercargo.dev/status" ;;
        shipping) echo "patch shipments.supercargo.dev/status" ;;
        orders)
            printf '%s orders.supercargo.dev\n' create get patch
            for kind in orders stockreservations payments shipments; do
                printf "%s $kind.supercargo.dev\n" list watch
            done
            ;;
    esac
}

# flow_of ROLE PATH: the FlowSchema under which the API server serves a role's request, as its answer tells.
flow_of() {
    local server uid
    server=$(cluster config view --raw -o jsonpath='{.clusters[0].cluster.server}')
    uid=$(curl --silent --noproxy '*' --cacert "$SUPERCARGO_DEV_DIR/pki/ca.crt" --cert "$SUPERCARGO_DEV_DIR/pki/admin.crt" \
        --key "$SUPERCARGO_DEV_DIR/pki/admin.key" --header "Impersonate-User: system:serviceaccount:shop:supercargo-$1" \
        --header "Impersonate-Group: system:serviceaccounts" --header "Impersonate-Group: system:authenticated" \
        --dump-header - --output /dev/null "$server$2" | tr -d '\r' | awk -F ': ' 'tolower($1) == "x-kubernetes-pf-flowschema-uid" { print $2 }')
    cluster get flowschemas -o jsonpath="{.items[?(@.metadata.uid=='$uid')].metadata.name}"
}

flows_are_apart() {
    local orders=/apis/supercargo.dev/v1alpha1/namespaces/shop/orders lease=/apis/coordination.k8s.io/v1/namespaces/shop/leases/supercargo-operator
    local attempt
    for ((attempt = 0; attempt < 40; attempt++)); do
        if [[ $(flow_of operator $orders) == shop-supercargo ]]; then break; fi
        sleep 0.5
    done
    [[ $(flow_of operator $orders) == shop-supercargo ]] || die "the operator is served under '$(flow_of operator $orders)'"
    [[ $(flow_of operator $lease) == shop-supercargo-lease ]] || die "the operator's Lease is served under '$(flow_of operator $lease)'"
    [[ $(flow_of orders $orders) == service-accounts ]] || die "the service of orders is served under '$(flow_of orders $orders)'"
    say "  the operator and its Lease are served apart from those who create orders"
}

# refused WORDS COMMAND...: the command fails, and says the words.
refused() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then die "was not refused: $*"; fi
    [[ $said == *"$words"* ]] || die "was refused otherwise than by '$words': $*" "$said"
}

patch() { as "$1" patch order web-1 --type=merge --patch "$2"; }

# What RBAC cannot say, and what it says when somebody has granted too much.
admission_holds() {
    local attempt
    # A policy takes some seconds to be in force, and for new kinds some more.
    for ((attempt = 0; ; attempt++)); do
        as orders create --dry-run=server -f "$CHECKOUT/charts/tests/order.yaml" -o yaml >"$TEMPORARY/order.log" 2>&1 &&
            grep -q supercargo.dev/archive "$TEMPORARY/order.log" && break
        ((attempt < 60)) || die "orders cannot be created, or get no finalizer:" "$(tail -n 5 "$TEMPORARY/order.log")"
        sleep 0.5
    done
    as orders create -f "$CHECKOUT/charts/tests/order.yaml" >/dev/null
    for ((attempt = 0; attempt < 60; attempt++)); do
        if ! patch orders '{"spec": {"suspend": true}}' >/dev/null 2>&1; then break; fi
        patch orders '{"spec": {"suspend": false}}' >/dev/null 2>&1 || true
        sleep 0.5
    done

    patch orders '{"spec": {"shippingService": "express", "cancel": {"reason": "too late"}}}' >/dev/null ||
        die "the service of orders may not do its work"
    patch orders '{"metadata": {"annotations": {"supercargo.dev/refund": "broken", "supercargo.dev/repair-by": "anna"}}}' >/dev/null
    patch orders '{"spec": {"payment": {"method": "pm_card_visa"}}, "metadata": {"annotations": {"supercargo.dev/payment-requests": "a"}}}' >/dev/null ||
        die "the service of orders may not remember who asked to pay"
    refused "changes cancel, items, payment" patch orders '{"spec": {"suspend": true}}'
    refused "changes cancel, items, payment" patch orders '{"spec": {"customer": {"email": "thief@example.com"}}}'
    refused "changes cancel, items, payment" patch orders '{"spec": {"coupon": "FREE"}}'
    refused "changes cancel, items, payment" patch orders '{"spec": {"expectedTotal": {"amount": "1.00", "currency": "EUR"}}}'
    refused "changes cancel, items, payment" patch orders '{"spec": {"ttlSecondsAfterFinished": 1}}'
    refused "and no other" patch orders '{"metadata": {"annotations": {"supercargo.dev/skip": "no"}}}'
    refused "changes no finalizers" patch orders '{"metadata": {"finalizers": []}}'
    refused "changes no finalizers" patch orders '{"metadata": {"labels": {"a": "b"}}}'

    refused "never changes it" patch operator '{"spec": {"shippingService": "standard"}}'
    refused "and no other" patch operator '{"metadata": {"finalizers": ["supercargo.dev/archive", "example.com/other"]}}'
    refused "changes no labels" patch operator '{"metadata": {"annotations": {"a": "b"}}}'
    patch operator '{"metadata": {"finalizers": []}}' >/dev/null || die "the operator may not let an order go"
    patch operator '{"metadata": {"finalizers": ["supercargo.dev/archive"]}}' >/dev/null || die "the operator may not hold an order"

    # Somebody grants payment everything.
    cluster create clusterrolebinding too-wide --clusterrole=cluster-admin --serviceaccount=shop:supercargo-payment >/dev/null
    refused "payment may not UPDATE orders/status" as payment patch order web-1 --subresource=status --type=merge -p '{"status": {"phase": "Paid"}}'
    refused "payment may not UPDATE orders" patch payment '{"spec": {"suspend": true}}'
    refused "payment may not DELETE orders" as payment delete order web-1 --wait=false
    refused "payment may not CREATE orders" as payment create --dry-run=server -f "$CHECKOUT/manifests/orders/completed.yaml"
    refused "is for restores" as orders create --dry-run=server -f "$CHECKOUT/charts/tests/restored-order.yaml"
    cluster delete clusterrolebinding too-wide >/dev/null
    say "  admission holds orders and operator to their fields, and payment to its kind though it was granted everything"
}

uninstall_leaves_orders() {
    release uninstall supercargo
    [[ $(cluster --namespace=shop get orders.supercargo.dev web-1 -o jsonpath='{.spec.cancel.reason}') == "too late" ]] ||
        die "the order did not survive the uninstall"
    # A definition that goes waits for its orders to be let go, so the orders alone tell nothing.
    [[ -z $(cluster get -f "$CHECKOUT/crds" -o jsonpath='{.items[*].metadata.deletionTimestamp}') ]] ||
        die "the uninstall takes the definitions of the resources with it"
    [[ -n $(password) ]] || die "the trial's passwords did not survive the uninstall, but its volumes did"
    if cluster --namespace=shop get deployments -o name | grep -q .; then die "deployments survived the uninstall"; fi
    if cluster get clusterroles,clusterrolebindings,validatingadmissionpolicies,mutatingadmissionpolicies,flowschemas,priorityclasses -o name |
        grep supercargo; then die "the above survived the uninstall"; fi
    # Installed again it takes up what is there, and this time it is told to leave nothing.
    release install supercargo "$CHART" --values "$CHART/values/trial.yaml" --set crds.keep=false,trial.deleteData=true
    cluster --namespace=shop patch order web-1 --type=merge --patch '{"metadata": {"finalizers": []}}' >/dev/null
    release uninstall supercargo
    cluster wait --for=delete --timeout=30s customresourcedefinition/orders.supercargo.dev >/dev/null 2>&1 ||
        die "told to take everything, the uninstall left the orders"
    if cluster --namespace=shop get secret supercargo-trial -o name 2>/dev/null; then die "told to take everything, it left the passwords"; fi
    say "  uninstalled: orders and passwords stay, unless it is told otherwise"
}
