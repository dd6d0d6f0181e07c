//! Orders as shoppers see them.

use events::OrderTransition;
use events::questions::{HistoryEvent, NewOrder};
use jiff::Timestamp;
use money::Money;
use resources::{Address, Line, Order, OrderPhase, OrderSpec, PaymentPhase, ShipmentPhase, ShippingService};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::for_shoppers;
use crate::place::requested;
use crate::views::View;

/// What an order may wait for, within a phase, that its customer is to know.
const RESTS: [&str; 3] = ["PaymentUnknown", "ShipmentProblem", "Suspended"];

/// An order was taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// The order id.
    pub id: String,
    /// The name of the resource.
    pub name: String,
    /// How far it has come; null before it is quoted.
    pub phase: Option<OrderPhase>,
}

/// An order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownOrder {
    /// The order id.
    pub id: String,
    /// The name of the resource.
    pub name: String,
    /// How far it has come; null before it is quoted.
    pub phase: Option<OrderPhase>,
    /// The number of its transitions so far.
    pub sequence: i64,
    /// One word why it is where it is.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// What is ordered, as asked for.
    pub items: Vec<resources::Item>,
    /// The quote: absent before it is quoted.
    pub lines: Vec<Line>,
    /// What is owed; null before it is quoted.
    pub total: Option<Money>,
    /// Where the goods go; in a list null for a moment for an order that was not placed here.
    pub shipping_address: Option<Address>,
    /// How fast they travel; in a list null for a moment for an order that was not placed here.
    pub shipping_service: Option<ShippingService>,
    /// The payment; null before one is asked for.
    pub payment: Option<ShownPayment>,
    /// The parcel; null before one is booked.
    pub shipment: Option<ShownShipment>,
    /// When it was placed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub placed_at: Timestamp,
    /// When it last moved.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: Timestamp,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub finished_at: Option<Timestamp>,
}

/// The payment of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownPayment {
    /// How far it has come.
    pub phase: Option<PaymentPhase>,
    /// How much was taken.
    pub captured: Option<Money>,
    /// How much of it was given back.
    pub refunded: Option<Money>,
    /// Where the customer confirms at their bank, when they have to.
    pub action_url: Option<String>,
    /// Why it was declined, in words.
    pub message: Option<String>,
    /// Until when the goods are held.
    #[schemars(with = "Option<String>")]
    pub pay_before: Option<Timestamp>,
}

/// The parcel of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownShipment {
    /// How far it has come.
    pub phase: ShipmentPhase,
    /// The carrier's tracking number.
    pub tracking_number: Option<String>,
    /// Where to follow it.
    pub tracking_url: Option<String>,
    /// When the carrier expects to deliver.
    #[schemars(with = "Option<String>")]
    pub estimated_delivery: Option<Timestamp>,
}

/// One event in the history of an order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShownEvent {
    /// Its id.
    pub id: String,
    /// When it happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Its name: `order.placed`, `payment.captured`.
    #[serde(rename = "type")]
    pub event: String,
    /// The number of the transition, for events of the order itself.
    pub sequence: Option<i64>,
    /// The phase that it led to.
    pub phase: Option<String>,
    /// One word why.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
}

/// A transition, as the live stream tells it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LiveTransition {
    /// The order id.
    pub id: String,
    /// The number of the transition; the event's id in the stream.
    pub sequence: i64,
    /// The phase that it led to.
    pub phase: OrderPhase,
    /// One word why.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// When it was decided.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
}

impl ShownOrder {
    /// What a shopper sees of `view`.
    #[must_use]
    pub fn of(view: View) -> Self {
        let View { order, user: _, placed_at, transition, payment, shipment, request } = view;
        let request: Option<NewOrder> = requested(request.as_ref());
        let known = transition.as_ref().and_then(|transition| transition.payment.clone());
        let shown_payment = match (&payment, known) {
            (None, None) => None,
            (told, known) => Some(ShownPayment {
                phase: told.as_ref().map(|told| told.phase).or(known.as_ref().and_then(|known| known.phase)),
                captured: told.as_ref().map(|told| told.captured),
                refunded: told.as_ref().map(|told| told.refunded),
                action_url: known.as_ref().and_then(|known| known.action_url.clone()),
                message: told.as_ref().and_then(|told| told.message.clone()),
                pay_before: known.and_then(|known| known.pay_before),
            }),
        };
        let shipment = shipment.map(|told| ShownShipment {
            phase: told.phase,
            tracking_number: told.tracking_number,
            tracking_url: told.tracking_url,
            estimated_delivery: told.estimated_delivery,
        });
        let phase = transition.as_ref().map(|transition| transition.phase);
        let updated_at = transition.as_ref().map_or(placed_at, |transition| transition.at);
        let lines = transition.as_ref().map(|transition| transition.lines.clone()).unwrap_or_default();
        let items = match &request {
            Some(request) if lines.is_empty() => request.items.clone(),
            Some(_) | None => lines
                .iter()
                .map(|line| resources::Item { sku: line.sku.clone(), quantity: line.quantity })
                .collect(),
        };
        let (shipping_address, shipping_service) =
            request.map(|request| (request.shipping_address, request.shipping_service)).unzip();
        Self {
            id: order.order_id,
            name: order.name,
            phase,
            sequence: transition.as_ref().map_or(0, |transition| transition.sequence),
            reason: transition.as_ref().and_then(|transition| transition.reason.clone()),
            message: transition.as_ref().and_then(|it| it.message.as_deref()).map(for_shoppers),
            items,
            lines,
            total: transition.as_ref().and_then(|transition| transition.total),
            shipping_address,
            shipping_service,
            payment: shown_payment,
            shipment,
            placed_at,
            updated_at,
            finished_at: phase.filter(|phase| phase.is_finished()).map(|_| updated_at),
        }
    }
}

impl ShownOrder {
    /// As the resource is. Some of it changes without a transition, which the history would tell: what is ordered and where it goes
    /// by an edit, the quote of an order that rests, and why it rests.
    #[must_use]
    pub fn with_resource(mut self, order: Order) -> Self {
        self.items.clear();
        self = self.with_spec(order.spec);
        let Some(status) = order.status.filter(|status| status.sequence >= self.sequence) else {
            return self;
        };
        if !status.lines.is_empty() {
            self.lines = status.lines;
            self.total = status.total;
        }
        if status.reason.as_deref().is_some_and(|reason| RESTS.contains(&reason)) {
            self.message = status.message.as_deref().map(for_shoppers);
            self.reason = status.reason;
        }
        self
    }

    /// With what the resource wants, or wanted last: an edit may have changed what was asked for here.
    #[must_use]
    pub fn with_spec(mut self, spec: OrderSpec) -> Self {
        self.shipping_address = Some(spec.shipping_address);
        self.shipping_service = Some(spec.shipping_service);
        if self.items.is_empty() {
            self.items = spec.items;
        }
        self
    }
}

impl From<HistoryEvent> for ShownEvent {
    fn from(event: HistoryEvent) -> Self {
        let HistoryEvent { at, event, id, sequence, phase, reason, data } = event;
        let message = data.get("message").and_then(|message| message.as_str()).map(for_shoppers);
        Self { id, at, event, sequence, phase, reason, message }
    }
}

impl From<OrderTransition> for LiveTransition {
    fn from(transition: OrderTransition) -> Self {
        let OrderTransition { order_id, sequence, phase, reason, message, at, .. } = transition;
        let message = message.as_deref().map(for_shoppers);
        Self { id: order_id, sequence, phase, reason, message, at }
    }
}
