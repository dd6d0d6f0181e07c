//! Orders that are held at a stage, for others to disturb them there.

use anyhow::Context as _;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use resources::{OrderPhase, Payment, PaymentPhase, Shipment, ShipmentPhase};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use testkit::{Placed, TestShop, eventually, order};

/// Where an order is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Quoted, and suspended before stock is asked for.
    Placed,
    /// The goods are held, the provider does not answer.
    Reserved,
    /// The provider declined.
    Declined,
    /// The customer is asked by their bank.
    ActionRequired,
    /// Paid, and suspended before a label is asked for.
    Paid,
}

/// The bank of the customer asks whether it is them.
pub const ASKS_BACK: &str = "pm_card_authenticationRequired";
/// The bank refuses.
pub const DECLINES: &str = "pm_card_visa_chargeDeclinedInsufficientFunds";

/// Places an order of two pieces and brings it to that stage, where it rests.
pub async fn hold_at(shop: &TestShop, sku: &str, stage: Stage) -> anyhow::Result<Placed> {
    let wanted = order().item(sku, 2);
    match stage {
        Stage::Placed => {
            let placed = shop.place(wanted.suspended()).await?;
            shop.rests(&placed, OrderPhase::Placed, "Suspended").await?;
            Ok(placed)
        }
        Stage::Reserved => {
            let placed = shop.place(wanted.method("pm_sandbox_timeout_uncharged")).await?;
            shop.reaches(&placed, OrderPhase::Reserved).await?;
            eventually("the provider is asked", || async {
                anyhow::ensure!(!shop.stack.intents(&placed.id).await?.is_empty(), "there is no intent");
                Ok(())
            })
            .await?;
            Ok(placed)
        }
        Stage::Declined => {
            let placed = shop.place(wanted.method(DECLINES)).await?;
            shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
            Ok(placed)
        }
        Stage::ActionRequired => {
            let placed = shop.place(wanted.method(ASKS_BACK)).await?;
            shop.rests(&placed, OrderPhase::AwaitingPayment, "ActionRequired").await?;
            Ok(placed)
        }
        Stage::Paid => paid_and_suspended(shop, sku, ASKS_BACK).await,
    }
}

/// Brings an order to `Paid` without a label: it is suspended while the customer is asked by their bank, and answers count.
pub async fn paid_and_suspended(shop: &TestShop, sku: &str, method: &str) -> anyhow::Result<Placed> {
    let placed = shop.place(order().item(sku, 2).method(method)).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "ActionRequired").await?;
    shop.change(&placed, json!({"spec": {"suspend": true}})).await?;
    shop.stack.authenticate(&intent_of(shop, &placed).await?, "complete").await?;
    shop.reaches(&placed, OrderPhase::Paid).await?;
    Ok(placed)
}

/// The provider's id of the newest attempt.
pub async fn intent_of(shop: &TestShop, placed: &Placed) -> anyhow::Result<String> {
    let reference = |payment: &Payment| payment.status.as_ref().and_then(|status| status.reference.clone());
    let payment: Payment = shop.child(placed, "has a reference", |one| reference(one).is_some()).await?;
    reference(&payment).context("a reference")
}

/// Waits until the payment has that phase.
pub async fn payment_is(shop: &TestShop, placed: &Placed, wanted: PaymentPhase) -> anyhow::Result<Payment> {
    let holds = |payment: &Payment| payment.status.as_ref().and_then(|status| status.phase) == Some(wanted);
    shop.child(placed, &format!("is {}", wanted.as_str()), holds).await
}

/// Waits until there is a label.
pub async fn label_of(shop: &TestShop, placed: &Placed) -> anyhow::Result<Shipment> {
    let holds = |shipment: &Shipment| {
        let phase = shipment.status.as_ref().and_then(|status| status.phase);
        phase.is_some_and(|phase| phase == ShipmentPhase::Booked || phase.has_left())
    };
    shop.child(placed, "is booked", holds).await
}

/// Waits until a Kubernetes Event of that reason is told of an order.
pub async fn event_is_told(shop: &TestShop, placed: &Placed, reason: &str) -> anyhow::Result<()> {
    eventually("people are told by an Event", || async {
        let events = shop.api::<Event>().list(&ListParams::default()).await?;
        let about = |event: &&Event| {
            event.regarding.as_ref().is_some_and(|regarding| regarding.name.as_deref() == Some(&placed.name))
        };
        let told: Vec<_> =
            events.items.iter().filter(about).filter_map(|event| event.reason.clone()).collect();
        anyhow::ensure!(
            told.iter().any(|one| one == reason),
            "{told:?} are told of {}, not {reason}",
            placed.name
        );
        Ok(())
    })
    .await
}

/// A connection to inventory's own tables.
pub async fn inventory(shop: &TestShop) -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = shop.stack.addresses.database.parse()?;
    let options = options.options([("search_path", "inventory")]);
    PgConnection::connect_with(&options).await.context("failed to reach inventory's database")
}
