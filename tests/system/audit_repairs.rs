//! What `supercargo audit --repair` mends on the real stack, and what it writes down of it.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask_subject;
use events::Command;
use jiff::Timestamp;
use resources::{Line, OrderReference, ReservationDesired, StockReservationSpec, StockReservationStatus};
use serde_json::Value;
use testkit::{Level, Program, TestShop, eventually, free_address, order};

use crate::Tested;
use crate::audit::{Audited, QUICK, audit, audited, completed, database, repair, tamper};

/// Who repaired what of an order, and with what outcome.
async fn repairs(shop: &TestShop, order_id: &str) -> anyhow::Result<Vec<(String, String, Option<String>)>> {
    let query = "SELECT who, rule, outcome FROM orders.repairs WHERE order_id = $1 ORDER BY id";
    Ok(sqlx::query_as(query).bind(order_id).fetch_all(&database(shop).await?).await?)
}

/// Repairs once, and waits until all holds: what is told again is on its way for a while.
async fn repaired(shop: &TestShop) -> anyhow::Result<Audited> {
    let repaired = repair(shop).await?;
    audited(shop, Audited::is_clean).await?;
    Ok(repaired)
}

/// A hold of two pieces for an order that nobody knows.
async fn phantom_hold(shop: &TestShop, sku: &str) -> anyhow::Result<String> {
    let one = money::Money::parse("1.00", money::Currency::EUR)?;
    let id = format!("phantom-{sku}");
    let line = Line { sku: sku.to_owned(), quantity: 2, unit_price: one, total: one };
    let command = Command {
        order_id: id.clone(),
        namespace: shop.namespace.clone(),
        name: "phantom".into(),
        uid: None,
        generation: 0,
        sent_at: Timestamp::now(),
        spec: StockReservationSpec {
            order_ref: OrderReference { name: "phantom".into(), id: id.clone() },
            lines: vec![line],
            total: one,
            desired: ReservationDesired::Held,
            expires_at: None,
        },
    };
    let patience = Duration::from_secs(20);
    let _: StockReservationStatus =
        ask_subject(&shop.stack.nats, "inventory.apply", &command, patience).await?;
    Ok(id)
}

#[tokio::test]
async fn a_hold_without_an_order_is_named_and_released_by_a_repair_that_is_recorded() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let id = phantom_hold(&shop, &sku).await?;
    let found = audit(&["-n", &shop.namespace]).await?;
    found.finds(&["hold-without-order"])?;
    let finding = &found.report["findings"][0];
    assert_eq!((&finding["statement"], &finding["order"]["id"]), (&1.into(), &id.as_str().into()));
    assert_eq!(
        (&finding["found"], &finding["expected"], &finding["repairable"]),
        (&"2".into(), &"0".into(), &true.into())
    );
    let planned = audit(&["-n", &shop.namespace, "--repair", "--dry-run"]).await?;
    planned.finds(&["hold-without-order"])?;
    assert!(planned.ended.stderr.contains("would ask inventory to release"), "{}", planned.ended.stderr);
    shop.stock_becomes(&sku, Level::of(10, 2)).await?;
    assert_eq!(repairs(&shop, &id).await?, []);
    let repaired = repaired(&shop).await?;
    let said = &repaired.ended.stderr;
    let before = said.find("will ask inventory to release").context("it does not say what it will do")?;
    assert!(said.find("inventory answers Released").is_some_and(|after| before < after), "{said}");
    shop.stock_becomes(&sku, Level::of(10, 0)).await?;
    let recorded = repairs(&shop, &id).await?;
    let (who, rule, outcome) = recorded.first().context("the repair is not recorded")?;
    assert_eq!(
        (rule.as_str(), outcome.as_deref()),
        ("hold-without-order", Some("inventory answers Released"))
    );
    assert!(!who.is_empty());
    shop.close().await
}

#[tokio::test]
async fn transitions_that_vanished_are_named_and_told_again_from_the_resource_or_its_snapshot() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let live = completed(&shop, &sku).await?;
    let archived = shop.place(order().item(&sku, 1).gone_after(0)).await?;
    shop.gone(&archived).await?;
    audited(&shop, Audited::is_clean).await?;
    let before = [shop.history_of(&live).await?, shop.history_of(&archived).await?];
    for placed in [&live, &archived] {
        tamper(&shop, "DELETE FROM orders.history WHERE order_id = $1 AND sequence = 3", &placed.id).await?;
    }
    let found = audit(&["-n", &shop.namespace]).await?;
    found.finds(&["history-gap", "history-gap"])?;
    assert_eq!(found.findings()[0].1, "the history misses 1 of 5 transitions: 3");
    repaired(&shop).await?;
    for (placed, before) in [&live, &archived].into_iter().zip(before) {
        let after = shop.history_of(placed).await?;
        assert_eq!(testkit::names(&after), testkit::names(&before));
    }
    let events =
        Program::kubectl(&shop.namespace, &["get", "events.events.k8s.io", "-o", "json"]).answer().await?;
    let events: Value = serde_json::from_str(&events)?;
    let told = events["items"].as_array().into_iter().flatten().find(|event| event["reason"] == "Repaired");
    let note = told.and_then(|event| event["note"].as_str()).context("no Event tells of the repair")?;
    assert!(note.contains("history-gap") && note.contains("tell the transitions 3 again"), "{note}");
    shop.close().await
}

#[tokio::test]
async fn an_event_that_never_arrived_is_named_and_told_again() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = completed(&shop, &sku).await?;
    audited(&shop, Audited::is_clean).await?;
    tamper(
        &shop,
        "DELETE FROM orders.history WHERE order_id = $1 AND event = 'payment.captured'",
        &placed.id,
    )
    .await?;
    let found = audited(&shop, |audited| audited.finds(&["event-missing"])).await?;
    let (_, message) = found.findings().remove(0);
    assert!(message.starts_with(&format!("payment told the event {}/payment/", placed.id)), "{message}");
    assert_eq!(found.report["findings"][0]["order"]["name"], placed.name.as_str());
    repaired(&shop).await?;
    assert!(testkit::names(&shop.history_of(&placed).await?).contains(&"payment.captured"));
    shop.close().await
}

#[tokio::test]
async fn a_status_behind_its_ledger_is_named_and_reported_again() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = completed(&shop, &sku).await?;
    audited(&shop, Audited::is_clean).await?;
    let raised = "UPDATE payment.payments SET revision = revision + 1, told_revision = told_revision + 1 WHERE order_id = $1";
    tamper(&shop, raised, &placed.id).await?;
    tamper(
        &shop,
        "UPDATE inventory.reservations SET revision = revision + 1 WHERE order_id = $1",
        &placed.id,
    )
    .await?;
    tamper(&shop, "UPDATE shipping.shipments SET revision = revision + 1 WHERE order_id = $1", &placed.id)
        .await?;
    let found = audit(&["-n", &shop.namespace, "--order", &placed.name]).await?;
    found.finds(&["status-behind", "status-behind", "status-behind"])?;
    repaired(&shop).await?;
    assert_eq!(repairs(&shop, &placed.id).await?.len(), 3);
    shop.close().await
}

#[tokio::test]
async fn on_a_timer_findings_are_metrics_that_come_and_go() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    completed(&shop, &sku).await?;
    let address = free_address();
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("audit.log");
    let arguments = ["audit", "--watch", "--every", "500ms", "-n", &shop.namespace];
    let mut watching = Program::supercargo(&[&arguments[..], &QUICK[..]].concat())
        .with("HTTP_ADDR", &address.to_string())
        .start(&log)?;
    let metrics = |wanted: &'static str| {
        let (http, url) = (shop.stack.http.clone(), format!("http://{address}/metrics"));
        async move {
            eventually("the metrics are as they should be", || async {
                let text = http.get(&url).send().await?.error_for_status()?.text().await?;
                anyhow::ensure!(text.lines().any(|line| line == wanted), "{text}");
                Ok(())
            })
            .await
        }
    };
    metrics("supercargo_audit_findings{rule=\"hold-without-order\",statement=\"1\"} 0").await?;
    metrics("supercargo_audit_orders 1").await?;
    let ready = shop.stack.http.get(format!("http://{address}/ready")).send().await?;
    assert_eq!(ready.status(), 200);
    phantom_hold(&shop, &sku).await?;
    metrics("supercargo_audit_findings{rule=\"hold-without-order\",statement=\"1\"} 1").await?;
    repaired(&shop).await?;
    metrics("supercargo_audit_findings{rule=\"hold-without-order\",statement=\"1\"} 0").await?;
    watching.kill().await?;
    let told = std::fs::read_to_string(&log)?;
    let errors =
        told.lines().filter(|line| line.contains("ERROR") && line.contains("hold-without-order")).count();
    assert_eq!(errors, 1, "a finding is told once: {told}");
    shop.close().await
}
