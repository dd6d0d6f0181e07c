//! What the API server refuses, and whom it serves first.

use std::collections::BTreeSet;

use chart_tests::{entries, items, render, render_file, word, yaml};

#[test]
fn every_policy_is_bound_and_denies() {
    let release = render(&[]);
    let policies: BTreeSet<String> = release
        .of("ValidatingAdmissionPolicy")
        .iter()
        .map(|policy| word(&policy["metadata"]["name"]))
        .collect();
    assert_eq!(policies.len(), 4);
    for binding in release.of("ValidatingAdmissionPolicyBinding") {
        assert!(policies.contains(&word(&binding["spec"]["policyName"])));
        assert_eq!(binding["spec"]["validationActions"][0], "Deny");
    }
    for policy in release.of("ValidatingAdmissionPolicy") {
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    }
}

#[test]
fn what_the_policy_allows_a_role_is_what_rbac_grants_it() {
    let release = render(&[]);
    let policy = release.get("ValidatingAdmissionPolicy", "shop-supercargo-kinds");
    let variables = items(&policy["spec"]["variables"]);
    let allowed = variables.iter().find(|variable| variable["name"] == "allowed").unwrap();
    let text = word(&allowed["expression"]);
    for expected in [
        "'payment': ['UPDATE payments/status']",
        "'inventory': ['UPDATE stockreservations/status']",
        "'shipping': ['UPDATE shipments/status']",
        "'orders': ['CREATE orders','UPDATE orders']",
        "'catalog': []",
        "'storefront': []",
        "'audit': []",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let condition = word(&policy["spec"]["matchConditions"][0]["expression"]);
    assert!(condition.contains("'system:serviceaccount:shop:supercargo-payment'"), "{condition}");
}

/// A field that is added to an order has to be given to somebody, or to nobody, by name.
#[test]
fn the_policy_knows_every_field_of_an_order() {
    let release = render(&[]);
    let policy = release.get("ValidatingAdmissionPolicy", "shop-supercargo-orders");
    let held = word(&policy["spec"]["validations"][0]["expression"]);
    let changed = ["cancel", "items", "payment", "shippingAddress", "shippingService"];
    let order = yaml("crds/orders.yaml");
    let spec = &order["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    for (field, _) in entries(spec) {
        let is_held = held.contains(&format!("oldObject.spec.{field}"))
            || held.contains(&format!("oldObject.spec.?{field}"));
        let is_changed = changed.contains(&field.as_str());
        assert!(
            is_held != is_changed,
            "templates/role-policies.yaml: spec.{field} is held {is_held}, and changed by orders {is_changed}"
        );
    }
}

#[test]
fn policies_of_two_releases_do_not_meet() {
    let one = render(&[]);
    let names: BTreeSet<String> = one
        .objects
        .iter()
        .filter(|object| {
            object["metadata"]["namespace"].is_null() && object["kind"] != "CustomResourceDefinition"
        })
        .map(|object| word(&object["metadata"]["name"]))
        .collect();
    for name in names {
        // The guards of all orders are there once for the cluster.
        let for_all = ["order-id.supercargo.dev", "order-finalizer.supercargo.dev"].contains(&name.as_str());
        assert!(for_all || name.starts_with("shop-supercargo"), "{name}");
    }
}

#[test]
fn the_operator_has_a_share_of_the_api_server_that_orders_cannot_take() {
    let release = render(&[]);
    let level = release.get("PriorityLevelConfiguration", "shop-supercargo");
    assert_eq!(level["spec"]["type"], "Limited");
    let schema = release.get("FlowSchema", "shop-supercargo");
    assert_eq!(schema["spec"]["priorityLevelConfiguration"]["name"], "shop-supercargo");
    assert!(
        schema["spec"]["matchingPrecedence"].as_u64().unwrap() < 9000,
        "service-accounts would take it first"
    );
    let subjects = items(&schema["spec"]["rules"][0]["subjects"]);
    let names: Vec<String> =
        subjects.iter().map(|subject| word(&subject["serviceAccount"]["name"])).collect();
    assert_eq!(
        names,
        ["supercargo-operator", "supercargo-inventory", "supercargo-payment", "supercargo-shipping"]
    );
    assert!(render(&["--set", "flowControl.create=false"]).of("FlowSchema").is_empty());
}

#[test]
fn the_finalizer_s_policy_is_there_where_the_api_server_knows_such_policies() {
    assert_eq!(render(&[]).of("MutatingAdmissionPolicy").len(), 1);
    assert!(render(&["--kube-version", "1.33.0"]).of("MutatingAdmissionPolicy").is_empty());
    assert_eq!(render(&["--kube-version", "1.33.0"]).of("ValidatingAdmissionPolicy").len(), 4);
    assert!(render_file("namespaced").of("ValidatingAdmissionPolicy").is_empty());
}
