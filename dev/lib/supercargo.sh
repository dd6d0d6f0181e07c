# shellcheck shell=bash
# Our own two processes. They keep the caller's environment (log settings and the like); what is set here is what they depend on.

# Another build of the binary asks for a restart.
identity_of() { stat -L -c '%d:%i:%s:%Y' "$1"; }

link_supercargo() {
    if [[ -x $SUPERCARGO ]]; then ln -sfn "$(realpath "$SUPERCARGO")" "$STATE/bin/supercargo"; fi
}

# A proxy of the caller's is for the world, not for 127.0.0.1.
UNPROXIED="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"

start_sandbox() {
    launch sandbox "$(identity_of "$SUPERCARGO")" env "NO_PROXY=$UNPROXIED" "no_proxy=$UNPROXIED" \
        "SANDBOX_STRIPE_ADDR=127.0.0.1:${PORT[STRIPE]}" "SANDBOX_CARRIER_ADDR=127.0.0.1:${PORT[CARRIER]}" \
        "SANDBOX_SMTP_ADDR=127.0.0.1:${PORT[SMTP]}" "SANDBOX_MAILBOX_ADDR=127.0.0.1:${PORT[MAILBOX]}" \
        "SANDBOX_DATA=$STATE/sandbox" "SANDBOX_DELIVERY=$DELIVERY" "SANDBOX_WEBHOOK_URL=$SHOP_URL/api/v1/webhooks" \
        "STRIPE_KEY=$STRIPE_KEY" "STRIPE_WEBHOOK_SECRET=$STRIPE_WEBHOOK_SECRET" \
        "CARRIER_KEY=$CARRIER_KEY" "CARRIER_WEBHOOK_SECRET=$CARRIER_WEBHOOK_SECRET" \
        "$SUPERCARGO" run sandbox
}

sandbox_ready() { answers "$MAILBOX_URL/health"; }

start_supercargo() {
    launch supercargo "$(identity_of "$SUPERCARGO")" env "NO_PROXY=$UNPROXIED" "no_proxy=$UNPROXIED" \
        "KUBECONFIG=$KUBECONFIG" "NATS_URL=$NATS_URL" "DATABASE_URL=$DATABASE_URL" \
        "STRIPE_URL=$STRIPE_URL" "STRIPE_KEY=$STRIPE_KEY" "STRIPE_WEBHOOK_SECRET=$STRIPE_WEBHOOK_SECRET" \
        "CARRIER_URL=$CARRIER_URL" "CARRIER_KEY=$CARRIER_KEY" "CARRIER_WEBHOOK_SECRET=$CARRIER_WEBHOOK_SECRET" \
        "SMTP_URL=$SMTP_URL" "MAIL_FROM=$MAIL_FROM" "HTTP_ADDR=127.0.0.1:${PORT[HTTP]}" \
        "OTEL_EXPORTER_OTLP_ENDPOINT=${OTEL_EXPORTER_OTLP_ENDPOINT-$MAILBOX_URL}" \
        "$SUPERCARGO" run all
}

supercargo_ready() { answers "$SHOP_URL/ready"; }
