//! `supercargo audit` on the real stack: a shop of which all holds, and each thing that is tampered with.
//!
//! Each test audits its own namespace or order, since others move things on the same stack.

use anyhow::Context as _;
use resources::OrderPhase;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection, PgPool};
use testkit::{Ended, Placed, Program, TestShop, eventually, free_address, order};

use crate::Tested;
use crate::stages::DECLINES;

/// An audit that looks twice without a long wait between: for what rests and is wrong.
pub const QUICK: [&str; 4] = ["--confirm-after", "500ms", "--patience", "2s"];
/// An audit that waits longer than anything stands still on a busy machine: for what moves and is right.
const CALM: [&str; 4] = ["--confirm-after", "10s", "--patience", "60s"];

pub struct Audited {
    pub ended: Ended,
    pub report: Value,
}

impl Audited {
    /// Rule and message of each finding.
    pub fn findings(&self) -> Vec<(String, String)> {
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        let findings = self.report["findings"].as_array().cloned().unwrap_or_default();
        findings.iter().map(|finding| (text(finding, "rule"), text(finding, "message"))).collect()
    }

    pub fn rules(&self) -> Vec<String> {
        self.findings().into_iter().map(|(rule, _)| rule).collect()
    }

    pub fn is_clean(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.ended.code == Some(0),
            "exit {:?}: {} {}",
            self.ended.code,
            self.report,
            self.ended.stderr
        );
        anyhow::ensure!(self.report["clean"] == true && self.findings().is_empty(), "{}", self.report);
        Ok(())
    }

    /// Findings of exactly these rules, and the exit code of findings.
    pub fn finds(&self, rules: &[&str]) -> anyhow::Result<()> {
        anyhow::ensure!(self.rules() == rules, "wanted {rules:?}: {} {}", self.report, self.ended.stderr);
        anyhow::ensure!(self.ended.code == Some(1), "exit {:?}", self.ended.code);
        Ok(())
    }
}

pub async fn audit(arguments: &[&str]) -> anyhow::Result<Audited> {
    audit_as(&QUICK, arguments).await
}

async fn audit_as(manner: &[&str], arguments: &[&str]) -> anyhow::Result<Audited> {
    let ended = Program::supercargo(&[&["audit", "-o", "json"], manner, arguments].concat()).run().await?;
    let report = serde_json::from_str(&ended.stdout)
        .with_context(|| format!("no report: exit {:?}: {} {}", ended.code, ended.stdout, ended.stderr))?;
    Ok(Audited { ended, report })
}

/// Waits until the audit of the shop is as `holds` says: what moves is not at rest at once.
pub async fn audited(
    shop: &TestShop,
    holds: impl Fn(&Audited) -> anyhow::Result<()>,
) -> anyhow::Result<Audited> {
    eventually("the audit is as it should be", || async {
        let audited = audit(&["-n", &shop.namespace]).await?;
        holds(&audited)?;
        Ok(audited)
    })
    .await
}

/// The database as its owner has it: past roles, and for tampering past triggers.
pub async fn tamper(shop: &TestShop, statement: &'static str, id: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&shop.stack.addresses.database).await?;
    sqlx::query("SET session_replication_role = replica").execute(&mut connection).await?;
    let done = sqlx::query(statement).bind(id).execute(&mut connection).await?;
    anyhow::ensure!(done.rows_affected() > 0, "nothing was tampered with: {statement}");
    connection.close().await?;
    Ok(())
}

pub async fn database(shop: &TestShop) -> anyhow::Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(1).connect(&shop.stack.addresses.database).await?)
}

pub async fn repair(shop: &TestShop) -> anyhow::Result<Audited> {
    audit(&["-n", &shop.namespace, "--repair"]).await
}

pub async fn completed(shop: &TestShop, sku: &str) -> anyhow::Result<Placed> {
    let placed = shop.place(order().item(sku, 2)).await?;
    shop.completes(&placed).await?;
    Ok(placed)
}

#[tokio::test]
async fn a_shop_of_which_all_holds_is_clean_whatever_became_of_its_orders() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 50).await?;
    completed(&shop, &sku).await?;
    let archived = shop.place(order().item(&sku, 1).gone_after(0)).await?;
    let lost = shop.place(order().item(&sku, 1).to_street("LOST 1")).await?;
    let refused = shop.place(order().item(&sku, 1).to_street("UNDELIVERABLE 1")).await?;
    let short = shop.place(order().item(&sku, 5000)).await?;
    let waiting = shop.place(order().item(&sku, 1).method(DECLINES)).await?;
    let suspended = shop.place(order().item(&sku, 1).suspended()).await?;
    for failed in [&lost, &refused, &short] {
        shop.reaches(failed, OrderPhase::Failed).await?;
    }
    shop.rests(&waiting, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.rests(&suspended, OrderPhase::Placed, "Suspended").await?;
    shop.gone(&archived).await?;
    let audited = audited(&shop, Audited::is_clean).await?;
    let checked = &audited.report["checked"];
    assert_eq!(
        (&checked["orders"], &checked["live"], &checked["provider"]),
        (&7.into(), &6.into(), &true.into())
    );
    assert!(checked["events"].as_u64().is_some_and(|events| events > 0), "{checked}");
    let text = Program::supercargo(&["audit", "-n", &shop.namespace]).answer().await?;
    assert!(text.starts_with("All five statements hold: checked 7 orders (6 of them live)"), "{text}");
    shop.close().await
}

#[tokio::test]
async fn orders_that_move_while_it_looks_are_no_findings() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 50).await?;
    let mut placed = Vec::new();
    for _ in 0..5 {
        for _ in 0..2 {
            placed.push(shop.place(order().item(&sku, 1)).await?);
        }
        audit_as(&CALM, &["-n", &shop.namespace]).await?.is_clean()?;
    }
    for order in &placed {
        shop.completes(order).await?;
    }
    audited(&shop, Audited::is_clean).await?;
    shop.close().await
}

#[tokio::test]
async fn a_ledger_that_lost_what_kubernetes_shows_is_named_and_not_repaired() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = completed(&shop, &sku).await?;
    audited(&shop, Audited::is_clean).await?;
    tamper(&shop, "UPDATE shipping.shipments SET revision = revision - 1 WHERE order_id = $1", &placed.id)
        .await?;
    let found = repair(&shop).await?;
    found.finds(&["ledger-behind"])?;
    assert_eq!(found.report["findings"][0]["statement"], 5);
    tamper(&shop, "UPDATE shipping.shipments SET revision = revision + 1 WHERE order_id = $1", &placed.id)
        .await?;
    audited(&shop, Audited::is_clean).await?;
    shop.close().await
}

#[tokio::test]
async fn money_at_the_provider_that_nobody_asked_for_is_named_and_never_moved() -> Tested {
    let shop = TestShop::open().await?;
    let stranger = testkit::unique("stranger");
    let form = [
        ("amount", "777"),
        ("currency", "eur"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
        ("metadata[order_id]", stranger.as_str()),
    ];
    let intent = shop.stack.stripe_post("/v1/payment_intents", &form).await?;
    for arguments in [&["--order", &stranger][..], &["--order", &stranger, "--repair"]] {
        let found = audit(arguments).await?;
        found.finds(&["provider-stranger"])?;
        assert!(found.findings()[0].1.contains("777 minor units"), "{}", found.report);
    }
    assert_eq!(shop.stack.money(&stranger).await?.refunded, 0, "a repair moves no money");
    let id = intent["id"].as_str().context("an intent without an id")?;
    shop.stack.stripe_post("/v1/refunds", &[("payment_intent", id)]).await?;
    assert_eq!(audit(&["--order", &stranger]).await?.rules(), Vec::<String>::new());
    shop.close().await
}

#[tokio::test]
async fn a_ledger_that_lost_a_refund_or_a_movement_is_named_with_order_and_amount() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let refused = shop.place(order().item(&sku, 2).to_street("UNDELIVERABLE 1")).await?;
    shop.reaches(&refused, OrderPhase::Failed).await?;
    audited(&shop, Audited::is_clean).await?;
    tamper(&shop, "DELETE FROM payment.ledger WHERE order_id = $1 AND entry = 'refunded'", &refused.id)
        .await?;
    let found = audit(&["-n", &shop.namespace]).await?;
    found.finds(&["money-ledger", "money-ledger", "provider-differs", "money-kept"])?;
    let messages: Vec<String> = found.findings().into_iter().map(|(_, message)| message).collect();
    assert!(
        messages.contains(&"the provider has 25.00 EUR taken and 25.00 EUR given back, our ledger 25.00 EUR taken and 0.00 EUR given back".to_owned()),
        "{messages:?}"
    );
    assert!(
        messages.contains(&"the order is Failed, and 25.00 EUR are kept of its payment".to_owned()),
        "{messages:?}"
    );
    tamper(&shop, "DELETE FROM inventory.movements WHERE order_id = $1 AND kind = 'released'", &refused.id)
        .await?;
    let found = audit(&["-n", &shop.namespace, "--order", &refused.name]).await?;
    assert!(
        found.rules().starts_with(&["stock-ledger".to_owned(), "stock-ledger".to_owned()]),
        "{}",
        found.report
    );
    assert!(
        found.findings().iter().any(|(_, message)| message
            == "reserved = allocated - released - shipped does not hold: 0 instead of 2"),
        "{}",
        found.report
    );
    assert_eq!(found.report["findings"][0]["about"], sku.as_str());
    shop.close().await
}

#[tokio::test]
async fn an_order_that_is_gone_without_being_archived_is_lost() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = shop.place(order().item(&sku, 2).gone_after(0)).await?;
    shop.gone(&placed).await?;
    audited(&shop, Audited::is_clean).await?;
    let forgotten = "UPDATE orders.orders_index SET archived_at = NULL, archived_sequence = NULL, snapshot = NULL WHERE order_id = $1";
    tamper(&shop, forgotten, &placed.id).await?;
    let found = audit(&["-n", &shop.namespace, "--order", &placed.name]).await?;
    found.finds(&["order-lost"])?;
    assert_eq!(found.findings()[0].1, "the order was Completed; its resource is gone and it is not archived");
    assert_eq!(found.report["findings"][0]["repairable"], false);
    shop.close().await
}

#[tokio::test]
async fn what_could_not_be_checked_is_said_with_its_source_and_is_an_exit_code_of_its_own() -> Tested {
    let shop = TestShop::open().await?;
    let namespace = shop.namespace.as_str();
    let nowhere = free_address();
    let database = format!("postgres://nobody:secret@{nowhere}/nothing");
    for (setting, value, says) in [
        ("DATABASE_URL", database.as_str(), "DATABASE_URL"),
        ("NATS_URL", &format!("nats://{nowhere}"), "NATS_URL"),
        ("KUBECONFIG", "/nonexistent/kubeconfig", "Kubernetes"),
        ("STRIPE_KEY", "sk_wrong", "STRIPE_KEY"),
    ] {
        let ended = Program::supercargo(&["audit", "--order", namespace]).with(setting, value).run().await?;
        assert_eq!(ended.code, Some(2), "{setting}: {}", ended.stderr);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{setting}: {}", ended.stderr);
    }
    let blind = Program::supercargo(&["audit", "-n", namespace]).without("STRIPE_KEY").run().await?;
    assert_eq!(blind.code, Some(0), "{}", blind.stderr);
    assert!(blind.stderr.contains("books are NOT checked"), "{}", blind.stderr);
    assert!(blind.stdout.contains("NOT the provider's books"), "{}", blind.stdout);
    let unknown = Program::supercargo(&["audit", "-n", namespace, "--order", "never-placed"]).run().await?;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("no order never-placed is known"), "{}", unknown.stderr);
    shop.close().await
}
