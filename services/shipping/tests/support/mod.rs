//! Builders for commands, parcels and what a carrier answers.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod database;

use std::time::Duration;

use events::Command;
use jiff::Timestamp;
use resources::{Address, Item, OrderReference, ShipmentDesired, ShipmentSpec, ShippingService};
use shipping::carrier::{Booked, Detail, Tracker};
use shipping::observe::{Advance, Asked, Observation, apply};
use shipping::parcel::{Parcel, Policy};
use shipping::receive::{Reception, receive};

pub const POLICY: Policy = Policy { poll: Duration::from_secs(30), settle: Duration::from_secs(20) };

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn command(
    order_id: &str,
    attempt: u32,
    desired: ShipmentDesired,
    generation: i64,
) -> Command<ShipmentSpec> {
    Command {
        order_id: order_id.to_owned(),
        namespace: "default".to_owned(),
        name: "web-1001".to_owned(),
        uid: Some("child-1".to_owned()),
        generation,
        sent_at: at(0),
        spec: ShipmentSpec {
            order_ref: OrderReference { name: "web-1001".to_owned(), id: order_id.to_owned() },
            items: vec![Item { sku: "MUG-01".to_owned(), quantity: 2 }],
            shipping_address: Address {
                name: "A. Shopper".to_owned(),
                line1: "1 High Street".to_owned(),
                line2: None,
                city: "Berlin".to_owned(),
                region: None,
                postal_code: Some("10115".to_owned()),
                country: "DE".to_owned(),
                phone: None,
            },
            service: ShippingService::Standard,
            attempt,
            desired,
        },
    }
}

pub fn deliver(attempt: u32, generation: i64) -> Command<ShipmentSpec> {
    command("order-1", attempt, ShipmentDesired::Delivered, generation)
}

pub fn cancel(attempt: u32, generation: i64) -> Command<ShipmentSpec> {
    command("order-1", attempt, ShipmentDesired::Cancelled, generation)
}

pub fn detail(status: &str, second: i64) -> Detail {
    let detail = if status == "error" { "lost" } else { status };
    Detail { status: status.to_owned(), detail: detail.to_owned(), message: None, at: at(second) }
}

/// A tracker that took these steps, one a second.
pub fn tracker(statuses: &[&str]) -> Tracker {
    Tracker {
        tracking_number: "SC1".to_owned(),
        tracking_url: Some("http://carrier/track/SC1".to_owned()),
        estimated_delivery: Some(at(5)),
        details: (0..).zip(statuses).map(|(second, status)| detail(status, second)).collect(),
    }
}

pub fn booked(statuses: &[&str]) -> Observation {
    Observation::Booked(Booked { shipment_id: "shp_1".to_owned(), tracker: tracker(statuses) })
}

pub fn received(known: Option<&Parcel>, command: &Command<ShipmentSpec>) -> Reception {
    receive(known.cloned(), command, at(0))
}

/// The parcel after commands, none of which the carrier was asked about.
pub fn after(commands: &[Command<ShipmentSpec>]) -> Parcel {
    let mut parcel = None;
    for command in commands {
        parcel = Some(receive(parcel, command, at(0)).parcel);
    }
    parcel.unwrap()
}

/// What follows when the carrier, asked at `second`, answers so.
pub fn observed(parcel: &Parcel, observation: &Observation, second: i64) -> Advance {
    apply(parcel, Asked { attempt: parcel.attempt, at: at(second) }, observation, &POLICY, at(second))
}

/// A command as it arrives.
pub fn message(command: &Command<ShipmentSpec>) -> chassis::Message {
    chassis::Message {
        subject: command.subject().to_owned(),
        headers: None,
        payload: serde_json::to_vec(command).unwrap().into(),
    }
}

/// Handles a command in a transaction of its own, as one that was not handled before.
pub async fn handle(store: &chassis::Store, command: &Command<ShipmentSpec>) {
    use chassis::Handler;
    let mut transaction = store.begin().await.unwrap();
    shipping::handlers::Commands.handle(&message(command), &mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
}
