//! The JSON Schemas of everything in the catalogue, as they are committed.

use schemars::{Schema, schema_for};

use crate::questions;
use crate::{Entity, EventType};

/// The schema of the data of every event, command and question: `(file name, schema)`, in a fixed order.
#[must_use]
pub fn schemas() -> Vec<(String, Schema)> {
    let events = EventType::ALL
        .iter()
        .map(|event_type| (format!("event.{}.v1.json", event_type.name()), data(*event_type)));
    let commands = [
        ("command.inventory.json", schema_for!(crate::Command<resources::StockReservationSpec>)),
        ("command.payment.json", schema_for!(crate::Command<resources::PaymentSpec>)),
        ("command.shipping.json", schema_for!(crate::Command<resources::ShipmentSpec>)),
    ];
    let questions = [
        ("question.catalog.quote.json", schema_for!(questions::Quote)),
        ("answer.catalog.quote.json", schema_for!(questions::QuoteAnswer)),
        ("question.accounts.check.json", schema_for!(questions::CheckCustomer)),
        ("answer.accounts.check.json", schema_for!(questions::CheckCustomerAnswer)),
        ("question.orders.recall.json", schema_for!(questions::RecallName)),
        ("answer.orders.recall.json", schema_for!(questions::RecallNameAnswer)),
        ("question.orders.archive.json", schema_for!(questions::Archive)),
        ("answer.orders.archive.json", schema_for!(questions::ArchiveAnswer)),
        ("question.orders.history.json", schema_for!(questions::ReadHistory)),
        ("answer.orders.history.json", schema_for!(questions::ReadHistoryAnswer)),
        ("question.inventory.stock.json", schema_for!(questions::ReadStock)),
        ("answer.inventory.stock.json", schema_for!(questions::ReadStockAnswer)),
        ("question.catalog.import.json", schema_for!(questions::ImportArticles)),
        ("question.inventory.count.json", schema_for!(questions::CountStock)),
        ("answer.import.json", schema_for!(questions::ImportAnswer)),
        ("question.operator.tell-again.json", schema_for!(questions::TellAgain)),
        ("answer.operator.tell-again.json", schema_for!(questions::TellAgainAnswer)),
    ];
    let rest = commands.into_iter().chain(questions).map(|(name, schema)| (name.to_owned(), schema));
    events.chain(rest).collect()
}

fn data(event_type: EventType) -> Schema {
    match (event_type, event_type.entity()) {
        (EventType::StockLevelChanged | EventType::StockBelowMinimum, _) => schema_for!(crate::StockLevel),
        (_, Entity::Order) => schema_for!(crate::OrderTransition),
        (_, Entity::Stock) => schema_for!(crate::StockChanged),
        (_, Entity::Payment) => schema_for!(crate::PaymentChanged),
        (_, Entity::Shipment) => schema_for!(crate::ShipmentChanged),
        (_, Entity::Price) => schema_for!(crate::PriceChanged),
        (_, Entity::User) => schema_for!(crate::UserChanged),
        (_, Entity::Cart) => schema_for!(crate::CartCheckedOut),
    }
}
