//! Malformed resources never reach the operator: the API server refuses each with a sentence that says what to do.

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use resources::{Order, Shop};
use serde_json::{Value, json};
use testkit::{Program, TestShop};

use crate::Tested;

/// An order as it should be.
fn good() -> Value {
    json!({
        "apiVersion": "supercargo.dev/v1alpha1",
        "kind": "Order",
        "metadata": {"name": "web-1"},
        "spec": {
            "customer": {"id": "c-1", "email": "shopper@example.com"},
            "items": [{"sku": "MUG-01", "quantity": 2}],
            "shippingAddress": {"name": "A. Shopper", "line1": "1 High Street", "city": "Berlin", "postalCode": "10115", "country": "DE"},
            "shippingService": "standard",
            "payment": {"method": "pm_card_visa", "retry": 0},
            "coupon": "WELCOME10",
            "expectedTotal": {"amount": "31.80", "currency": "EUR"},
            "suspend": true,
            "ttlSecondsAfterFinished": 3600,
        },
    })
}

/// Everything that can be wrong with an order: what, where, the value (`null` takes the field away), and a word of the refusal.
fn wrong() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let items = |count: usize| {
        Value::Array(
            (0..count).map(|number| json!({"sku": format!("SKU-{number}"), "quantity": 1})).collect(),
        )
    };
    let same = json!([{"sku": "MUG-01", "quantity": 1}, {"sku": "MUG-01", "quantity": 2}]);
    vec![
        ("no spec", "/spec", Value::Null, "spec"),
        ("a spec of text", "/spec", json!("two mugs"), "spec"),
        ("no customer", "/spec/customer", Value::Null, "spec.customer"),
        ("no email", "/spec/customer/email", Value::Null, "spec.customer.email"),
        ("an email without @", "/spec/customer/email", json!("shopper"), "spec.customer.email"),
        (
            "an email that forges a header",
            "/spec/customer/email",
            json!("a@b.c\nBcc: x@y.z"),
            "spec.customer.email",
        ),
        ("two emails", "/spec/customer/email", json!("a@b.c,d@e.f"), "spec.customer.email"),
        (
            "an endless email",
            "/spec/customer/email",
            json!(format!("{}@b.c", "a".repeat(260))),
            "spec.customer.email",
        ),
        ("an empty customer id", "/spec/customer/id", json!(""), "spec.customer.id"),
        ("a customer id with a blank", "/spec/customer/id", json!("c 1"), "spec.customer.id"),
        ("no items", "/spec/items", Value::Null, "spec.items"),
        ("an empty list of items", "/spec/items", json!([]), "spec.items"),
        ("101 items", "/spec/items", items(101), "spec.items"),
        ("an article twice", "/spec/items", same, "Duplicate value"),
        ("items that are no list", "/spec/items", json!({"sku": "MUG-01"}), "spec.items"),
        ("an item without a SKU", "/spec/items/0/sku", Value::Null, "sku"),
        ("an empty SKU", "/spec/items/0/sku", json!(""), "sku"),
        ("a SKU with a slash", "/spec/items/0/sku", json!("MUG/01"), "sku"),
        ("a SKU of 64 characters", "/spec/items/0/sku", json!("M".repeat(64)), "sku"),
        ("an item without a quantity", "/spec/items/0/quantity", Value::Null, "quantity"),
        ("no pieces", "/spec/items/0/quantity", json!(0), "quantity"),
        ("fewer than no pieces", "/spec/items/0/quantity", json!(-1), "quantity"),
        ("too many pieces", "/spec/items/0/quantity", json!(10_001), "quantity"),
        ("half a piece", "/spec/items/0/quantity", json!(1.5), "quantity"),
        ("a quantity in words", "/spec/items/0/quantity", json!("two"), "quantity"),
        ("no address", "/spec/shippingAddress", Value::Null, "spec.shippingAddress"),
        ("no name", "/spec/shippingAddress/name", Value::Null, "name"),
        ("no street", "/spec/shippingAddress/line1", Value::Null, "line1"),
        ("an empty street", "/spec/shippingAddress/line1", json!(""), "line1"),
        ("a street of 201 characters", "/spec/shippingAddress/line1", json!("x".repeat(201)), "line1"),
        ("a city with a line break", "/spec/shippingAddress/city", json!("Berlin\nGermany"), "city"),
        ("no country", "/spec/shippingAddress/country", Value::Null, "country"),
        ("a country in words", "/spec/shippingAddress/country", json!("Germany"), "country"),
        ("a country in small letters", "/spec/shippingAddress/country", json!("de"), "country"),
        ("an endless postal code", "/spec/shippingAddress/postalCode", json!("1".repeat(33)), "postalCode"),
        ("an unknown service", "/spec/shippingService", json!("overnight"), "shippingService"),
        ("a method with a blank", "/spec/payment/method", json!("pm card"), "method"),
        ("an empty method", "/spec/payment/method", json!(""), "method"),
        ("a negative retry", "/spec/payment/retry", json!(-1), "retry"),
        ("a coupon with a blank", "/spec/coupon", json!("WELCOME 10"), "coupon"),
        ("a total that is a number", "/spec/expectedTotal", json!(31.8), "expectedTotal"),
        ("a total with a comma", "/spec/expectedTotal/amount", json!("31,80"), "amount"),
        ("a negative total", "/spec/expectedTotal/amount", json!("-31.80"), "amount"),
        (
            "a total too precise",
            "/spec/expectedTotal/amount",
            json!("31.801"),
            "more decimals than the currency",
        ),
        ("a total without a currency", "/spec/expectedTotal/currency", Value::Null, "currency"),
        ("a currency in small letters", "/spec/expectedTotal/currency", json!("eur"), "currency"),
        ("a suspend in words", "/spec/suspend", json!("yes"), "suspend"),
        ("a cancel without a reason", "/spec/cancel", json!({}), "reason"),
        ("an empty reason", "/spec/cancel", json!({"reason": ""}), "reason"),
        ("a reason of 201 characters", "/spec/cancel", json!({"reason": "x".repeat(201)}), "reason"),
        ("a negative time to stay", "/spec/ttlSecondsAfterFinished", json!(-1), "ttlSecondsAfterFinished"),
        (
            "a time to stay of two years",
            "/spec/ttlSecondsAfterFinished",
            json!(63_072_000),
            "ttlSecondsAfterFinished",
        ),
        ("a name of 64 characters", "/metadata/name", json!("w".repeat(64)), "choose a shorter one"),
        ("a name in capitals", "/metadata/name", json!("Web-1"), "metadata.name"),
    ]
}

/// `order` with the value at the pointer.
fn with(mut order: Value, pointer: &str, value: Value) -> anyhow::Result<Value> {
    let (parent, field) = pointer.rsplit_once('/').context("a pointer")?;
    let parent = order.pointer_mut(parent).and_then(Value::as_object_mut).context("a parent")?;
    if value.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), value);
    }
    Ok(order)
}

fn orders(shop: &TestShop) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<Order>(&());
    Api::namespaced_with(shop.stack.kubernetes.clone(), &shop.namespace, &kind)
}

#[tokio::test]
async fn more_than_thirty_kinds_of_malformed_orders_are_each_refused_with_a_sentence_and_nothing_is_made()
-> Tested {
    let shop = TestShop::open().await?;
    let api = orders(&shop);
    let mut let_in = Vec::new();
    let kinds = wrong();
    assert!(kinds.len() > 30);
    for (what, pointer, value, word) in kinds {
        let order: DynamicObject = serde_json::from_value(with(good(), pointer, value)?)?;
        match api.create(&PostParams::default(), &order).await {
            Err(kube::Error::Api(status))
                if matches!(status.code, 400 | 422) && status.message.contains(word) => {}
            Err(kube::Error::Api(status)) => {
                let_in.push(format!("{what}: {} {}", status.code, status.message))
            }
            Err(error) => return Err(error).context(what),
            Ok(_) => let_in.push(format!("{what}: it was made")),
        }
    }
    assert!(let_in.is_empty(), "{let_in:#?}");
    assert!(api.list(&ListParams::default()).await?.items.is_empty());
    // The good one is let in, so that it was not refused for something else.
    api.create(&PostParams::default(), &serde_json::from_value(good())?).await?;
    shop.close().await
}

#[tokio::test]
async fn refusals_say_what_to_do() -> Tested {
    let shop = TestShop::open().await?;
    let long = with(good(), "/metadata/name", json!("w".repeat(64)))?.to_string();
    let refused = Program::kubectl(&shop.namespace, &["create", "-f", "-"]).run_with(&long).await?;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("longer than 63 characters") && refused.stderr.contains("shorter"),
        "{refused:?}"
    );
    shop.close().await
}

#[tokio::test]
async fn unknown_fields_are_refused_with_strict_validation() -> Tested {
    let shop = TestShop::open().await?;
    for (pointer, field) in [("/spec/gift", "spec.gift"), ("/spec/customer/phone", "spec.customer.phone")] {
        let order = with(good(), pointer, json!("yes"))?.to_string();
        let arguments = ["create", "--validate=strict", "-f", "-"];
        let refused = Program::kubectl(&shop.namespace, &arguments).run_with(&order).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("unknown field") && refused.stderr.contains(field), "{refused:?}");
    }
    assert!(shop.api::<Order>().list(&ListParams::default()).await?.items.is_empty());
    shop.close().await
}

#[tokio::test]
async fn malformed_shops_are_refused_with_a_sentence() -> Tested {
    let shop = TestShop::open().await?;
    for (what, name, spec, word) in [
        ("another name", "mine", json!({}), "a Shop is named default"),
        ("a currency in words", "default", json!({"currency": "Euro"}), "currency"),
        ("a timeout without a unit", "default", json!({"paymentTimeout": "10"}), "paymentTimeout"),
        ("a timeout in words", "default", json!({"paymentTimeout": "a day"}), "paymentTimeout"),
        ("a negative timeout", "default", json!({"paymentTimeout": "-1s"}), "paymentTimeout"),
        ("a capture that there is not", "default", json!({"capture": "Later"}), "capture"),
        ("a completion that there is not", "default", json!({"completeOn": "Payment"}), "completeOn"),
        ("a pause in words", "default", json!({"paused": "yes"}), "paused"),
        ("a deadline in words", "default", json!({"deadlines": {"paid": "soon"}}), "deadlines.paid"),
        ("a retry in words", "default", json!({"retry": {"initial": "soon"}}), "retry.initial"),
    ] {
        let manifest = json!({"apiVersion": "supercargo.dev/v1alpha1", "kind": "Shop", "metadata": {"name": name}, "spec": spec});
        let refused =
            Program::kubectl(&shop.namespace, &["create", "-f", "-"]).run_with(&manifest.to_string()).await?;
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        assert!(refused.stderr.contains(word), "{what}: {refused:?}");
    }
    assert!(shop.api::<Shop>().list(&ListParams::default()).await?.items.is_empty());
    shop.close().await
}
