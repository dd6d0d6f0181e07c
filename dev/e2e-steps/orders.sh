# shellcheck shell=bash
# Orders by kubectl and by REST, and the load under which the rest is tried.

load_articles() {
    # Enough that none runs out under load.
    sed -E 's/(sku: MUG-01.*stock: )[0-9]+/\1100000/' "$CHECKOUT/manifests/catalog.yaml" | program catalog catalog import /dev/stdin >/dev/null
    k apply -f "$CHECKOUT/manifests/shop.yaml" >/dev/null
    shows "$(program inventory stock | tail -n +2 | wc -l) articles are held by catalog and inventory"
}

# Every sample says in its first line where it ends or rests; one waits until it is cancelled.
sample_orders() {
    local file name phase
    k apply -f "$CHECKOUT/manifests/orders/" >/dev/null
    k wait orders.supercargo.dev/cancelled --for='jsonpath={.status.phase}=Placed' --timeout=60s >/dev/null
    k patch orders.supercargo.dev cancelled --type merge --patch '{"spec":{"cancel":{"reason":"customer request"}}}' >/dev/null
    for file in "$CHECKOUT"/manifests/orders/*.yaml; do
        name=$(basename "$file" .yaml)
        phase=$(sed -nE '1s/^# (Ends|Rests in) ([A-Za-z]+).*/\2/p' "$file")
        if [[ $name == cancelled ]]; then phase=Cancelled; fi
        k wait "orders.supercargo.dev/$name" --for="jsonpath={.status.phase}=$phase" --timeout=90s >/dev/null ||
            { warn "the sample $name did not come to $phase"; return 1; }
    done
    k get orders.supercargo.dev --no-headers -o 'custom-columns=N:.metadata.name,P:.status.phase,R:.status.reason' | sed 's/^/   /'
    program orders order history completed --namespace "$NAMESPACE" >"$STATE/log/history.log"
    shows "supercargo order history completed, inside a pod: $(wc -l <"$STATE/log/history.log") lines"
}

# ---- REST, through the Service's address as a pod would reach it ----

rest_address() { API=http://$(k get service supercargo-storefront -o 'jsonpath={.spec.clusterIP}:{.spec.ports[0].port}')/api/v1; }

# rest PATH ARGUMENT...: the answer on stdout; fails by anything but success.
rest() {
    local path=$1
    shift
    "${WITHIN[@]}" curl --noproxy '*' --silent --show-error --fail-with-body --max-time 20 \
        ${TOKEN:+--header "authorization: Bearer $TOKEN"} --header 'content-type: application/json' "$@" "$API$path"
}

ADDRESS='{"name":"A. Shopper","line1":"1 High Street","city":"Berlin","postalCode":"10115","country":"DE"}'

id_in() { grep -o '"id":"[^"]*"' <<<"$1" | head -n 1 | cut -d'"' -f4; }

sign_up() {
    TOKEN=''
    TOKEN=$(rest /users/register --data "{\"email\":\"$1\",\"password\":\"correct horse battery staple\",\"name\":\"A. Shopper\"}" |
        sed 's/.*"token":"\([^"]*\)".*/\1/')
}

rest_orders() {
    local answer id email=shopper-$RANDOM@example.com
    rest_address
    sign_up "$email"
    rest '/products?query=mug' | grep -q MUG-01
    rest /cart/items/MUG-01 --request PUT --data '{"quantity":2}' >/dev/null
    answer=$(rest /cart/checkout --header 'idempotency-key: first' --data "{\"shippingAddress\":$ADDRESS,\"payment\":{\"method\":\"pm_card_visa\"}}")
    id=$(id_in "$answer")
    # Its stream of events ends with the order.
    rest "/orders/$id/events" --no-buffer --max-time 60 >"$STATE/log/events.log"
    answer=$(rest "/orders/$id")
    [[ $answer == *'"phase":"Completed"'* ]] || { warn "the order by REST: $answer"; return 1; }
    shows "signed up, searched, filled a cart and checked out at $API: Completed after $(grep -c '^id:' "$STATE/log/events.log") events"
    [[ $(k get orders.supercargo.dev --field-selector "spec.customer.email=$email" --no-headers | wc -l) == 1 ]]
    shows "kubectl sees the same order, by --field-selector spec.customer.email=$email"
}

# ---- Load ----

# start_load NAME: by kubectl ${E2E_RATE:-2} orders a second, by REST one a second, until stop_load. What was acknowledged is in files.
start_load() {
    LOAD=$1 LOAD_FOLDER=$STATE/load/$1
    mkdir -p "$LOAD_FOLDER"
    rest_address
    sign_up "load-$1-$RANDOM@example.com"
    : >"$LOAD_FOLDER/run"
    load_by_kubectl 9>&- &
    LOADERS=($!)
    load_by_rest 9>&- &
    LOADERS+=($!)
}

load_by_kubectl() {
    local number=0 count name documents
    while [[ -e $LOAD_FOLDER/run ]]; do
        documents=''
        for ((count = 0; count < ${E2E_RATE:-2}; count++)); do
            number=$((number + 1))
            name=load-$LOAD-$number
            documents+="$(sed -e "s/^  name: completed$/  name: $name\n  labels: {load: $LOAD}/" "$CHECKOUT/manifests/orders/completed.yaml")"$'\n---\n'
        done
        # Created is acknowledged; what was refused or not answered may be tried again under its name, and is not counted here.
        k create -f - <<<"$documents" >>"$LOAD_FOLDER/created" 2>>"$LOAD_FOLDER/refused" || true
        sleep 1
    done
}

# The same request under the same key until it is answered, as a shop's client would.
load_by_rest() {
    local number=0 attempt answer
    while [[ -e $LOAD_FOLDER/run ]]; do
        number=$((number + 1))
        for ((attempt = 1; attempt <= 60; attempt++)); do
            if answer=$(rest /orders --max-time 5 --header "idempotency-key: $LOAD-$number" --data \
                "{\"items\":[{\"sku\":\"MUG-01\",\"quantity\":1}],\"shippingAddress\":$ADDRESS,\"payment\":{\"method\":\"pm_card_visa\"}}" 2>&1); then
                id_in "$answer" >>"$LOAD_FOLDER/accepted"
                break
            fi
            printf '%(%T)T %s: %s\n' -1 "$number" "$answer" >>"$LOAD_FOLDER/unanswered"
            sleep 1
        done
        sleep 1
    done
}

LOADERS=()
stop_load() {
    if ((${#LOADERS[@]} == 0)); then return; fi
    rm -f "$LOAD_FOLDER/run"
    wait "${LOADERS[@]}" || true
    LOADERS=()
}

# A file that nobody wrote to may not be there.
lines_in() { if [[ -e $1 ]]; then wc -l <"$1"; else echo 0; fi; }

# pay_again: while the stand-in of the payment provider itself was away, a payment may not have reached it. Then nothing is taken and the
# order waits for its customer, who tries again.
PAID_AGAIN=''
pay_again() {
    local name
    while read -r name; do
        [[ -n $name && " $PAID_AGAIN " != *" $name "* ]] || continue
        k patch "$name" --type merge --patch '{"spec":{"payment":{"retry":1}}}' >/dev/null
        PAID_AGAIN+=" $name"
    done < <(awk '$3 == "AwaitingPayment" && $4 == "PaymentDeclined" && $2 ~ /load-|web-|order-/ { print $2 }' "$LOAD_FOLDER/orders")
}

# nothing_is_lost: every order that was acknowledged came to its end, delivered and paid.
nothing_is_lost() {
    local created accepted unanswered refused began all completed
    created=$(lines_in "$LOAD_FOLDER/created")
    accepted=$(lines_in "$LOAD_FOLDER/accepted")
    unanswered=$(lines_in "$LOAD_FOLDER/unanswered")
    refused=$(lines_in "$LOAD_FOLDER/refused")
    shows "acknowledged: $created by kubectl, $accepted by REST; $unanswered requests by REST were sent again, $refused by kubectl failed"
    ((created > 0 && accepted > 0)) || { warn "there was no load: $(tail -n 3 "$LOAD_FOLDER"/{unanswered,refused})"; return 1; }
    began=$(now)
    while true; do
        k get orders.supercargo.dev -o 'go-template={{range .items}}{{.metadata.uid}} order.supercargo.dev/{{.metadata.name}} {{.status.phase}} {{.status.reason}}{{"\n"}}{{end}}' \
            >"$LOAD_FOLDER/orders"
        pay_again
        all=$(sort -u <(awk '{ print $1 }' "$LOAD_FOLDER/created" 2>/dev/null) "$LOAD_FOLDER/accepted")
        # Names of the one and ids of the other stand in the same table.
        completed=$(awk 'NR == FNR { phase[$1] = $3; phase[$2] = $3; next } phase[$1] == "Completed"' "$LOAD_FOLDER/orders" - <<<"$all" | wc -l)
        if ((completed == created + accepted)); then break; fi
        if (($(now) - began > 240000)); then
            warn "$completed of $((created + accepted)) orders are Completed; the others:"
            awk 'NR == FNR { phase[$1] = $3; phase[$2] = $3; next } phase[$1] != "Completed" { print "    " $1, phase[$1] }' \
                "$LOAD_FOLDER/orders" - <<<"$all" | head -n 20 >&2
            return 1
        fi
        sleep 1
    done
    shows "all $completed are Completed, $(seconds_since "$began") s after the last was placed; customers paid again in $(wc -w <<<"$PAID_AGAIN") of them"
}
