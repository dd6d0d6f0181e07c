# shellcheck shell=bash
# A run with faults: orders that end well, are declined, stay unknown, get stuck; a message nobody can read; a provider, a carrier and a mail
# server that fail. In a namespace of its own, which goes in the end; needs the env of a stack.

NAMESPACE=eyes-$$
ARTICLE=EYES-$$

sandbox() { curl --noproxy '*' --silent --show-error --fail --output /dev/null "$@"; }
set_faults() { sandbox --data "$2" "$1/faults"; }
end_faults() {
    local server
    for server in "$STRIPE_URL" "$CARRIER_URL" "$MAILBOX_URL"; do sandbox --request DELETE "$server/faults" || true; done
}

# eventually SECONDS WHAT COMMAND...: until the command succeeds.
eventually() {
    local seconds=$1 what=$2 began
    shift 2
    began=$(now)
    until "$@" >/dev/null 2>&1; do
        (($(now) - began < seconds * 1000)) || die "after $seconds s it is not so that $what"
        sleep 0.2
    done
}

# place NAME METHOD [STREET]
place() {
    kubectl --namespace "$NAMESPACE" apply --filename - >/dev/null <<END
apiVersion: supercargo.dev/v1alpha1
kind: Order
metadata: {name: $1}
spec:
  customer: {email: eyes@example.com}
  items: [{sku: $ARTICLE, quantity: 1}]
  shippingAddress: {name: A. Shopper, line1: "${3:-1 High Street}", city: Berlin, postalCode: "10115", country: DE}
  payment: {method: $2}
END
}

phase_is() { [[ $(kubectl --namespace "$NAMESPACE" get "$1" "$2" --output 'jsonpath={.status.phase}') == "$3" ]]; }

open_shop() {
    printf -- '- {sku: %s, name: An article for the eyes, price: "12.50", currency: EUR, stock: 100}\n' "$ARTICLE" >"$TEMPORARY/article.yaml"
    supercargo catalog import "$TEMPORARY/article.yaml" >/dev/null
    kubectl apply --filename - >/dev/null <<END
apiVersion: v1
kind: Namespace
metadata: {name: $NAMESPACE}
---
apiVersion: supercargo.dev/v1alpha1
kind: Shop
metadata: {name: default, namespace: $NAMESPACE}
spec: {retry: {initial: 1s, maximum: 2s}}
END
}

# The cluster refuses a child of one order: its quota is used up.
refuse_shipments() {
    kubectl --namespace "$NAMESPACE" create quota eyes --hard=count/shipments.supercargo.dev=0 >/dev/null
    eventually 30 "the quota counts" quota_counts
}
quota_counts() { [[ -n $(kubectl --namespace "$NAMESPACE" get quota eyes --output 'jsonpath={.status.hard}') ]]; }

# poison: a command that nobody can read becomes a dead letter at once. What speaks to NATS here is a shell, for a message without a program.
poison() {
    local address=${NATS_URL##*/} headers payload='{oops' line subject=supercargo.command.payment.capture
    # The dot keeps the shell from taking the last line's end away.
    headers=$(printf '%s\r\n' NATS/1.0 ce-specversion:1.0 "ce-id:eyes-$$-$RANDOM" ce-type:dev.supercargo.command.v1 ce-source:/supercargo/eyes \
        "ce-subject:$1" "ce-time:$(date -u +%FT%TZ)" "traceparent:00-${1//-/}-0000000000000001-01" '' && printf .)
    headers=${headers%.}
    exec 5<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n' \
        "$subject" "${#headers}" $((${#headers} + ${#payload})) "$headers" "$payload" >&5
    while IFS= read -r -t 10 line <&5; do
        if [[ $line == PONG* ]]; then exec 5>&-; return; fi
        if [[ $line == -ERR* ]]; then die "NATS refuses the message: $line"; fi
    done
    die "NATS did not take the message"
}

dead_letters() { supercargo dead-letters list --order "$1" --output json | grep -o '"id": *[0-9]*' | grep -o '[0-9]*$'; }
id_of() { kubectl --namespace "$NAMESPACE" get orders.supercargo.dev "$1" --output 'jsonpath={.metadata.uid}'; }

ask() { curl --noproxy '*' --silent --show-error "$@"; }

# buy_by_rest: a shopper signs up, buys, and asks with a token that is none.
buy_by_rest() {
    local answer token api=$SHOP_URL/api/v1 json='content-type: application/json'
    answer=$(ask --fail "$api/users/register" -H "$json" \
        -d "{\"email\": \"eyes-$$@example.com\", \"password\": \"correct horse battery staple\", \"name\": \"Eyes\"}")
    token=$(sed 's/.*"token":"\([^"]*\)".*/\1/' <<<"$answer")
    ask --fail --output /dev/null "$api/orders" -H "$json" -H "authorization: Bearer $token" -H "idempotency-key: eyes-$$" -d "{
        \"items\": [{\"sku\": \"$ARTICLE\", \"quantity\": 1}], \"payment\": {\"method\": \"pm_card_visa\"}, \"shippingAddress\":
        {\"name\": \"A. Shopper\", \"line1\": \"1 High Street\", \"city\": \"Berlin\", \"postalCode\": \"10115\", \"country\": \"DE\"}}"
    ask --output /dev/null "$api/orders" -H "authorization: Bearer nonsense"
}

# ask_too_often URL: at a gateway that reaches no service: some answers are 5xx, then they are 429.
ask_too_often() {
    local number
    for ((number = 0; number < 30; number++)); do ask --output /dev/null "$1/api/v1/products"; done
}

# close_shop: what is open is cancelled and undone, nothing stays stuck or in doubt, and all of it goes.
close_shop() {
    local order letter id
    id=$(id_of declined 2>/dev/null) || id=''
    if [[ -n $id ]]; then
        for letter in $(dead_letters "$id"); do supercargo dead-letters drop "$letter" --reason "made by dev/eyes/check" >/dev/null || true; done
    fi
    for order in $(kubectl --namespace "$NAMESPACE" get orders.supercargo.dev --output name); do
        kubectl --namespace "$NAMESPACE" patch "$order" --type merge --patch '{"spec": {"cancel": {"reason": "the eyes have seen"}}}' >/dev/null || true
    done
    end_faults
    kubectl --namespace "$NAMESPACE" delete quota eyes --ignore-not-found >/dev/null || true
    supercargo order skip stuck --namespace "$NAMESPACE" --reason "made by dev/eyes/check" >/dev/null 2>&1 || true
    kubectl --namespace "$NAMESPACE" wait orders.supercargo.dev --all --for=condition=Finished --timeout=20s >/dev/null 2>&1 || true
    kubectl delete namespace "$NAMESPACE" --ignore-not-found --wait=false >/dev/null
}
