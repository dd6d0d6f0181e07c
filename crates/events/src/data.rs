//! The data of events: JSON, names in camelCase, money as in the resources. Fields are only ever added.

use jiff::Timestamp;
use money::Money;
use resources::{HistoryEntry, Line, OrderPhase, OrderStatus, PaymentPhase, ShipmentPhase, Shortage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, EventError, EventType};

/// A transition of an order: self-contained, so that a consumer needs to ask nobody.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OrderTransition {
    /// The order id.
    pub order_id: String,
    /// The namespace of the resource.
    pub namespace: String,
    /// The name of the resource.
    pub name: String,
    /// The number of the transition, from 1, without gaps.
    pub sequence: i64,
    /// The phase that it led to; for `order.archived` the phase in which the order had ended.
    pub phase: OrderPhase,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was decided.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who ordered.
    pub customer: Contact,
    /// What the customer owes, once quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The quote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// The payment as it was known at the transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentDetails>,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where people follow the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_url: Option<String>,
    /// When the carrier expects to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub estimated_delivery: Option<Timestamp>,
}

impl OrderTransition {
    /// The event of the transition. Its id is the order id and the sequence: the same transition told twice has the same id.
    ///
    /// # Errors
    /// When the data cannot be written, which would be a defect of its type.
    pub fn event(&self) -> Result<Event, EventError> {
        let id = format!("{}/{}", self.order_id, self.sequence);
        Event::new(EventType::of_phase(self.phase), "operator", id, &self.order_id, self.at, self)
    }

    /// Another transition of the same order, as far as `status` still tells it in `entry` of its history.
    #[must_use]
    pub fn retold(&self, status: &OrderStatus, entry: &HistoryEntry) -> Self {
        Self {
            sequence: entry.sequence,
            phase: entry.phase,
            reason: entry.reason.clone(),
            message: (entry.sequence == status.sequence).then(|| status.message.clone()).flatten(),
            at: entry.at.0,
            total: status.total,
            lines: status.lines.clone(),
            ..self.clone()
        }
    }
}

/// Who ordered, and where messages go.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// The user id; absent for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The email address.
    pub email: String,
    /// The name on the shipping address, to greet them by.
    pub name: String,
}

/// The payment of an order, as far as messages to customers need it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentDetails {
    /// Its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PaymentPhase>,
    /// The attempt.
    pub attempt: u32,
    /// How much was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// How much of it was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
    /// Where the customer confirms, when they have to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
    /// Why the provider declined, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Until when the goods are held for the customer to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub pay_before: Option<Timestamp>,
}

/// An article and how many of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StockLine {
    /// The article.
    pub sku: String,
    /// How many pieces.
    pub quantity: i64,
}

/// What happened to the goods of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StockChanged {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The number of the report.
    pub revision: i64,
    /// The goods.
    pub lines: Vec<StockLine>,
    /// The lines that are short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
}

/// The level of an article.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StockLevel {
    /// The article.
    pub sku: String,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces of them set aside for orders.
    pub reserved: i64,
    /// Pieces that can be sold: on hand less reserved.
    pub available: i64,
    /// The number of the change, from 1 for each article.
    pub revision: i64,
}

/// What happened to the money of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentChanged {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The number of the report.
    pub revision: i64,
    /// The phase that it led to.
    pub phase: PaymentPhase,
    /// The attempt.
    pub attempt: u32,
    /// What is to be paid.
    pub amount: Money,
    /// How much was taken, over all attempts.
    pub captured: Money,
    /// How much of it was given back.
    pub refunded: Money,
    /// One word for machines, for example the provider's decline code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The provider's id of the charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What happened to the parcel of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentChanged {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The number of the report.
    pub revision: i64,
    /// The phase that it led to.
    pub phase: ShipmentPhase,
    /// The booking.
    pub attempt: u32,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where people follow the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_url: Option<String>,
    /// When the carrier expects to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub estimated_delivery: Option<Timestamp>,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An article costs another price.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PriceChanged {
    /// The article.
    pub sku: String,
    /// The new price of one piece.
    pub price: Money,
    /// The number of the change, from 1 for each article.
    pub revision: i64,
}

/// Something about a user.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UserChanged {
    /// The user's id.
    pub user_id: String,
    /// The number of the change, from 1 for each user.
    pub revision: i64,
}

/// A cart has become an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CartCheckedOut {
    /// The cart's id.
    pub cart_id: String,
    /// Whose it was.
    pub user_id: String,
    /// The order that it became.
    pub order_id: String,
}
