//! What may be chosen, and what is said of a wrong choice.

use std::collections::BTreeSet;

use chart_tests::{
    entries, items, refused, render, render_file, text, values_files, variable, word, words, yaml,
};

/// Settings that are not for a pod of a cluster, or that the chart gives by itself.
const OF_THE_CHART: [&str; 5] =
    ["HTTP_ADDR", "LEASE_NAMESPACE", "LEASE_IDENTITY", "WATCH_NAMESPACES", "SUPERCARGO_DEV_DIR"];

/// Every `env = "NAME"` in the sources of the program.
fn settings_of_the_program() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders =
        vec!["crates/chassis/src", "operator/src"].into_iter().map(str::to_owned).collect::<Vec<_>>();
    let services = std::fs::read_dir(chart_tests::checkout().join("services")).unwrap();
    folders.extend(
        services.map(|entry| format!("services/{}/src", entry.unwrap().file_name().to_string_lossy())),
    );
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(chart_tests::checkout().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let source = text(&path);
                let found =
                    source.split("env = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
                names.extend(found.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
            }
        }
    }
    names
}

fn settings_of_the_chart() -> BTreeSet<String> {
    let facts = yaml("charts/supercargo/files/roles.yaml");
    let mut names: BTreeSet<String> = [
        "DATABASE_CONNECTIONS",
        "HTTP_CONNECTIONS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "NATS_CREDENTIALS",
        "NATS_REPLICAS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "TRACED_SHARE",
    ]
    .map(str::to_owned)
    .into();
    for (_, fact) in entries(&facts) {
        names.extend(words(&fact["settings"]));
        names.extend(words(&fact["secrets"]));
    }
    names
}

#[test]
fn every_setting_of_the_program_can_be_given_and_no_other() {
    let program: BTreeSet<String> = settings_of_the_program()
        .into_iter()
        .filter(|name| !OF_THE_CHART.contains(&name.as_str()) && !name.starts_with("SANDBOX_"))
        .collect();
    let chart = settings_of_the_chart();
    let missing: Vec<_> = program.difference(&chart).collect();
    assert!(
        missing.is_empty(),
        "files/roles.yaml lacks {missing:?}: name them under the role that takes them"
    );
    let invented: Vec<_> = chart.difference(&program).collect();
    assert!(invented.is_empty(), "no source takes {invented:?}");

    let schema = yaml("charts/supercargo/values.schema.json");
    let plain = entries(&schema["definitions"]["settings"]["properties"]);
    let secret = entries(&schema["properties"]["secrets"]["properties"]["from"]["properties"]);
    let known: BTreeSet<String> = plain.into_iter().chain(secret).map(|(name, _)| name).collect();
    // Those are named for a role, and have a way of their own.
    let own = |name: &&String| !name.ends_with("_DATABASE_URL") && *name != "SHOP_NAMESPACE";
    assert_eq!(
        known.iter().filter(own).collect::<Vec<_>>(),
        chart.iter().filter(own).collect::<Vec<_>>(),
        "values.schema.json"
    );
}

#[test]
fn a_setting_reaches_the_roles_that_take_it_as_it_was_given() {
    let release =
        render(&["--set", "settings.RATE_LIMIT_USER=2000000,roles.payment.settings.PAYMENT_TIMEOUT=7s"]);
    let value = |role: &str, name: &str| {
        let container = release.deployment(role)["spec"]["template"]["spec"]["containers"][0].clone();
        variable(&container, name).map(|entry| word(&entry["value"]))
    };
    assert_eq!(value("storefront", "RATE_LIMIT_USER").as_deref(), Some("2000000"));
    assert_eq!(value("payment", "PAYMENT_TIMEOUT").as_deref(), Some("7s"));
    assert_eq!(value("payment", "RATE_LIMIT_USER"), None);
    assert_eq!(value("shipping", "PAYMENT_TIMEOUT"), None);
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    for (wrong, word) in [
        ("settings.NATS_URI=x", "NATS_URI"),
        ("settings.STRIPE_KEY=sk_test", "STRIPE_KEY"),
        ("roles.operatr.replicas=1", "operatr"),
        ("defaults.replicas=two", "/defaults/replicas"),
        ("namespaces={Berlin}", "/namespaces/0"),
        ("ingress.enabled=true", "/ingress/hosts"),
        ("gateway.enabled=true", "/gateway/parentRefs"),
        ("secrets.from.DATABASE_URL.name=x", "/secrets/from/DATABASE_URL"),
        ("roles.operator.scale.by=cpu", "it does not scale"),
        ("roles.payment.scale.by=lag", "keda.monitoring"),
        ("roles.storefront.scale.by=lag,keda.monitoring=x:1", "nothing waits for it"),
        ("roles.audit.enabled=true,namespaces={a,b}", "at one namespace"),
    ] {
        let said = refused(&["--set", wrong]);
        assert!(said.contains(word), "{wrong}: {said}");
    }
}

#[test]
fn the_schema_knows_every_value_there_is() {
    let (values, schema) =
        (yaml("charts/supercargo/values.yaml"), yaml("charts/supercargo/values.schema.json"));
    let known: BTreeSet<String> = entries(&schema["properties"]).into_iter().map(|(name, _)| name).collect();
    let there: BTreeSet<String> = entries(&values).into_iter().map(|(name, _)| name).collect();
    let extra: Vec<_> = known.symmetric_difference(&there).filter(|name| *name != "global").collect();
    assert!(extra.is_empty(), "{extra:?}");
    let facts = yaml("charts/supercargo/files/roles.yaml");
    let rows: BTreeSet<String> = entries(&values["roles"]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(rows, entries(&facts).into_iter().map(|(name, _)| name).collect());
}

#[test]
fn workers_scale_by_what_waits_for_them_and_the_gateway_by_what_it_burns() {
    let release = render_file("production");
    let payment = release.get("ScaledObject", "supercargo-payment");
    assert_eq!(payment["spec"]["scaleTargetRef"]["name"], "supercargo-payment");
    let trigger = &payment["spec"]["triggers"][0];
    assert_eq!(
        (&trigger["type"], &trigger["metadata"]["consumer"]),
        (&"nats-jetstream".into(), &"payment-commands".into())
    );
    let front = release.get("HorizontalPodAutoscaler", "supercargo-storefront");
    assert_eq!(front["spec"]["metrics"][0]["containerResource"]["container"], "storefront");
    for role in ["payment", "storefront"] {
        assert!(
            release.deployment(role)["spec"]["replicas"].is_null(),
            "{role}: an upgrade would set back what was scaled"
        );
    }
    assert_eq!(release.deployment("cart")["spec"]["replicas"], 3);
    let trial = render(&["--set", "nats.enabled=true,roles.payment.scale.by=lag"]);
    let endpoint = &trial.get("ScaledObject", "supercargo-payment")["spec"]["triggers"][0]["metadata"]["natsServerMonitoringEndpoint"];
    assert_eq!(endpoint, "supercargo-nats.shop.svc:8222");
}

#[test]
fn consumers_that_scale_are_those_of_the_code() {
    let facts = yaml("charts/supercargo/files/roles.yaml");
    for (role, fact) in entries(&facts) {
        for backlog in items(&fact["backlog"]) {
            let name = format!("\"{}\"", word(&backlog["consumer"]));
            let folder = chart_tests::checkout().join(format!("services/{role}/src"));
            let sources = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file());
            let found = sources
                .map(|path| std::fs::read_to_string(path).unwrap())
                .any(|source| source.contains(&name));
            assert!(found, "services/{role} has no consumer {name}");
        }
    }
}

#[test]
fn the_shop_is_reached_by_ingress_or_by_a_gateway() {
    let release = render_file("production");
    let path = &release.get("Ingress", "supercargo-storefront")["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"]["service"]["name"], "supercargo-storefront");
    assert_eq!(path["path"], "/api", "metrics stay inside");
    let set = "gateway.enabled=true,gateway.parentRefs[0].name=public,gateway.hostnames={shop.example.com}";
    let route = render(&["--set", set]);
    let rule = &route.get("HTTPRoute", "supercargo-storefront")["spec"]["rules"][0];
    assert_eq!(rule["backendRefs"][0]["name"], "supercargo-storefront");
    assert_eq!(rule["backendRefs"][0]["port"], 80);
    assert_eq!(rule["matches"][0]["path"]["value"], "/api", "metrics stay inside");
}

#[test]
fn monitoring_is_there_when_asked_for_with_whatever_files_there_are() {
    let all = "monitoring.podMonitor.enabled=true,monitoring.serviceMonitor.enabled=true,monitoring.rules.enabled=true,monitoring.dashboards.enabled=true";
    let release = render(&["--set", all]);
    assert_eq!((release.of("PodMonitor").len(), release.of("ServiceMonitor").len()), (1, 1));
    let files = |folder: &str, ending: &str| {
        let entries = std::fs::read_dir(chart_tests::chart().join(folder)).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|one| one == ending))
            .count()
    };
    assert_eq!(release.of("PrometheusRule").len(), files("files/alerts", "yaml"));
    assert_eq!(release.of("ConfigMap").len(), files("files/dashboards", "json"));
    for rule in release.of("PrometheusRule") {
        assert!(!items(&rule["spec"]["groups"]).is_empty(), "{rule:?}");
    }
    assert!(render(&[]).of("PodMonitor").is_empty());
}

#[test]
fn every_values_file_renders_and_says_how_it_is_used() {
    assert_eq!(values_files(), ["e2e", "eks", "kind", "namespaced", "production", "trial"]);
    for file in values_files() {
        assert!(render_file(&file).of("Deployment").len() >= 10, "{file}");
        assert!(text(&format!("charts/supercargo/values/{file}.yaml")).starts_with("# "), "{file}");
    }
}

/// `helm test --logs` takes every hook for a pod, and asks for its log without a container's name.
#[test]
fn the_test_of_a_release_is_one_pod_whose_log_can_be_read() {
    for arguments in [vec![], vec!["--set", "namespaces={berlin,paris}"]] {
        let release = render(&arguments);
        let hooks: Vec<_> = release
            .objects
            .iter()
            .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_string())
            .collect();
        assert_eq!(hooks.len(), 1);
        assert_eq!(hooks[0]["kind"], "Pod");
        assert_eq!(items(&hooks[0]["spec"]["containers"]).len(), 1);
        let run: Vec<String> = chart_tests::containers(&hooks[0]["spec"])
            .iter()
            .map(|container| words(&container["args"]).join(" "))
            .collect();
        let ready = "ready --within 60 http://supercargo-storefront.shop:80/ready";
        let expected: &[&str] = if arguments.is_empty() {
            &[ready, "stock", "audit"]
        } else {
            &[ready, "stock", "audit --namespace berlin", "audit --namespace paris"]
        };
        assert_eq!(run, expected);
    }
}
