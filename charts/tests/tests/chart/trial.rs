//! The small NATS and Postgres, and where passwords and settings come from.

use chart_tests::{ROLES, entries, items, render, render_file, variable, word};

#[test]
fn nothing_of_a_trial_is_there_unless_asked_for() {
    for release in [render(&[]), render_file("production"), render_file("eks"), render_file("namespaced")] {
        for kind in ["StatefulSet", "Secret", "PersistentVolumeClaim"] {
            assert!(release.of(kind).is_empty(), "{kind}");
        }
    }
}

#[test]
fn a_trial_s_nats_keeps_everything_on_disk_and_syncs_every_write() {
    let release = render_file("trial");
    let configuration = word(&release.get("ConfigMap", "supercargo-nats")["data"]["nats.conf"]);
    for line in
        ["store_dir: \"/data\"", "sync_interval: always", "max_memory_store: 0", "password: $NATS_PASSWORD"]
    {
        assert!(configuration.contains(line), "{line} is not in {configuration}");
    }
    let nats = release.get("StatefulSet", "supercargo-nats");
    let mounts = items(&nats["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]);
    let data = mounts.iter().find(|mount| mount["mountPath"] == "/data").unwrap();
    assert_eq!(data["name"], nats["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]);
}

#[test]
fn data_and_passwords_stay_together_or_go_together() {
    for (delete, claims, policy) in [("false", "Retain", Some("keep")), ("true", "Delete", None)] {
        let file = chart_tests::chart().join("values/trial.yaml");
        let set = format!("trial.deleteData={delete}");
        let release = render(&["--values", &file.to_string_lossy(), "--set", &set]);
        for part in ["nats", "postgres"] {
            let set = release.get("StatefulSet", &format!("supercargo-{part}"));
            assert_eq!(set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], claims);
        }
        for (kind, name) in [("Secret", "supercargo-trial"), ("PersistentVolumeClaim", "supercargo-sandbox")]
        {
            let annotation = &release.get(kind, name)["metadata"]["annotations"]["helm.sh/resource-policy"];
            assert_eq!(annotation.as_str(), policy, "{name}");
        }
    }
}

#[test]
fn no_password_stands_in_a_manifest_but_in_the_trial_s_secret() {
    for file in chart_tests::values_files() {
        let release = render_file(&file);
        for (name, pod) in release.pods() {
            for container in chart_tests::containers(pod) {
                for secret in [
                    "NATS_PASSWORD",
                    "POSTGRES_PASSWORD",
                    "DATABASE_URL",
                    "STRIPE_KEY",
                    "STRIPE_WEBHOOK_SECRET",
                    "CARRIER_KEY",
                    "CARRIER_WEBHOOK_SECRET",
                ] {
                    if let Some(entry) = variable(container, secret) {
                        assert!(entry["value"].is_null(), "{file}: {name} has {secret} in clear");
                    }
                }
            }
        }
    }
}

#[test]
fn a_pod_gets_the_secrets_that_its_role_takes_and_no_others() {
    let release = render_file("trial");
    let holders = |secret: &str| -> Vec<&str> {
        let holds = |role: &&str| {
            let pod = &release.deployment(role)["spec"]["template"]["spec"];
            chart_tests::containers(pod).iter().any(|container| variable(container, secret).is_some())
        };
        ROLES.into_iter().filter(holds).collect()
    };
    assert_eq!(holders("STRIPE_KEY"), ["payment"]);
    assert_eq!(holders("STRIPE_WEBHOOK_SECRET"), ["payment"]);
    assert_eq!(holders("CARRIER_KEY"), ["shipping"]);
    assert_eq!(holders("SMTP_URL"), ["notifications"]);
    assert_eq!(holders("NATS_URL").len(), ROLES.len());
}

#[test]
fn a_secret_setting_comes_from_where_the_values_say() {
    let source = |arguments: &[&str], role: &str, name: &str| {
        let release = render(arguments);
        let container = &release.deployment(role)["spec"]["template"]["spec"]["containers"][0];
        let entry = variable(container, name).unwrap_or_else(|| panic!("{role} has no {name}")).clone();
        match entry["value"].as_str() {
            Some(value) => value.to_owned(),
            None => {
                let reference = &entry["valueFrom"]["secretKeyRef"];
                format!("{}/{}", word(&reference["name"]), word(&reference["key"]))
            }
        }
    };
    assert_eq!(source(&[], "payment", "STRIPE_KEY"), "supercargo/STRIPE_KEY");
    assert_eq!(source(&["--set", "secrets.name=mine"], "payment", "STRIPE_KEY"), "mine/STRIPE_KEY");
    let elsewhere = "secrets.from.DATABASE_URL.name=shop-app,secrets.from.DATABASE_URL.key=uri";
    assert_eq!(source(&["--set", elsewhere], "cart", "DATABASE_URL"), "shop-app/uri");
    assert_eq!(
        source(&["--set", "nats.enabled=true,secrets.name=mine"], "cart", "NATS_URL"),
        "supercargo-trial/NATS_URL"
    );
    assert_eq!(
        source(&["--set", "settings.NATS_URL=nats://here:4222"], "cart", "NATS_URL"),
        "nats://here:4222"
    );

    let credentials = "secrets.from.NATS_CREDENTIALS.name=nats,secrets.from.NATS_CREDENTIALS.key=shop.creds";
    for role in ROLES {
        assert_eq!(source(&["--set", credentials], role, "NATS_CREDENTIALS"), "nats/shop.creds", "{role}");
    }

    let own = "secrets.from.PAYMENT_DATABASE_URL.name=pay,secrets.from.PAYMENT_DATABASE_URL.key=uri";
    assert_eq!(source(&["--set", own], "payment", "PAYMENT_DATABASE_URL"), "pay/uri");
    assert_eq!(source(&["--set", own], "cart", "DATABASE_URL"), "supercargo/DATABASE_URL");
    let release = render(&["--set", own]);
    let payment = &release.deployment("payment")["spec"]["template"]["spec"]["containers"][0];
    assert!(variable(payment, "DATABASE_URL").is_none(), "payment has a database of its own");
}

#[test]
fn authorities_of_one_s_own_count_besides_the_public_ones() {
    let release = render_file("production");
    let container = &release.deployment("payment")["spec"]["template"]["spec"]["containers"][0];
    let value = |name: &str| word(&variable(container, name).unwrap()["value"]);
    assert_eq!(value("SSL_CERT_DIR"), "/etc/ssl/certs:/etc/supercargo/certificates");
    assert_eq!(value("PGSSLMODE"), "verify-full");
    assert_eq!(value("PGSSLROOTCERT"), "/etc/supercargo/certificates/postgres.crt");
    let operator = &release.deployment("operator")["spec"]["template"]["spec"]["containers"][0];
    assert!(variable(operator, "PGSSLMODE").is_none());
}

#[test]
fn the_sandbox_stands_for_the_outside_world() {
    let release = render_file("trial");
    let ports = items(&release.get("Service", "supercargo-sandbox")["spec"]["ports"]).to_vec();
    let payment = &release.deployment("payment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(variable(payment, "STRIPE_URL").unwrap()["value"], "http://supercargo-sandbox:12111");
    let secret = &release.get("Secret", "supercargo-trial")["stringData"];
    let addresses =
        [("CARRIER_URL", "http://supercargo-sandbox:12112"), ("SMTP_URL", "smtp://supercargo-sandbox:12525")];
    for (name, url) in addresses {
        assert_eq!(secret[name], url);
        assert!(ports.iter().any(|port| url.ends_with(&format!(":{}", port["port"].as_u64().unwrap()))));
    }
    assert!(entries(secret).iter().all(|(_, value)| !word(value).is_empty()));
}
