# shellcheck shell=bash
# What each role may not do, and who may reach whom.

# Who may what: a question a line, and the only roles to which the answer is yes. Verb, resource, group ("core" is the empty one),
# namespace, roles.
QUESTIONS="
list secrets core $NAMESPACE
get secrets core $NAMESPACE
list configmaps core $NAMESPACE
create pods core $NAMESPACE
delete pods core $NAMESPACE
create pods/exec core $NAMESPACE
create serviceaccounts/token core $NAMESPACE
list nodes core -
impersonate users core -
patch deployments apps $NAMESPACE
create rolebindings rbac.authorization.k8s.io $NAMESPACE
bind clusterroles rbac.authorization.k8s.io -
escalate clusterroles rbac.authorization.k8s.io -
patch customresourcedefinitions apiextensions.k8s.io -
delete validatingadmissionpolicies admissionregistration.k8s.io -
update leases coordination.k8s.io kube-system
create leases coordination.k8s.io $NAMESPACE operator
get orders supercargo.dev other operator orders
list orders supercargo.dev $NAMESPACE operator orders
list payments supercargo.dev $NAMESPACE operator orders
get payments supercargo.dev $NAMESPACE operator
create orders supercargo.dev $NAMESPACE orders
create orders supercargo.dev other
update orders supercargo.dev $NAMESPACE
patch orders supercargo.dev $NAMESPACE operator orders
delete orders supercargo.dev $NAMESPACE operator
deletecollection orders supercargo.dev $NAMESPACE
update orders/status supercargo.dev $NAMESPACE operator
patch orders/status supercargo.dev $NAMESPACE
create payments supercargo.dev $NAMESPACE operator
delete stockreservations supercargo.dev $NAMESPACE operator
update shipments supercargo.dev $NAMESPACE operator
patch stockreservations/status supercargo.dev $NAMESPACE inventory
patch payments/status supercargo.dev $NAMESPACE payment
patch shipments/status supercargo.dev $NAMESPACE shipping
update shops supercargo.dev $NAMESPACE
delete shops supercargo.dev $NAMESPACE
"

account_of() { printf 'system:serviceaccount:%s:supercargo-%s' "$NAMESPACE" "$1"; }

# All questions for all roles in one go: reviews are asked for by creating them.
reviews() {
    local verb resource group namespace holders role sub
    while read -r verb resource group namespace holders; do
        [[ -n $verb ]] || continue
        sub=''
        if [[ $resource == */* ]]; then sub=${resource#*/}; fi
        if [[ $group == core ]]; then group=''; fi
        if [[ $namespace == - ]]; then namespace=''; fi
        for role in $ROLES; do
            printf '%s\n' '---' 'apiVersion: authorization.k8s.io/v1' 'kind: SubjectAccessReview' 'spec:' "  user: $(account_of "$role")" \
                "  groups: [system:serviceaccounts, system:serviceaccounts:$NAMESPACE, system:authenticated]" \
                "  resourceAttributes: {verb: $verb, resource: ${resource%/*}, subresource: '$sub', group: '$group', namespace: '$namespace'}"
        done
    done <<<"$QUESTIONS"
}

check_rights() {
    local expected answers
    expected=$(while read -r verb resource group namespace holders; do
        [[ -n $verb ]] || continue
        for role in $ROLES; do
            if [[ " $holders " == *" $role "* ]]; then say "true $role $verb $resource ($group, $namespace)"
            else say "false $role $verb $resource ($group, $namespace)"; fi
        done
    done <<<"$QUESTIONS")
    answers=$(reviews | ours create -f - -o 'jsonpath={.status.allowed}{"\n"}')
    paste -d' ' <(echo "$answers") <(echo "$expected") >"$STATE/log/rights.log"
    if awk '$1 != $2 { print "    " $3, "may" ($1 == "true" ? "" : " not"), $4, $5, $6, $7; wrong = 1 } END { exit !wrong }' "$STATE/log/rights.log" >&2; then
        warn "which is not what the chart promises"
        return 1
    fi
    shows "$(grep -c '^false' <<<"$answers") of $(wc -l <<<"$answers") questions for the rights of $(wc -w <<<"$ROLES") roles are denied, the others are theirs"
    refused "the operator changes no spec" operator patch orders.supercargo.dev completed --type merge --patch '{"spec":{"suspend":true}}'
    refused "the service of orders takes no finalizer away" orders patch orders.supercargo.dev completed --type merge --patch '{"metadata":{"finalizers":null}}'
    refused "payment writes no order's status" payment patch orders.supercargo.dev completed --subresource=status --type merge --patch '{"status":{"phase":"Paid"}}'
    refused "inventory writes no payment's status" inventory patch payments.supercargo.dev completed --subresource=status --type merge --patch '{"status":{"phase":"Voided"}}'
    refused "storefront reads no Secret" storefront get secret supercargo-trial
    refused "notifications reads no order" notifications get orders.supercargo.dev completed
}

# refused WHAT ROLE COMMAND...: really tried, under the role's account.
refused() {
    local what=$1 role=$2 answer
    shift 2
    if answer=$(k "$@" --as="$(account_of "$role")" --as-group=system:serviceaccounts --as-group=system:authenticated 2>&1); then
        warn "$what: it was let: $answer"
        return 1
    fi
    [[ $answer == *[Ff]orbidden* || $answer == *denied* ]] || { warn "$what: refused for another reason: $answer"; return 1; }
    shows "tried and refused: $what"
}

# components KIND PATH: the part of the installation that each object of the kind is about.
components() { k get "$1" -o "jsonpath={range .items[*]}{$2.app\.kubernetes\.io/component}{\"\\n\"}{end}" | sort -u | sed '/^$/d'; }

check_network_policies() {
    local pods selected bare
    pods=$(components pods .metadata.labels)
    selected=$(components networkpolicies .spec.podSelector.matchLabels)
    bare=$(comm -23 <(echo "$pods") <(echo "$selected"))
    [[ -z $bare ]] || { warn "pods without a NetworkPolicy of their own:" "$bare"; return 1; }
    k get networkpolicy supercargo-deny >/dev/null
    shows "each of the $(wc -l <<<"$pods") parts has a NetworkPolicy of its own, and one denies all the rest: whom each may reach and be reached by" \
        "is in \`kubectl describe networkpolicies\`. The API server has taken them, so they are well formed. Nothing here enforces them: that is" \
        "the network plugin's part (Cilium, Calico, a cloud's own), and this node has the plain bridge plugin, which lets everybody through."
}
