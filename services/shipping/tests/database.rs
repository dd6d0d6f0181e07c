//! Commands and the engine on a real Postgres, with a carrier that answers from a script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chassis::worklist::{Next, Work};
use chassis::{HandleError, Handler};
use resources::ShipmentPhase;
use shipping::carrier::{Booked, BookingRequest, Cancellation, Carrier, CarrierError, Tracker};
use shipping::engine::Engine;
use shipping::handlers::{Commands, apply_in_tx};
use support::database::{count, events, phase, reports, store};
use support::*;

type Answer<T> = Result<T, CarrierError>;

/// Answers what it was told to, and remembers what it was asked.
#[derive(Default)]
struct Script {
    bookings: Mutex<VecDeque<Answer<Booked>>>,
    found: Mutex<VecDeque<Answer<Option<Booked>>>>,
    cancellations: Mutex<VecDeque<Answer<Cancellation>>>,
    trackers: Mutex<VecDeque<Answer<Tracker>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn say<T>(&self, question: String, answers: &Mutex<VecDeque<Answer<T>>>) -> Answer<T> {
        let unexpected = format!("the carrier was not to be asked: {question}");
        self.asked.lock().unwrap().push(question);
        answers.lock().unwrap().pop_front().expect(&unexpected)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Carrier for Script {
    async fn book(&self, request: &BookingRequest) -> Answer<Booked> {
        self.say(format!("book {} to {}", request.reference, request.address.line1), &self.bookings)
    }

    async fn find(&self, reference: &str) -> Answer<Option<Booked>> {
        self.say(format!("find {reference}"), &self.found)
    }

    async fn cancel(&self, shipment_id: &str) -> Answer<Cancellation> {
        self.say(format!("cancel {shipment_id}"), &self.cancellations)
    }

    async fn track(&self, tracking_number: &str) -> Answer<Tracker> {
        self.say(format!("track {tracking_number}"), &self.trackers)
    }
}

fn label(statuses: &[&str]) -> Answer<Booked> {
    Ok(Booked { shipment_id: "shp_1".into(), tracker: tracker(statuses) })
}

fn failed<T>() -> Answer<T> {
    Err(CarrierError::Failed { call: "book", status: 503, message: "away".into() })
}

fn lost<T>() -> Answer<T> {
    Err(CarrierError::Lost {
        call: "book",
        source: std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
    })
}

struct Shop {
    store: chassis::Store,
    script: Arc<Script>,
    engine: Engine,
}

impl Shop {
    async fn open() -> Self {
        let (store, script) = (store().await, Arc::new(Script::default()));
        let engine = Engine::new(store.clone(), script.clone(), POLICY);
        Self { store, script, engine }
    }

    fn books(&self, answer: Answer<Booked>) {
        self.script.bookings.lock().unwrap().push_back(answer);
    }

    async fn work(&self) -> anyhow::Result<Next> {
        self.engine.perform("order-1", 0).await
    }

    async fn is_due(&self) -> bool {
        count(&self.store, "SELECT count(*) FROM worklist WHERE key = 'order-1' AND due_at <= now()").await
            == 1
    }
}

#[tokio::test]
async fn a_command_is_written_down_and_its_outcome_is_the_first_report() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    assert!(reports(&shop.store).await.is_empty() && shop.is_due().await);
    shop.books(label(&["pre_transit"]));
    assert!(matches!(shop.work().await.unwrap(), Next::At(_)));
    assert_eq!(shop.script.asked(), ["book order-1 to 1 High Street"]);
    assert_eq!(events(&shop.store, "order-1").await, ["booked"]);
    let reports = reports(&shop.store).await;
    assert_eq!(reports.len(), 1);
    let status = &reports[0];
    assert_eq!((status.phase, status.revision, status.attempt), (Some(ShipmentPhase::Booked), 1, 1));
    assert_eq!((status.observed_generation, status.tracking_number.as_deref()), (Some(1), Some("SC1")));
    assert_eq!(status.estimated_delivery.as_ref().map(|time| time.0), Some(at(5)));
}

#[tokio::test]
async fn a_parcel_that_is_there_at_once_tells_every_step_and_reports_the_last() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(label(&["pre_transit", "in_transit", "delivered"]));
    assert_eq!(shop.work().await.unwrap(), Next::Done);
    assert_eq!(events(&shop.store, "order-1").await, ["booked", "dispatched", "delivered"]);
    let reports = reports(&shop.store).await;
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].phase, reports[0].revision), (Some(ShipmentPhase::Delivered), 3));
    assert_eq!(count(&shop.store, "SELECT count(*) FROM tracking").await, 3);
    let ids = "SELECT count(DISTINCT message_key) FROM outbox WHERE message_key LIKE 'order-1/shipment/%'";
    assert_eq!(count(&shop.store, ids).await, 3);
}

#[tokio::test]
async fn the_same_command_five_times_books_once_and_reports_the_present_state_again() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(label(&["pre_transit"]));
    shop.work().await.unwrap();
    for _ in 0..4 {
        let mut transaction = shop.store.begin().await.unwrap();
        Commands.repeat(&message(&deliver(1, 1)), &mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        shop.work().await.unwrap();
    }
    assert_eq!(shop.script.asked().len(), 1);
    let reports = reports(&shop.store).await;
    assert_eq!(reports.len(), 5);
    assert!(reports.iter().all(|report| report == &reports[0]));
    assert_eq!(events(&shop.store, "order-1").await, ["booked"]);
}

#[tokio::test]
async fn an_outage_is_retried_and_said_after_some_tries() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    for failures in 0..3 {
        shop.books(failed());
        assert!(shop.engine.perform("order-1", failures).await.is_err());
    }
    let said = reports(&shop.store).await;
    assert_eq!(said.len(), 1);
    assert_eq!(
        (said[0].phase, said[0].reason.as_deref(), said[0].observed_generation),
        (Some(ShipmentPhase::Pending), Some("CarrierUnavailable"), None)
    );
    shop.books(label(&["pre_transit"]));
    shop.engine.perform("order-1", 3).await.unwrap();
    let said = reports(&shop.store).await;
    assert_eq!((said[1].phase, &said[1].reason), (Some(ShipmentPhase::Booked), &None));
    assert!(said[1].revision > said[0].revision);
}

#[tokio::test]
async fn a_refused_address_is_reported_with_reason_and_message() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    let message = "The address cannot be delivered to.".to_owned();
    shop.books(Err(CarrierError::Refused { reason: "AddressUndeliverable", message: message.clone() }));
    assert_eq!(shop.work().await.unwrap(), Next::Done);
    assert_eq!(events(&shop.store, "order-1").await, ["rejected"]);
    let status = reports(&shop.store).await.remove(0);
    assert_eq!(status.phase, Some(ShipmentPhase::Rejected));
    assert_eq!((status.reason.as_deref(), status.message), (Some("AddressUndeliverable"), Some(message)));
}

#[tokio::test]
async fn a_cancellation_that_comes_first_leaves_a_tombstone() {
    let shop = Shop::open().await;
    handle(&shop.store, &cancel(1, 2)).await;
    handle(&shop.store, &deliver(1, 1)).await;
    assert_eq!(shop.work().await.unwrap(), Next::Done);
    assert!(shop.script.asked().is_empty());
    assert_eq!(phase(&shop.store, "order-1").await.as_deref(), Some("Cancelled"));
    assert_eq!(events(&shop.store, "order-1").await, ["cancelled"]);
    let reports = reports(&shop.store).await;
    assert_eq!(reports.len(), 2, "the older command is answered with the present state");
    assert!(reports.iter().all(|status| status.observed_generation == Some(2)));
}

#[tokio::test]
async fn a_lost_booking_is_found_by_its_reference_and_made_void() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(lost());
    assert!(shop.work().await.is_err());
    handle(&shop.store, &cancel(1, 2)).await;
    assert!(reports(&shop.store).await.is_empty());
    shop.script.found.lock().unwrap().push_back(label(&["pre_transit"]).map(Some));
    shop.script.cancellations.lock().unwrap().push_back(Ok(Cancellation::Voided));
    assert_eq!(shop.work().await.unwrap(), Next::Done);
    assert_eq!(shop.script.asked()[1..], ["find order-1", "cancel shp_1"]);
    assert_eq!(events(&shop.store, "order-1").await, ["booked", "cancelled"]);
    let status = reports(&shop.store).await.pop().unwrap();
    assert_eq!((status.phase, status.observed_generation), (Some(ShipmentPhase::Cancelled), Some(2)));
}

#[tokio::test]
async fn a_lost_booking_that_is_not_there_yet_is_looked_for_again() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(lost());
    assert!(shop.work().await.is_err());
    handle(&shop.store, &cancel(1, 2)).await;
    shop.script.found.lock().unwrap().push_back(Ok(None));
    assert!(matches!(shop.work().await.unwrap(), Next::At(_)));
    assert_eq!(phase(&shop.store, "order-1").await, None);
}

#[tokio::test]
async fn a_cancellation_that_comes_too_late_is_refused_and_the_parcel_tracked_at_once() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(label(&["pre_transit"]));
    shop.work().await.unwrap();
    handle(&shop.store, &cancel(1, 2)).await;
    let refusal = Cancellation::Refused { message: "The parcel is in_transit.".into() };
    shop.script.cancellations.lock().unwrap().push_back(Ok(refusal));
    shop.script.trackers.lock().unwrap().push_back(Ok(tracker(&["pre_transit", "in_transit"])));
    assert!(matches!(shop.work().await.unwrap(), Next::At(_)));
    let status = reports(&shop.store).await.pop().unwrap();
    assert!(status.cancel_refused);
    assert_eq!((status.phase, status.observed_generation), (Some(ShipmentPhase::InTransit), Some(2)));
    assert_eq!(events(&shop.store, "order-1").await, ["booked", "dispatched"]);
}

#[tokio::test]
async fn another_attempt_books_again_after_the_first_is_void() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    shop.books(label(&["pre_transit"]));
    shop.work().await.unwrap();
    handle(&shop.store, &deliver(2, 2)).await;
    shop.script.cancellations.lock().unwrap().push_back(Ok(Cancellation::Voided));
    shop.books(Ok(Booked { shipment_id: "shp_2".into(), tracker: tracker(&["pre_transit"]) }));
    shop.work().await.unwrap();
    assert_eq!(shop.script.asked()[1..], ["cancel shp_1", "book order-1/2 to 1 High Street"]);
    assert_eq!(events(&shop.store, "order-1").await, ["booked", "cancelled", "booked"]);
    assert_eq!(count(&shop.store, "SELECT count(*) FROM bookings WHERE voided").await, 1);
    assert_eq!(count(&shop.store, "SELECT count(*) FROM bookings").await, 2);
    assert_eq!(count(&shop.store, "SELECT count(*) FROM tracking WHERE attempt = 2").await, 1);
    let status = reports(&shop.store).await.pop().unwrap();
    assert_eq!((status.attempt, status.reference.as_deref()), (2, Some("shp_2")));
}

#[tokio::test]
async fn a_wish_that_waits_while_the_label_is_being_stored_finds_the_label() {
    let shop = Shop::open().await;
    handle(&shop.store, &deliver(1, 1)).await;
    let asked = "INSERT INTO bookings (order_id, attempt, reference, asked, voided) VALUES ('order-1', 1, 'order-1', true, false)";
    sqlx::query(asked).execute(shop.store.pool()).await.unwrap();
    // The answer of the carrier, as the engine stores it.
    let mut storing = shop.store.begin().await.unwrap();
    let booked = "UPDATE shipments SET phase = 'Booked', revision = 1 WHERE order_id = 'order-1'";
    sqlx::query(booked).execute(&mut *storing).await.unwrap();
    let labelled = "UPDATE bookings SET carrier_shipment_id = 'shp_1', tracking_number = 'SC1'";
    sqlx::query(labelled).execute(&mut *storing).await.unwrap();
    let store = shop.store.clone();
    let wishing = tokio::spawn(async move { handle(&store, &cancel(1, 2)).await });
    let own: String =
        sqlx::query_scalar("SELECT pg_current_xact_id()::xid::text").fetch_one(&mut *storing).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid::text = $1";
    while sqlx::query_scalar::<_, i64>(waiting).bind(&own).fetch_one(shop.store.pool()).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    storing.commit().await.unwrap();
    wishing.await.unwrap();
    shop.script.cancellations.lock().unwrap().push_back(Ok(Cancellation::Voided));
    assert_eq!(shop.work().await.unwrap(), Next::Done);
    assert_eq!(shop.script.asked(), ["cancel shp_1"]);
    assert_eq!(phase(&shop.store, "order-1").await.as_deref(), Some("Cancelled"));
}

#[tokio::test]
async fn a_wish_without_a_resource_is_answered_at_once_and_reported_to_nobody() {
    let shop = Shop::open().await;
    let mut direct = cancel(0, 0);
    direct.uid = None;
    let mut transaction = shop.store.begin().await.unwrap();
    let status = apply_in_tx(&mut transaction, &direct, at(0)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(status.phase, Some(ShipmentPhase::Cancelled));
    assert!(reports(&shop.store).await.is_empty());
    assert_eq!(events(&shop.store, "order-1").await, ["cancelled"]);
}

#[tokio::test]
async fn what_is_no_command_is_refused_with_its_reason() {
    let shop = Shop::open().await;
    let mut transaction = shop.store.begin().await.unwrap();
    let mut other = message(&deliver(1, 1));
    other.payload = bytes::Bytes::from_static(b"{\"orderId\": 7}");
    let error = Commands.handle(&other, &mut transaction).await.unwrap_err();
    assert!(matches!(error, HandleError::Malformed(_)), "{error}");
    let mut twisted = deliver(1, 1);
    twisted.order_id = "order-2".into();
    let error = Commands.handle(&message(&twisted), &mut transaction).await.unwrap_err();
    assert!(error.to_string().contains("they must be the same"), "{error}");
}

#[tokio::test]
async fn work_on_an_order_that_nobody_knows_is_done() {
    let shop = Shop::open().await;
    assert_eq!(shop.engine.perform("order-9", 0).await.unwrap(), Next::Done);
}
