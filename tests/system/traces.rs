//! One trace an order, from the shopper's click to the last mail.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::api::Api;
use resources::Order;
use serde_json::Value;
use testkit::{Stack, Visitor, eventually};

use crate::Tested;
use crate::shopper::{order_of, reaches};

/// The name of a span, with the consumer where it is the handling of a message.
fn name(span: &Value) -> String {
    let name = span["name"].as_str().unwrap_or_default();
    match span["attributes"]["consumer"].as_str() {
        Some(consumer) => format!("{name} {consumer}"),
        None => name.to_owned(),
    }
}

fn orphans(spans: &[Value]) -> Vec<String> {
    let ids: BTreeSet<&str> = spans.iter().filter_map(|span| span["spanId"].as_str()).collect();
    let orphan = |span: &&Value| span["parentSpanId"].as_str().is_some_and(|parent| !ids.contains(parent));
    spans.iter().filter(orphan).map(name).collect()
}

#[tokio::test]
async fn an_order_is_one_trace_from_the_click_through_every_service_and_message_to_the_mail() -> Tested {
    const PARTS: [&str; 15] = [
        "place",
        "reconcile",
        "operator.Payment.create",
        "operator.Order.status",
        "operator.Order.announce",
        "message inventory-commands",
        "message payment-commands",
        "payment.provider.create",
        "message shipping-commands",
        "shipping.carrier.book",
        "message orders-history",
        "message notifications-events",
        "mail",
        "payment.outbox.report",
        "Shipped",
    ];
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let placed = visitor.send("POST", "/orders", order_of(&sku, 1, "pm_card_visa")).await?;
    let (id, resource) = (placed.text("/id")?, placed.text("/name")?);
    reaches(&visitor, &id, "Completed").await?;

    let live = Api::<Order>::namespaced(stack.kubernetes.clone(), "default").get(&resource).await?;
    let trace = live.status.and_then(|status| status.trace_id).context("the status names the trace")?;
    assert_eq!(trace, id.replace('-', ""));

    let url = format!("{}/traces/{trace}", stack.addresses.mailbox);
    let spans = eventually("the whole trace", || async {
        let answer: Value = stack.http.get(&url).send().await?.error_for_status()?.json().await?;
        let spans = answer["spans"].as_array().context("spans")?.clone();
        let names: BTreeSet<String> = spans.iter().map(name).collect();
        let missing: Vec<&str> = PARTS.into_iter().filter(|part| !names.contains(*part)).collect();
        anyhow::ensure!(missing.is_empty(), "{missing:?} are not among {names:?}");
        anyhow::ensure!(orphans(&spans).is_empty(), "{:?} are part of nothing", orphans(&spans));
        Ok(spans)
    })
    .await?;
    let roots: Vec<&Value> = spans.iter().filter(|span| span["parentSpanId"].is_null()).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert_eq!(
        (roots[0]["name"].as_str(), &roots[0]["attributes"]["phase"]),
        (Some("order"), &"Completed".into())
    );
    let tree = stack.http.get(format!("{url}/tree")).send().await?.error_for_status()?.text().await?;
    assert!(tree.starts_with("    0.0 ms") && tree.contains("mail  ["), "{tree}");
    shop.close().await
}
