//! Who may talk to whom.

use std::collections::BTreeSet;

use chart_tests::{ROLES, Rendered, Value, containers, items, render, render_file, variable, words};

/// What a policy's rules say, as `component:port`, `anybody:port`, or `elsewhere:port` for peers that the values name.
fn rules(policy: &Value, direction: &str, peers: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for rule in items(&policy["spec"][direction]) {
        for port in items(&rule["ports"]) {
            let port = port["port"].as_u64().unwrap();
            if rule[peers].is_null() {
                all.insert(format!("anybody:{port}"));
            }
            for peer in items(&rule[peers]) {
                let component = &peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"];
                all.insert(format!("{}:{port}", component.as_str().unwrap_or("elsewhere")));
            }
        }
    }
    all
}

fn policy<'a>(release: &'a Rendered, role: &str) -> &'a Value {
    release.get("NetworkPolicy", &format!("supercargo-{role}"))
}

fn set(rules: &[&str]) -> BTreeSet<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

#[test]
fn whatever_is_not_allowed_is_denied_in_and_out() {
    let release = render_file("trial");
    let deny = policy(&release, "deny");
    assert_eq!(words(&deny["spec"]["policyTypes"]), ["Ingress", "Egress"]);
    assert!(deny["spec"]["ingress"].is_null() && deny["spec"]["egress"].is_null());
    let all = &deny["spec"]["podSelector"]["matchLabels"];
    for (name, labels) in
        release.of("Deployment").into_iter().chain(release.of("StatefulSet")).map(|workload| {
            (&workload["metadata"]["name"], &workload["spec"]["template"]["metadata"]["labels"])
        })
    {
        for (key, value) in chart_tests::entries(all) {
            assert_eq!(&labels[key.as_str()], value, "{name:?} is not held by the policy that denies");
        }
    }
}

#[test]
fn services_are_reached_by_the_storefront_alone() {
    let release = render(&[]);
    for role in ["accounts", "catalog", "inventory", "cart", "orders", "payment", "shipping"] {
        assert_eq!(rules(policy(&release, role), "ingress", "from"), set(&["storefront:8080"]), "{role}");
    }
    for role in ["operator", "notifications"] {
        assert_eq!(rules(policy(&release, role), "ingress", "from"), set(&[]), "{role}");
    }
    assert_eq!(rules(policy(&release, "storefront"), "ingress", "from"), set(&["anybody:8080", "test:8080"]));
}

#[test]
fn only_who_pays_ships_and_mails_reaches_the_outside() {
    let release = render_file("trial");
    let sandbox = |role: &str| -> BTreeSet<String> {
        let out = rules(policy(&release, role), "egress", "to");
        out.into_iter().filter(|rule| rule.starts_with("sandbox:")).collect()
    };
    for role in ROLES {
        let expected = match role {
            "payment" => set(&["sandbox:12111"]),
            "shipping" => set(&["sandbox:12112"]),
            "notifications" => set(&["sandbox:12525"]),
            _ => set(&[]),
        };
        assert_eq!(sandbox(role), expected, "{role}");
    }
    let given = render(&["--set", "networkPolicy.kubernetes.to[0].ipBlock.cidr=10.0.0.1/32"]);
    for role in ROLES {
        let out = rules(policy(&given, role), "egress", "to");
        let world: Vec<&String> =
            out.iter().filter(|rule| rule.starts_with("anybody:") && *rule != "anybody:4222").collect();
        let expected: &[&str] = match role {
            "payment" | "shipping" => &["anybody:443", "anybody:5432"],
            "notifications" => &["anybody:25", "anybody:465", "anybody:5432", "anybody:587"],
            "operator" | "storefront" => &[],
            _ => &["anybody:5432"],
        };
        assert_eq!(world, expected, "{role}");
    }
}

#[test]
fn traces_go_to_the_collector_that_is_named_and_say_which_pod_they_are_of() {
    let collector = "settings.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318";
    let traced = render(&["--set", collector, "--set", "settings.TRACED_SHARE=0.1"]);
    let plain = render(&[]);
    for role in ROLES {
        let out = |release: &Rendered| rules(policy(release, role), "egress", "to").contains("anybody:4318");
        assert_eq!((out(&traced), out(&plain)), (true, false), "{role}");
        let container = containers(&traced.deployment(role)["spec"]["template"]["spec"])[0];
        let value = |name: &str| variable(container, name).map(|entry| chart_tests::word(&entry["value"]));
        assert_eq!(value("TRACED_SHARE").as_deref(), Some("0.1"), "{role}");
        assert_eq!(value("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref(), Some("http://collector:4318"), "{role}");
        assert!(value("OTEL_RESOURCE_ATTRIBUTES").unwrap().ends_with("k8s.pod.name=$(POD_NAME)"), "{role}");
    }
}

#[test]
fn the_databases_of_a_trial_are_reached_by_this_release_alone() {
    let release = render_file("trial");
    for part in ["nats", "postgres", "sandbox"] {
        for rule in items(&policy(&release, part)["spec"]["ingress"]) {
            for peer in items(&rule["from"]) {
                let labels = &peer["podSelector"]["matchLabels"];
                assert_eq!(labels["app.kubernetes.io/instance"], "supercargo", "{part}");
            }
            assert!(!items(&rule["from"]).is_empty(), "{part} is open to anybody");
        }
    }
    for part in ["nats", "postgres"] {
        assert_eq!(rules(policy(&release, part), "egress", "to"), set(&[]), "{part} reaches nobody");
    }
}

#[test]
fn metrics_are_read_by_whom_the_values_name() {
    let release =
        render(&["--set", "networkPolicy.scrapers[0].namespaceSelector.matchLabels.team=monitoring"]);
    for role in ROLES {
        assert!(rules(policy(&release, role), "ingress", "from").contains("elsewhere:8080"), "{role}");
    }
}

#[test]
fn the_gateway_finds_each_service_under_its_name() {
    let release = render(&["--set", "fullnameOverride=mugs"]);
    let container =
        &release.get("Deployment", "mugs-storefront")["spec"]["template"]["spec"]["containers"][0];
    let template = chart_tests::word(&chart_tests::variable(container, "SERVICE_URL").unwrap()["value"]);
    for service in ["accounts", "catalog", "inventory", "cart", "orders", "payment", "shipping"] {
        let url = template.replace("{service}", service);
        let name = url.strip_prefix("http://").unwrap().strip_suffix(":8080").unwrap();
        assert_eq!(release.get("Service", name)["spec"]["ports"][0]["port"], 8080);
    }
}
