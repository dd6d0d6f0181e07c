//! Repair by people: at the command line and by annotation, recorded with who and why, refused when it makes no sense.

use anyhow::Context as _;
use resources::{Order, OrderPhase, PaymentPhase, Repair, RepairOutcome};
use serde_json::json;
use testkit::{Level, Placed, Program, TestShop, eventually, names, order, policy};

use crate::Tested;
use crate::rows::stuck_unrefunded;
use crate::stages::{event_is_told, payment_is};

/// No refund is asked for again unless a person wants it.
const NEVER: &str = "1h";

fn repairs(order: &Order) -> &[Repair] {
    order.status.as_ref().map_or(&[], |status| status.repairs.as_slice())
}

/// `supercargo order VERB NAME -n NAMESPACE`, and more.
fn repair(shop: &TestShop, placed: &Placed, verb: &str, more: &[&str]) -> Program {
    let arguments = ["order", verb, &placed.name, "-n", &shop.namespace];
    Program::supercargo(&[&arguments, more].concat())
}

/// Is refused with a sentence that says this, and an exit code that says so too.
async fn is_refused(program: Program, says: &str) -> Tested {
    let ended = program.run().await?;
    anyhow::ensure!(ended.code == Some(1), "{} ended with {:?}: {}", ended.command, ended.code, ended.stdout);
    anyhow::ensure!(ended.stdout.is_empty(), "an answer: {}", ended.stdout);
    anyhow::ensure!(ended.stderr.contains(says), "{} should say {says}", ended.stderr);
    Ok(())
}

/// An order whose money the provider refuses to give back, now and always.
async fn never_refunded(shop: &TestShop, sku: &str) -> anyhow::Result<Placed> {
    let wanted = order().item(sku, 1).method("pm_sandbox_refund_fails").to_street("UNDELIVERABLE");
    let placed = shop.place(wanted).await?;
    shop.rests(&placed, OrderPhase::Stuck, "RefundFailed").await?;
    Ok(placed)
}

#[tokio::test]
async fn a_refund_that_was_refused_is_asked_for_again_once_a_person_wants_it() -> Tested {
    let shop =
        TestShop::open_with(policy().with("retry", json!({"initial": NEVER, "maximum": NEVER}))).await?;
    let sku = shop.article("12.50", 5).await?;
    let (placed, _) = stuck_unrefunded(&shop, &sku, 1).await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    repair(&shop, &placed, "retry", &["--reason", "the bank has mended it"]).answer().await?;
    let cancelled = shop.rests(&placed, OrderPhase::Cancelled, "CancelRequested").await?;
    let [record] = repairs(&cancelled) else { anyhow::bail!("one record: {:?}", cancelled.status) };
    assert_eq!((record.reason.as_str(), record.outcome), ("the bank has mended it", RepairOutcome::Taken));
    assert!(
        !record.by.is_empty() && record.by != "supercargo",
        "by the user, not the program: {}",
        record.by
    );
    event_is_told(&shop, &placed, "RetryTaken").await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn by_annotation_each_new_value_asks_once_and_the_writer_is_recorded() -> Tested {
    let shop =
        TestShop::open_with(policy().with("retry", json!({"initial": NEVER, "maximum": NEVER}))).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = never_refunded(&shop, &sku).await?;
    let annotate = |value: &'static str| {
        let text = format!("supercargo.dev/retry={value}");
        let arguments = ["annotate", "orders.supercargo.dev", &placed.name, &text, "--overwrite"];
        Program::kubectl(&shop.namespace, &arguments).answer()
    };
    for (value, times) in [("once", 1), ("once", 1), ("twice", 2)] {
        annotate(value).await?;
        let judged = |order: &Order| {
            let status = order.status.as_ref();
            repairs(order).len() == times && status.and_then(|status| status.phase) == Some(OrderPhase::Stuck)
        };
        let order = shop.wait(&placed, "is asked for again and refused again", judged).await?;
        assert!(
            repairs(&order).iter().all(|repair| repair.by == "kubectl-annotate"),
            "{:?}",
            repairs(&order)
        );
    }
    let history = shop.history_of(&placed).await?;
    let refused = names(&history).iter().filter(|name| **name == "payment.failed").count();
    assert_eq!(
        refused,
        3,
        "the provider has refused it at first and for each request: {:?}",
        names(&history)
    );
    shop.let_go(&placed).await?;
    shop.close().await
}

#[tokio::test]
async fn what_is_skipped_is_settled_by_hand_and_the_order_ends_and_is_archived() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = never_refunded(&shop, &sku).await?;
    let missing = repair(&shop, &placed, "skip", &[]).run().await?;
    assert_eq!((missing.code, missing.stderr.contains("--reason")), (Some(2), true), "{}", missing.stderr);
    repair(&shop, &placed, "skip", &["--reason", "bank transfer 4711"]).answer().await?;
    let failed = shop.rests(&placed, OrderPhase::Failed, "ShippingFailed").await?;
    let message = failed.status.and_then(|status| status.message).context("a message")?;
    assert!(message.contains("settled by hand") && message.contains("bank transfer 4711"), "{message}");
    event_is_told(&shop, &placed, "SkipTaken").await?;
    is_refused(repair(&shop, &placed, "skip", &["--reason", "again"]), "nothing to skip").await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.money_becomes(&placed, 1250, 0).await?;
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    is_refused(repair(&shop, &placed, "retry", &[]), "is archived").await?;
    shop.close().await
}

#[tokio::test]
async fn the_money_of_a_completed_order_goes_back_as_goodwill_once() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    is_refused(repair(&shop, &placed, "retry", &[]), "has ended").await?;
    is_refused(repair(&shop, &placed, "resume", &[]), "nothing to resume").await?;
    let said = repair(&shop, &placed, "refund", &["--reason", "the cup was chipped"]).answer().await?;
    assert!(said.contains("12.50 EUR"), "{said}");
    payment_is(&shop, &placed, PaymentPhase::Refunded).await?;
    eventually("the order says that its money went back", || async {
        let order = shop.api::<Order>().get(&placed.name).await?;
        let status = order.status.context("a status")?;
        anyhow::ensure!(status.phase == Some(OrderPhase::Completed), "{:?}", status.phase);
        anyhow::ensure!(status.reason.as_deref() == Some("Refunded"), "{:?}", status.reason);
        Ok(())
    })
    .await?;
    shop.money_becomes(&placed, 1250, 1250).await?;
    shop.stock_becomes(&sku, Level::of(4, 0)).await?;
    is_refused(repair(&shop, &placed, "refund", &[]), "No money is kept").await?;
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_stuck_by_its_deadline_goes_on_when_it_is_resumed_and_its_customer_is_told_nothing_twice()
-> Tested {
    let strict = policy().with("deadlines", json!({"paid": "1s"})).with("onDeadline", "Stuck");
    let shop = TestShop::open_with(strict).await?;
    let sku = shop.article("12.50", 5).await?;
    let faults = shop.stack.faults().await;
    faults.of_carrier(json!({"webhooks": "off"})).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    let stuck = shop.reaches(&placed, OrderPhase::Stuck).await?;
    let message = stuck.status.and_then(|status| status.message).context("a message")?;
    let typed = format!("supercargo order retry {} -n {}", placed.name, shop.namespace);
    assert!(message.contains(&typed), "it says what to type: {message}");
    is_refused(repair(&shop, &placed, "skip", &["--reason", "go"]), "cannot be settled by hand").await?;
    shop.set_policy(policy()).await?;
    repair(&shop, &placed, "resume", &["--reason", "the carrier was on strike"]).answer().await?;
    faults.end().await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    assert_eq!(
        names(&history).iter().filter(|name| **name == "order.paid").count(),
        2,
        "{:?}",
        names(&history)
    );
    shop.close().await
}

#[tokio::test]
async fn an_order_that_is_not_there_is_refused_with_a_clear_word() -> Tested {
    let shop = TestShop::open().await?;
    for verb in ["retry", "resume", "refund"] {
        let program = Program::supercargo(&["order", verb, "nosuch", "-n", &shop.namespace]);
        is_refused(program, "no order named nosuch").await?;
    }
    shop.close().await
}
