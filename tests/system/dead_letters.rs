//! Dead letters: an order says that it has some; they are redriven to whom they are for, in order, or dropped.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::HeaderMap;
use resources::{Order, OrderPhase, find_condition};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use testkit::{Placed, Program, TestShop, eventually, names, order, policy};

use crate::Tested;
use crate::stages::{Stage, event_is_told, hold_at, inventory};

fn letters(shop: &TestShop, verb: &[&str]) -> Program {
    Program::supercargo(&[&["dead-letters"], verb].concat()).with("NATS_URL", &shop.stack.addresses.nats)
}

/// The dead letters of an order, oldest first.
async fn of_order(shop: &TestShop, placed: &Placed) -> anyhow::Result<Vec<Value>> {
    let arguments = ["list", "--order", &placed.name, "-n", &shop.namespace, "-o", "json"];
    let answer = letters(shop, &arguments).answer().await?;
    serde_json::from_str(&answer).context("JSON")
}

fn is_dead_lettered(order: &Order, wanted: &str) -> bool {
    let conditions = order.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    find_condition(conditions, "DeadLettered").is_some_and(|told| told.status == wanted)
}

#[tokio::test]
async fn a_command_that_cannot_be_handled_is_shown_on_its_order_and_redriven_once_it_can() -> Tested {
    let shop =
        TestShop::open_with(policy().with("retry", serde_json::json!({"initial": "1s", "maximum": "2s"})))
            .await?;
    let sku = shop.article("12.50", 5).await?;
    let mut database = inventory(&shop).await?;
    // The database refuses this article's movements, for a reason that no retry mends.
    let name = format!("refuse_{}", sku.to_lowercase().replace('-', "_"));
    let refuse = format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the shelf is locked'; END $$;
         CREATE TRIGGER {name} BEFORE INSERT ON movements FOR EACH ROW WHEN (NEW.sku = '{sku}') EXECUTE FUNCTION {name}()"
    );
    sqlx::raw_sql(AssertSqlSafe(refuse)).execute(&mut database).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    let waits = |order: &Order| {
        let reason = order.status.as_ref().and_then(|status| status.reason.as_deref());
        is_dead_lettered(order, "True") && reason == Some("DeadLettered")
    };
    let waiting = shop.wait(&placed, "says that its message was not handled", waits).await?;
    let message = waiting.status.and_then(|status| status.message).context("a message")?;
    assert!(message.contains("the shelf is locked") && message.contains("dead-letters redrive"), "{message}");
    event_is_told(&shop, &placed, "DeadLettered").await?;
    let described = Program::kubectl(&shop.namespace, &["describe", "orders.supercargo.dev", &placed.name]);
    assert!(described.answer().await?.contains("inventory-commands"));

    // It was sent again until the first of it died: those on their way may still die, and none is sent after them.
    let mut count = 0;
    eventually("no more of it dies", || async {
        let before = of_order(&shop, &placed).await?.len();
        tokio::time::timeout(Duration::from_secs(12), std::future::pending::<()>()).await.ok();
        let after = of_order(&shop, &placed).await?.len();
        anyhow::ensure!(before == after && after > 0, "{before} were there, then {after}");
        Ok(())
    })
    .await?;
    let there = of_order(&shop, &placed).await?;
    assert!(there.len() < 10, "{there:?}");
    for letter in &there {
        assert_eq!(letter["consumer"], "inventory-commands");
        assert_eq!(letter["tries"], 8, "only real failures count: {letter}");
        count += 1;
    }
    let id = there[0]["id"].to_string();
    let shown = letters(&shop, &["show", &id]).answer().await?;
    assert!(shown.contains("the shelf is locked") && shown.contains(&placed.id), "{shown}");

    let mend = format!("DROP TRIGGER {name} ON movements; DROP FUNCTION {name}()");
    sqlx::raw_sql(AssertSqlSafe(mend)).execute(&mut database).await?;
    let redriven =
        letters(&shop, &["redrive", "--order", &placed.name, "-n", &shop.namespace]).answer().await?;
    assert!(redriven.lines().count() >= count, "{redriven}");
    shop.completes(&placed).await?;
    eventually("nothing about it is left, and it says so", || async {
        if !of_order(&shop, &placed).await?.is_empty() {
            // One that was on its way all the while has died since.
            letters(&shop, &["redrive", "--order", &placed.name, "-n", &shop.namespace]).answer().await?;
        }
        let order = shop.api().get(&placed.name).await?;
        anyhow::ensure!(is_dead_lettered(&order, "False"), "{:?}", order.status);
        Ok(())
    })
    .await?;
    assert!(of_order(&shop, &placed).await?.is_empty());
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_message_that_is_good_for_nothing_is_dropped_with_a_reason_and_its_order_is_free_of_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    let attributes = events::Attributes {
        id: testkit::unique("forged"),
        source: "/supercargo/tests".to_owned(),
        subject: placed.id.clone(),
        time: jiff::Timestamp::now(),
        trace: events::TraceParent::of_order(&placed.id),
    };
    let headers: HeaderMap = attributes.headers("dev.supercargo.command.v1");
    shop.stack.publish("supercargo.command.payment.capture", headers, "{oops").await?;
    shop.wait(&placed, "says that a message was not handled", |order| is_dead_lettered(order, "True"))
        .await?;
    // It cannot be read, and so tells no name: it is found by the order's id.
    let there = of_order(&shop, &placed).await?;
    let [letter] = there.as_slice() else { anyhow::bail!("one letter: {there:?}") };
    let id = letter["id"].to_string();
    for wrong in [vec!["drop", &id, "--reason", " "], vec!["drop", "999999999"], vec!["redrive"]] {
        let ended = letters(&shop, &wrong).run().await?;
        assert!(ended.code.is_some_and(|code| code != 0), "{wrong:?}: {}", ended.stdout);
    }
    // It waits for a person, and breaks nothing that must always hold.
    let audit = Program::supercargo(&["audit", "-n", &shop.namespace, "--order", &placed.name]).run().await?;
    assert!(audit.code == Some(0) && audit.stdout.contains("wait for a person: 1"), "{audit:?}");
    // Still as bad: redriven it dies again, under another number.
    letters(&shop, &["redrive", &id]).answer().await?;
    let again = eventually("it is a dead letter again", || async {
        let there = of_order(&shop, &placed).await?;
        let [letter] = there.as_slice() else { anyhow::bail!("{there:?}") };
        anyhow::ensure!(letter["id"].as_u64() != id.parse().ok(), "the old one is still there");
        Ok(letter["id"].to_string())
    })
    .await?;
    letters(&shop, &["drop", &again, "--reason", "forged by a test"]).answer().await?;
    shop.wait(&placed, "is free of it", |order| is_dead_lettered(order, "False")).await?;
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_event_is_redriven_for_the_one_who_could_not_handle_it_and_for_nobody_else() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let before = names(&shop.history_of(&placed).await?).len();
    // An event that only a consumer called nobody-events could not handle.
    let headers = events::Attributes {
        id: testkit::unique("event"),
        source: "/supercargo/tests".to_owned(),
        subject: placed.id.clone(),
        time: jiff::Timestamp::now(),
        trace: events::TraceParent::of_order(&placed.id),
    };
    let mut headers = headers.headers("dev.supercargo.order.repainted.v1");
    headers.insert("Supercargo-Dead-Subject", "supercargo.event.order.repainted");
    headers.insert("Supercargo-Dead-Error", "it is the wrong colour");
    headers.insert("Supercargo-Dead-Deliveries", "8");
    shop.stack.publish("supercargo.dead.EVENTS.nobody-events", headers, "{}").await?;
    let there = of_order(&shop, &placed).await?;
    let [letter] = there.as_slice() else { anyhow::bail!("one letter: {there:?}") };
    letters(&shop, &["redrive", &letter["id"].to_string()]).answer().await?;
    assert!(of_order(&shop, &placed).await?.is_empty());
    // An order after it went through the same consumers.
    let marker = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&marker).await?;
    shop.settled().await?;
    assert_eq!(names(&shop.history_of(&placed).await?).len(), before, "nobody else has recorded it");
    shop.close().await
}
