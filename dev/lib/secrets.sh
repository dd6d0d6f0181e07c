# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that source this read what is set here
# Passwords and keys (.dev/secrets, made once) and the settings of the outside world (.dev/settings).

random_hex() { openssl rand -hex "$1"; }

load_secrets() {
    if [[ ! -s $STATE/secrets ]]; then
        (
            umask 077
            write_file "$STATE/secrets" <<END
POSTGRES_PASSWORD=$(random_hex 16)
STRIPE_KEY=sk_test_$(random_hex 16)
STRIPE_WEBHOOK_SECRET=whsec_$(random_hex 24)
CARRIER_KEY=carrier_$(random_hex 16)
CARRIER_WEBHOOK_SECRET=carriersec_$(random_hex 24)
END
        )
    fi
    local line
    while IFS= read -r line; do SECRET[${line%%=*}]=${line#*=}; done <"$STATE/secrets"
}
declare -A SECRET SETTING

# What a person may point elsewhere. A setting stays until `make down`, so that a second `make up` from another terminal, which
# does not have it, leaves running what runs.
SETTINGS="STRIPE_URL STRIPE_KEY STRIPE_WEBHOOK_SECRET CARRIER_URL CARRIER_KEY CARRIER_WEBHOOK_SECRET SMTP_URL MAIL_FROM"
SETTINGS+=" SANDBOX_DELIVERY"

# drop_own_exports: a shell that has sourced a .dev/env has our sandbox's addresses set; those are not the person's wish.
drop_own_exports() {
    local pair key
    for pair in ${SUPERCARGO_DEV_EXPORTS:-}; do
        key=${pair%%=*}
        if [[ " $SETTINGS " == *" $key "* && ${!key:-} == "${pair#*=}" ]]; then unset "$key"; fi
    done
}

load_settings() {
    local key line
    drop_own_exports
    if [[ -e $STATE/settings ]]; then
        while IFS= read -r line; do SETTING[${line%%=*}]=${line#*=}; done <"$STATE/settings"
    fi
    for key in $SETTINGS; do
        if [[ -n ${!key:-} ]]; then SETTING[$key]=${!key}; fi
    done
    for key in "${!SETTING[@]}"; do printf '%s=%s\n' "$key" "${SETTING[$key]}"; done | sort | write_file "$STATE/settings"
}

# The addresses and keys in force: the person's, else the sandbox's.
resolve_settings() {
    local local_host=127.0.0.1
    SHOP_URL=http://$local_host:${PORT[HTTP]}
    MAILBOX_URL=http://$local_host:${PORT[MAILBOX]}
    NATS_URL=nats://$local_host:${PORT[NATS]}
    MQTT_URL=mqtt://$local_host:${PORT[MQTT]}
    DATABASE_URL=postgres://supercargo:${SECRET[POSTGRES_PASSWORD]}@$local_host:${PORT[POSTGRES]}/supercargo
    KUBECONFIG=$STATE/kubeconfig
    STRIPE_URL=${SETTING[STRIPE_URL]:-http://$local_host:${PORT[STRIPE]}}
    CARRIER_URL=${SETTING[CARRIER_URL]:-http://$local_host:${PORT[CARRIER]}}
    SMTP_URL=${SETTING[SMTP_URL]:-smtp://$local_host:${PORT[SMTP]}}
    MAIL_FROM=${SETTING[MAIL_FROM]:-orders@shop.example}
    STRIPE_KEY=${SETTING[STRIPE_KEY]:-${SECRET[STRIPE_KEY]}}
    STRIPE_WEBHOOK_SECRET=${SETTING[STRIPE_WEBHOOK_SECRET]:-${SECRET[STRIPE_WEBHOOK_SECRET]}}
    CARRIER_KEY=${SETTING[CARRIER_KEY]:-${SECRET[CARRIER_KEY]}}
    CARRIER_WEBHOOK_SECRET=${SETTING[CARRIER_WEBHOOK_SECRET]:-${SECRET[CARRIER_WEBHOOK_SECRET]}}
    DELIVERY=${SETTING[SANDBOX_DELIVERY]:-5s}
}

quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# write_environment: .dev/env, for sh, bash and zsh.
write_environment() {
    local key exports='' names="SHOP_URL MAILBOX_URL STRIPE_URL STRIPE_KEY STRIPE_WEBHOOK_SECRET CARRIER_URL CARRIER_KEY"
    names+=" CARRIER_WEBHOOK_SECRET NATS_URL MQTT_URL DATABASE_URL KUBECONFIG"
    for key in $SETTINGS; do
        if [[ -z ${SETTING[$key]:-} && -n ${!key:-} ]]; then exports+="$key=${!key} "; fi
    done
    {
        say "# The local cluster of $CHECKOUT, to source; written by \`make up\`."
        for key in $names; do say "export $key=$(quoted "${!key}")"; done
        say "# Which of them are the sandbox's, so that \`make up\` can tell them from settings of your own."
        say "export SUPERCARGO_DEV_EXPORTS=$(quoted "${exports% }")"
        say "supercargo_bin=$(quoted "$STATE/bin")"
        cat <<'END'
# Ours first on the PATH, and there only once however often this is sourced.
supercargo_path=":$PATH:"
while case $supercargo_path in *":$supercargo_bin:"*) true ;; *) false ;; esac; do
    supercargo_path="${supercargo_path%%":$supercargo_bin:"*}:${supercargo_path#*":$supercargo_bin:"}"
done
supercargo_path="${supercargo_path#:}"
export PATH="$supercargo_bin:${supercargo_path%:}"
unset supercargo_bin supercargo_path
END
    } | write_file "$STATE/env"
}
