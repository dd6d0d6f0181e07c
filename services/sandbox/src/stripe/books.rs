//! The payment API's books in memory: what is there, found fast.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{Charge, Intent, Refund, Status};
use crate::journal::Span;

/// What memory holds of an event: its body stays on disk.
#[derive(Clone, Debug)]
pub(crate) struct EventEntry {
    pub id: String,
    pub event_type: String,
    pub created: i64,
    pub sequence: u64,
    pub span: Span,
}

/// See the module. Lists are oldest first.
#[derive(Debug, Default)]
pub(crate) struct Books {
    intents: Vec<Arc<Intent>>,
    by_id: HashMap<String, usize>,
    by_charge: HashMap<String, usize>,
    by_order: HashMap<String, Vec<usize>>,
    refunds: Vec<Arc<Refund>>,
    refund_by_id: HashMap<String, usize>,
    events: Vec<EventEntry>,
    event_by_id: HashMap<String, usize>,
    /// When an order with an unavailable method was first heard of, in milliseconds.
    first_heard: HashMap<String, i64>,
    sequence: u64,
}

impl Books {
    /// The next number in the order of things.
    pub fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Takes a new or changed intent.
    pub fn put_intent(&mut self, intent: Intent) {
        self.sequence = self.sequence.max(intent.sequence);
        let index = match self.by_id.get(&intent.id) {
            Some(index) => *index,
            None => {
                self.by_id.insert(intent.id.clone(), self.intents.len());
                self.intents.len()
            }
        };
        for charge in &intent.charges {
            if !self.by_charge.contains_key(&charge.id) {
                self.by_charge.insert(charge.id.clone(), index);
            }
        }
        if let Some(order) = intent.order_id() {
            let indices = self.by_order.entry(order.to_owned()).or_default();
            if !indices.contains(&index) {
                indices.push(index);
            }
        }
        match self.intents.get_mut(index) {
            Some(place) => *place = Arc::new(intent),
            None => self.intents.push(Arc::new(intent)),
        }
    }

    /// Takes a new or changed refund.
    pub fn put_refund(&mut self, refund: Refund) {
        self.sequence = self.sequence.max(refund.sequence);
        let index = *self.refund_by_id.entry(refund.id.clone()).or_insert(self.refunds.len());
        match self.refunds.get_mut(index) {
            Some(place) => *place = Arc::new(refund),
            None => self.refunds.push(Arc::new(refund)),
        }
    }

    /// Takes an event.
    pub fn put_event(&mut self, event: EventEntry) {
        self.sequence = self.sequence.max(event.sequence);
        self.event_by_id.insert(event.id.clone(), self.events.len());
        self.events.push(event);
    }

    /// Notes when an order was first heard of.
    pub fn put_first_heard(&mut self, order: String, at: i64) {
        self.first_heard.entry(order).or_insert(at);
    }

    /// When an order was first heard of.
    pub fn first_heard(&self, order: &str) -> Option<i64> {
        self.first_heard.get(order).copied()
    }

    /// An intent by its id.
    pub fn intent(&self, id: &str) -> Option<&Arc<Intent>> {
        self.by_id.get(id).and_then(|index| self.intents.get(*index))
    }

    /// The intent that a charge belongs to.
    pub fn intent_of_charge(&self, charge: &str) -> Option<&Arc<Intent>> {
        self.by_charge.get(charge).and_then(|index| self.intents.get(*index))
    }

    /// The intents of an order, oldest first.
    pub fn intents_of_order(&self, order: &str) -> Vec<&Arc<Intent>> {
        let indices = self.by_order.get(order).map_or(&[][..], Vec::as_slice);
        indices
            .iter()
            .filter_map(|index| self.intents.get(*index))
            .filter(|intent| intent.order_id() == Some(order))
            .collect()
    }

    /// All intents, oldest first.
    pub fn intents(&self) -> &[Arc<Intent>] {
        &self.intents
    }

    /// All refunds, oldest first.
    pub fn refunds(&self) -> &[Arc<Refund>] {
        &self.refunds
    }

    /// A refund by its id.
    pub fn refund(&self, id: &str) -> Option<&Arc<Refund>> {
        self.refund_by_id.get(id).and_then(|index| self.refunds.get(*index))
    }

    /// All events, oldest first.
    pub fn events(&self) -> &[EventEntry] {
        &self.events
    }

    /// An event by its id.
    pub fn event(&self, id: &str) -> Option<&EventEntry> {
        self.event_by_id.get(id).and_then(|index| self.events.get(*index))
    }

    /// The totals, per currency and status.
    pub fn totals(&self) -> Value {
        let mut statuses: BTreeMap<&str, u64> = BTreeMap::new();
        let mut currencies: BTreeMap<&str, Sums> = BTreeMap::new();
        let mut captured_orders: HashSet<&str> = HashSet::new();
        let mut twice: Vec<&str> = Vec::new();
        let mut charges = 0;
        for intent in &self.intents {
            *statuses.entry(intent.status.name()).or_default() += 1;
            currencies.entry(&intent.currency).or_default().add(intent);
            charges += intent.charges.len();
            if let (Status::Succeeded, Some(order)) = (intent.status, intent.order_id())
                && !captured_orders.insert(order)
            {
                twice.push(order);
            }
        }
        let currencies: BTreeMap<_, _> = currencies.iter().map(|(name, sums)| (name, sums.shape())).collect();
        json!({
            "intents": self.intents.len(),
            "byStatus": statuses,
            "currencies": currencies,
            "charges": charges,
            "refunds": self.refunds.len(),
            "ordersCapturedTwice": twice,
        })
    }

    /// One row an order id.
    pub fn orders(&self, only: Option<&str>) -> Value {
        let mut rows = Vec::new();
        let mut names: Vec<&str> = match only {
            Some(order) => vec![order],
            None => self.by_order.keys().map(String::as_str).collect(),
        };
        names.sort_unstable();
        for order in names {
            let intents = self.intents_of_order(order);
            let Some(first) = intents.first() else { continue };
            let mut sums = Sums::default();
            intents.iter().for_each(|intent| sums.add(intent));
            let mut row = sums.shape();
            row["orderId"] = json!(order);
            row["currency"] = json!(first.currency);
            row["intents"] = intents
                .iter()
                .map(|intent| {
                    json!({
                        "id": intent.id,
                        "status": intent.status.name(),
                        "attempt": intent.metadata.get("attempt"),
                    })
                })
                .collect();
            rows.push(row);
        }
        Value::Array(rows)
    }
}

/// Sums of money in minor units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    captured: i64,
    refunded: i64,
    authorized: i64,
}

impl Sums {
    fn add(&mut self, intent: &Intent) {
        self.captured += intent.amount_received;
        self.refunded += intent.charges.iter().map(|charge: &Charge| charge.amount_refunded).sum::<i64>();
        self.authorized += intent.amount_capturable;
    }

    fn shape(self) -> Value {
        json!({
            "captured": self.captured,
            "refunded": self.refunded,
            "net": self.captured - self.refunded,
            "authorized": self.authorized,
        })
    }
}
