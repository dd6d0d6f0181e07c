//! The service on a real Postgres, with a provider in memory.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::sync::Arc;

use chassis::worklist::{Next, Work};
use jiff::Timestamp;
use payment::machine::{Attempt, CaptureMode, Child, Payment, Refusal, Stage, Summary, Wish};
use payment::store;
use resources::PaymentDesired::{Cancelled, Captured};
use resources::{PaymentDesired, PaymentPhase};
use serde_json::json;
use world::bank::Bank;
use world::{World, command, work_until};

#[tokio::test]
async fn a_charge_leaves_its_ledger_one_event_and_one_report() {
    let world = World::open().await;
    let bank = Bank::new(1);
    let status = world.take(&command("o-1", 1, Captured, 1)).await;
    assert_eq!(status.phase, Some(PaymentPhase::Pending));
    assert!(world.is_due("o-1").await);
    assert_eq!(world.engine(bank.clone()).perform("o-1", 0).await.unwrap(), Next::Done);
    assert_eq!(bank.calls(), ["create o-1/1", "confirm o-1/1/confirm"]);
    let intent = Some("pi_o-1/1".to_owned());
    let booked = [("intent_created".to_owned(), 3180, intent.clone()), ("captured".to_owned(), 3180, intent)];
    assert_eq!(world.ledger("o-1").await, booked);
    assert_eq!(world.told().await, ["payment.captured"]);
    let reports = world.outbox("status").await;
    assert_eq!(reports.len(), 1, "no Pending is reported");
    assert_eq!(
        reports[0],
        json!({
            "kind": "Payment", "namespace": "default", "name": "web-1001", "uid": "uid-of-o-1",
            "status": {
                "phase": "Captured", "revision": 2, "observedGeneration": 1, "attempt": 1, "reference": "pi_o-1/1",
                "captured": {"amount": "31.80", "currency": "EUR"}, "refunded": {"amount": "0.00", "currency": "EUR"}
            }
        })
    );
    let event = &world.outbox("event").await[0];
    assert_eq!((&event["id"], &event["subject"]), (&json!("o-1/payment/2"), &json!("o-1")));
    assert_eq!(event["data"]["phase"], "Captured");
    world.close().await;
}

#[tokio::test]
async fn the_same_command_five_times_at_once_is_one_charge() {
    let world = World::open().await;
    let bank = Bank::new(1);
    let command = command("o-1", 1, Captured, 1);
    let (a, b, c, d, e) = tokio::join!(
        world.take(&command),
        world.take(&command),
        world.take(&command),
        world.take(&command),
        world.take(&command)
    );
    assert!([a, b, c, d, e].iter().all(|status| status.phase == Some(PaymentPhase::Pending)));
    world.engine(bank.clone()).perform("o-1", 0).await.unwrap();
    assert_eq!(bank.calls().len(), 2);
    world.take(&command).await;
    assert_eq!(world.told().await, ["payment.captured"]);
    assert_eq!(world.reported().await.last().unwrap(), "Captured");
    world.close().await;
}

#[tokio::test]
async fn a_crash_after_the_answer_of_the_provider_repeats_the_call_under_its_key() {
    let world = World::open().await;
    let bank = Bank::new(0);
    world.take(&command("o-1", 1, Captured, 1)).await;
    let engine = world.engine(bank.clone());
    tokio::select! {
        _ = engine.perform("o-1", 0) => panic!("it is held up"),
        () = bank.in_confirm.notified() => {}
    }
    assert_eq!(world.entries("o-1").await, ["intent_created"], "charged, and not stored");
    bank.go_on.add_permits(1);
    engine.perform("o-1", 0).await.unwrap();
    let confirm = "confirm o-1/1/confirm";
    assert_eq!(bank.calls(), ["create o-1/1", confirm, confirm]);
    assert_eq!(world.entries("o-1").await, ["intent_created", "captured"]);
    world.close().await;
}

#[tokio::test]
async fn the_answer_of_a_slower_worker_is_dropped() {
    let world = World::open().await;
    let bank = Bank::new(0);
    world.take(&command("o-1", 1, Captured, 1)).await;
    let engine = Arc::new(world.engine(bank.clone()));
    let slow = tokio::spawn({
        let engine = engine.clone();
        async move { engine.perform("o-1", 0).await.unwrap() }
    });
    bank.in_confirm.notified().await;
    let fast = tokio::spawn({
        let engine = engine.clone();
        async move { engine.perform("o-1", 0).await.unwrap() }
    });
    bank.in_confirm.notified().await;
    bank.go_on.add_permits(2);
    assert_eq!((slow.await.unwrap(), fast.await.unwrap()), (Next::Done, Next::Done));
    assert_eq!(world.entries("o-1").await, ["intent_created", "captured"]);
    assert_eq!(world.told().await, ["payment.captured"]);
    world.close().await;
}

#[tokio::test]
async fn a_cancel_during_the_confirmation_gives_the_money_back() {
    let world = World::open().await;
    let bank = Bank::new(0);
    world.take(&command("o-1", 1, Captured, 1)).await;
    let engine = Arc::new(world.engine(bank.clone()));
    let working = tokio::spawn({
        let engine = engine.clone();
        async move { engine.perform("o-1", 0).await.unwrap() }
    });
    bank.in_confirm.notified().await;
    world.take(&command("o-1", 2, Cancelled, 1)).await;
    bank.go_on.add_permits(1);
    working.await.unwrap();
    let payment = work_until(&world, &engine, "o-1", "Refunded").await;
    assert_eq!((payment.captured().minor_units(), payment.refunded().minor_units()), (3180, 3180));
    assert_eq!(world.entries("o-1").await, ["intent_created", "captured", "refunded"]);
    assert_eq!(world.told().await, ["payment.captured", "payment.refunded"]);
    world.close().await;
}

#[tokio::test]
async fn a_void_before_its_charge_is_a_tombstone_until_the_next_attempt() {
    let world = World::open().await;
    let bank = Bank::new(1);
    let status = world.take(&command("o-1", 2, Cancelled, 1)).await;
    assert_eq!((status.phase, status.observed_generation), (Some(PaymentPhase::Voided), Some(2)));
    let mut late = command("o-1", 1, Captured, 1);
    late.uid = Some("another".into());
    world.take(&late).await;
    let engine = world.engine(bank.clone());
    assert_eq!(engine.perform("o-1", 0).await.unwrap(), Next::Done);
    assert_eq!(bank.calls(), [""; 0]);
    world.take(&command("o-1", 3, Captured, 2)).await;
    engine.perform("o-1", 0).await.unwrap();
    assert_eq!(bank.calls(), ["create o-1/2", "confirm o-1/2/confirm"]);
    assert_eq!(world.told().await, ["payment.voided", "payment.captured"]);
    world.close().await;
}

#[tokio::test]
async fn the_ledger_cannot_be_changed_and_a_second_capture_cannot_be_booked_as_the_first() {
    let world = World::open().await;
    let bank = Bank::new(1);
    world.take(&command("o-1", 1, Captured, 1)).await;
    world.engine(bank).perform("o-1", 0).await.unwrap();
    let pool = world.store.pool();
    for change in ["UPDATE ledger SET amount = 1", "DELETE FROM ledger", "TRUNCATE ledger CASCADE"] {
        let error = sqlx::query(change).execute(pool).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    sqlx::query(
        "INSERT INTO attempts (order_id, attempt, method, amount, currency, capture, stage, next_at, planned_at)
         VALUES ('o-1', 2, 'pm', 3180, 'EUR', 'automatic', 'created', now(), now())",
    )
    .execute(pool)
    .await
    .unwrap();
    let again = sqlx::query(
        "INSERT INTO ledger (order_id, attempt, entry, amount, currency, round, at)
         VALUES ('o-1', 2, 'captured', 3180, 'EUR', 0, now())",
    );
    assert!(again.execute(pool).await.unwrap_err().to_string().contains("ledger_one_capture"));
    world.close().await;
}

#[tokio::test]
async fn everything_that_is_known_is_read_as_it_was_written() {
    let world = World::open().await;
    let now: Timestamp = "2026-01-01T00:00:00.123456Z".parse().unwrap();
    let amount = "3180 JPY".parse().unwrap();
    let refusal = |reason: &str| Some(Refusal::new(reason, "No."));
    let full = Attempt {
        stage: Stage::Unknown,
        intent: Some("pi_1".into()),
        refusal: refusal("no_answer"),
        refund: Some("re_1".into()),
        refund_refusal: refusal("do_not_honor"),
        refund_refusals: 2,
        refund_retry: true,
        action_url: Some("https://bank.example".into()),
        create_lost: true,
        must_search: true,
        searched_at: Some(now),
        asked: Some("evt_1".into()),
        failures: 3,
        polls: 4,
        outage: Some("503".into()),
        version: 7,
        ..Attempt::planned(2, "pm_1".into(), amount, CaptureMode::Manual, now)
    };
    let payment = Payment {
        partials: Vec::new(),
        order_id: "o-1".into(),
        namespace: "default".into(),
        name: "web-1001".into(),
        child: Some(Child { uid: "uid-1".into(), generation: 9 }),
        wish: Wish { desired: PaymentDesired::Authorized, attempt: 2, amount, method: Some("pm_1".into()) },
        undone_attempt: Some(1),
        attempts: vec![Attempt::planned(1, "pm_0".into(), amount, CaptureMode::Automatic, now), full],
        shown: Summary {
            reason: Some("no_answer".into()),
            message: Some("No.".into()),
            reference: Some("pi_1".into()),
            action_url: Some("https://bank.example".into()),
            ..Summary::of_phase(PaymentPhase::Unknown, 2, amount)
        },
        revision: 5,
        told_revision: 4,
    };
    let mut tx = world.store.begin().await.unwrap();
    assert!(store::insert_in_tx(&mut tx, &payment).await.unwrap());
    assert!(!store::insert_in_tx(&mut tx, &payment).await.unwrap());
    assert_eq!(store::lock_in_tx(&mut tx, "o-1").await.unwrap().unwrap(), payment);
    let mut changed = payment.clone();
    changed.child = None;
    changed.attempts[1].asked = None;
    store::save_in_tx(&mut tx, &payment, &changed).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.payment("o-1").await, changed);
    world.close().await;
}
