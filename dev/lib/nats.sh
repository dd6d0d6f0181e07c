# shellcheck shell=bash
# nats-server: JetStream on disk, every write synced, with an MQTT listener.

start_nats() {
    local config=$STATE/nats.conf
    write_file "$config" <<END
server_name: supercargo-dev
listen: "127.0.0.1:${PORT[NATS]}"
http: "127.0.0.1:${PORT[NATS_MONITORING]}"
jetstream {
  store_dir: "$STATE/nats"
  # By default an acknowledgement comes up to two minutes before the disk has the message.
  sync_interval: always
  max_memory_store: 268435456
  max_file_store: 21474836480
}
mqtt { listen: "127.0.0.1:${PORT[MQTT]}" }
END
    path_of nats-server
    launch nats "$(sha256sum <"$config")" "${CLEAN[@]}" "$BINARY_PATH" --config "$config"
}

nats_ready() { answers "http://127.0.0.1:${PORT[NATS_MONITORING]}/healthz"; }
