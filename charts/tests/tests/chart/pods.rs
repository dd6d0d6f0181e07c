//! How pods run.

use std::collections::BTreeSet;

use chart_tests::{ROLES, containers, items, render, render_file, values_files, variable, word, words};

#[test]
fn every_pod_is_restricted() {
    for file in values_files() {
        for (name, pod) in render_file(&file).pods() {
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{file}: {name}");
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{file}: {name}");
            for key in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[key].is_null(), "{file}: {name} has {key}");
            }
            assert!(
                items(&pod["volumes"]).iter().all(|volume| volume["hostPath"].is_null()),
                "{file}: {name}"
            );
            for container in containers(pod) {
                let security = &container["securityContext"];
                assert_eq!(security["readOnlyRootFilesystem"], true, "{file}: {name}");
                assert_eq!(security["allowPrivilegeEscalation"], false, "{file}: {name}");
                assert_eq!(words(&security["capabilities"]["drop"]), ["ALL"], "{file}: {name}");
                assert!(security["capabilities"]["add"].is_null(), "{file}: {name}");
                assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{file}: {name}");
            }
        }
    }
}

#[test]
fn every_container_says_what_it_needs_and_how_much_memory_and_disk_it_may_take() {
    for file in values_files() {
        for (name, pod) in render_file(&file).pods() {
            for container in containers(pod) {
                let resources = &container["resources"];
                for what in ["cpu", "memory", "ephemeral-storage"] {
                    assert!(resources["requests"][what].is_string(), "{file}: {name} requests no {what}");
                }
                for what in ["memory", "ephemeral-storage"] {
                    assert!(resources["limits"][what].is_string(), "{file}: {name} has no limit of {what}");
                }
            }
        }
    }
}

#[test]
fn each_role_is_a_deployment_of_its_own_that_runs_it() {
    let release = render(&[]);
    assert_eq!(release.of("Deployment").len(), ROLES.len());
    for role in ROLES {
        let container = &release.deployment(role)["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(words(&container["args"]), ["run", role]);
        assert_eq!(container["image"], "supercargo:0.1.0");
        assert_eq!(variable(container, "HTTP_ADDR").unwrap()["value"], "0.0.0.0:8080");
    }
}

#[test]
fn probes_ask_for_life_and_for_readiness_apart() {
    let release = render(&[]);
    for role in ROLES {
        let container = &release.deployment(role)["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/health", "{role}");
        assert_eq!(container["startupProbe"]["httpGet"]["path"], "/health", "{role}");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready", "{role}");
    }
}

#[test]
fn who_keeps_a_database_is_migrated_first_with_the_same_image_and_settings() {
    let release = render_file("trial");
    for role in ROLES {
        let pod = &release.deployment(role)["spec"]["template"]["spec"];
        let before = items(&pod["initContainers"]);
        let keeps = !["operator", "storefront"].contains(&role);
        assert_eq!(before.len(), usize::from(keeps), "{role}");
        if keeps {
            assert_eq!(words(&before[0]["args"]), ["migrate", role]);
            assert_eq!(before[0]["image"], pod["containers"][0]["image"]);
            assert_eq!(before[0]["env"], pod["containers"][0]["env"]);
        }
        assert_eq!(keeps, variable(&pod["containers"][0], "DATABASE_URL").is_some(), "{role}");
    }
}

#[test]
fn upgrades_take_no_replica_away_before_the_next_is_ready_and_leave_time_to_finish() {
    let release = render(&[]);
    for role in ROLES {
        let deployment = release.deployment(role);
        assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
        let pod = &deployment["spec"]["template"]["spec"];
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        let drain = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
        assert!(
            grace >= 25 + drain,
            "{role}: {drain} s of draining and 25 s to finish do not fit into {grace} s"
        );
        let has_service = !release.of_role("Service", role).is_empty();
        assert_eq!(has_service, drain > 0, "{role}: whoever is routed to drains, and nobody else");
    }
    let error = chart_tests::refused(&["--set", "terminationGracePeriodSeconds=35,drainSeconds=15"]);
    assert!(error.contains("give at least 45"), "{error}");
}

#[test]
fn every_workload_has_a_disruption_budget_that_lets_nodes_be_drained() {
    for file in ["production", "trial"] {
        let release = render_file(file);
        for (kind, count) in [("Deployment", 10), ("StatefulSet", 0)] {
            assert!(release.of(kind).len() >= count);
            for workload in release.of(kind) {
                let budget = release.get("PodDisruptionBudget", &word(&workload["metadata"]["name"]));
                assert_eq!(budget["spec"]["maxUnavailable"], 1);
                assert_eq!(budget["spec"]["selector"], workload["spec"]["selector"]);
            }
        }
    }
}

#[test]
fn replicas_spread_over_zones_and_nodes() {
    let release = render(&[]);
    for role in ROLES {
        let deployment = release.deployment(role);
        let spread = items(&deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]);
        let over: BTreeSet<String> = spread.iter().map(|one| word(&one["topologyKey"])).collect();
        assert_eq!(
            over.into_iter().collect::<Vec<_>>(),
            ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        );
        for one in spread {
            assert_eq!(one["labelSelector"]["matchLabels"], deployment["spec"]["selector"]["matchLabels"]);
        }
    }
}

#[test]
fn what_an_order_needs_goes_last_when_a_node_is_full() {
    let release = render(&[]);
    let value = |role: &str| {
        let pod = &release.deployment(role)["spec"]["template"]["spec"];
        release.get("PriorityClass", &word(&pod["priorityClassName"]))["value"].as_i64().unwrap()
    };
    assert!(value("operator") > value("notifications"));
    assert!(value("payment") > value("cart"));
    let own = render(&["--set", "priority.create=false,roles.payment.priorityClassName=money"]);
    assert!(own.of("PriorityClass").is_empty());
    let pod = |role: &str| own.deployment(role)["spec"]["template"]["spec"]["priorityClassName"].clone();
    assert_eq!((pod("payment"), pod("cart").is_null()), ("money".into(), true));
}

#[test]
fn selectors_are_labels_of_their_pods_and_of_no_other() {
    let release = render_file("trial");
    let mut selectors = BTreeSet::new();
    for kind in ["Deployment", "StatefulSet"] {
        for workload in release.of(kind) {
            let labels = &workload["spec"]["template"]["metadata"]["labels"];
            let selector = &workload["spec"]["selector"]["matchLabels"];
            for (key, value) in chart_tests::entries(selector) {
                assert_eq!(&labels[key.as_str()], value);
            }
            assert!(selectors.insert(format!("{selector:?}")), "two workloads have one selector");
        }
    }
    for service in release.of("Service") {
        assert!(selectors.contains(&format!("{:?}", service["spec"]["selector"])), "{service:?}");
    }
}
