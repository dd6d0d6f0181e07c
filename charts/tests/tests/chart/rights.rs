//! Who may do what with the Kubernetes API.

use std::collections::BTreeSet;

use chart_tests::{ROLES, Rendered, Value, items, render, render_file, word, words};

/// What a ServiceAccount is granted, as `verb group/resource in namespace` (`*` for all), with the names that it is held to.
fn granted(release: &Rendered, account: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (bindings, role_kinds) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
        for binding in release.of(bindings) {
            if !items(&binding["subjects"]).iter().any(|subject| subject["name"] == account) {
                continue;
            }
            assert_eq!(binding["roleRef"]["kind"], role_kinds);
            let place = binding["metadata"]["namespace"].as_str().unwrap_or("*");
            let same_place =
                |role: &&Value| role["metadata"]["namespace"] == binding["metadata"]["namespace"];
            let named = |role: &&Value| role["metadata"]["name"] == binding["roleRef"]["name"];
            let roles: Vec<&Value> =
                release.of(role_kinds).into_iter().filter(same_place).filter(named).collect();
            assert_eq!(roles.len(), 1, "{binding:?} binds no role of the chart");
            for rule in items(&roles[0]["rules"]) {
                for group in words(&rule["apiGroups"]) {
                    for resource in words(&rule["resources"]) {
                        for verb in words(&rule["verbs"]) {
                            let names = words(&rule["resourceNames"]).join(",");
                            let names = if names.is_empty() { names } else { format!(" named {names}") };
                            all.insert(format!("{verb} {group}/{resource} in {place}{names}"));
                        }
                    }
                }
            }
        }
    }
    all
}

fn set(rights: &[&str]) -> BTreeSet<String> {
    rights.iter().map(|right| (*right).to_owned()).collect()
}

#[test]
fn a_worker_may_patch_the_status_of_its_own_kind_and_no_more() {
    let release = render(&[]);
    for (role, kind) in
        [("inventory", "stockreservations"), ("payment", "payments"), ("shipping", "shipments")]
    {
        let right = format!("patch supercargo.dev/{kind}/status in *");
        assert_eq!(granted(&release, &format!("supercargo-{role}")), set(&[&right]), "{role}");
    }
}

#[test]
fn who_writes_no_resources_may_nothing() {
    let release = render(&[]);
    for role in ["notifications", "catalog", "accounts", "cart", "storefront"] {
        assert_eq!(granted(&release, &format!("supercargo-{role}")), set(&[]), "{role}");
    }
}

#[test]
fn the_service_of_orders_sees_and_patches_orders_and_creates_them_in_the_shop_s_namespace_alone() {
    let expected = |shop: &str| {
        let create = format!("create supercargo.dev/orders in {shop}");
        let mut expected =
            set(&["get supercargo.dev/orders in *", "patch supercargo.dev/orders in *", &create]);
        for kind in ["orders", "stockreservations", "payments", "shipments"] {
            expected.extend(["list", "watch"].map(|verb| format!("{verb} supercargo.dev/{kind} in *")));
        }
        expected
    };
    assert_eq!(granted(&render(&[]), "supercargo-orders"), expected("shop"));
    let elsewhere = render(&["--set", "shopNamespace=berlin"]);
    assert_eq!(granted(&elsewhere, "supercargo-orders"), expected("berlin"));
}

#[test]
fn the_operator_may_what_its_code_does_and_no_more() {
    let release = render(&[]);
    let mut expected = set(&[
        "update supercargo.dev/orders/status in *",
        "list supercargo.dev/shops in *",
        "watch supercargo.dev/shops in *",
        "patch supercargo.dev/shops/status in *",
        "create events.k8s.io/events in *",
        "patch events.k8s.io/events in *",
        "create coordination.k8s.io/leases in shop",
        "get coordination.k8s.io/leases in shop named supercargo-operator",
        "update coordination.k8s.io/leases in shop named supercargo-operator",
    ]);
    for verb in ["get", "list", "watch", "patch", "delete"] {
        expected.insert(format!("{verb} supercargo.dev/orders in *"));
    }
    for verb in ["get", "list", "watch", "create", "update", "delete"] {
        for kind in ["stockreservations", "payments", "shipments"] {
            expected.insert(format!("{verb} supercargo.dev/{kind} in *"));
        }
    }
    assert_eq!(granted(&release, "supercargo-operator"), expected);
}

#[test]
fn the_audit_reads_and_writes_nothing() {
    let release = render(&["--set", "roles.audit.enabled=true"]);
    for account in ["supercargo-audit", "supercargo-test"] {
        let rights = granted(&release, account);
        assert!(!rights.is_empty());
        assert!(
            rights.iter().all(|right| right.starts_with("get ") || right.starts_with("list ")),
            "{rights:?}"
        );
    }
}

#[test]
fn nobody_is_granted_wildcards_secrets_or_the_right_to_grant() {
    for release in [render(&[]), render_file("production"), render_file("trial"), render_file("namespaced")] {
        for kind in ["ClusterRole", "Role"] {
            for role in release.of(kind) {
                for rule in items(&role["rules"]) {
                    let all: Vec<String> = ["apiGroups", "resources", "verbs"]
                        .iter()
                        .flat_map(|part| words(&rule[*part]))
                        .collect();
                    let fault = |one: &String| {
                        one.contains('*')
                            || ["secrets", "escalate", "bind", "impersonate"].contains(&one.as_str())
                    };
                    assert!(!all.iter().any(fault), "{role:?}");
                }
            }
        }
    }
}

#[test]
fn for_named_namespaces_rights_are_granted_in_those_alone_and_nothing_belongs_to_the_cluster() {
    let release = render(&["--set", "namespaces={berlin,paris}"]);
    assert!(
        release.of("ClusterRole").iter().all(|role| !word(&role["metadata"]["name"]).ends_with("-operator"))
    );
    let places: BTreeSet<String> = granted(&release, "supercargo-payment");
    assert_eq!(
        places,
        set(&[
            "patch supercargo.dev/payments/status in berlin",
            "patch supercargo.dev/payments/status in paris"
        ])
    );
    let operator = &release.deployment("operator")["spec"]["template"]["spec"]["containers"][0];
    let orders = &release.deployment("orders")["spec"]["template"]["spec"]["containers"][0];
    for container in [operator, orders] {
        assert_eq!(chart_tests::variable(container, "WATCH_NAMESPACES").unwrap()["value"], "berlin,paris");
    }

    let named = render_file("namespaced");
    assert!(
        granted(&named, "supercargo-operator")
            .contains("update coordination.k8s.io/leases in shop named supercargo-operator-shop-berlin")
    );
    for object in &named.objects {
        assert!(
            object["metadata"]["namespace"].is_string(),
            "{} {:?}",
            word(&object["kind"]),
            object["metadata"]["name"]
        );
    }
}

#[test]
fn each_role_has_an_account_of_its_own_and_only_they_are_bound() {
    let release = render_file("trial");
    let mut accounts = BTreeSet::new();
    for role in ROLES {
        let pod = &release.deployment(role)["spec"]["template"]["spec"];
        let account = word(&pod["serviceAccountName"]);
        assert_eq!(release.get("ServiceAccount", &account)["automountServiceAccountToken"], false);
        assert!(accounts.insert(account));
    }
    for part in ["nats", "postgres", "sandbox"] {
        let pods = release.pods();
        let (_, pod) = pods.iter().find(|(name, _)| name.ends_with(&format!("supercargo-{part}"))).unwrap();
        assert_eq!(pod["automountServiceAccountToken"], false, "{part} needs no token");
        assert_eq!(granted(&release, &word(&pod["serviceAccountName"])), set(&[]));
    }
}
