//! What the carrier keeps: shipments, and the events about their trackers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tracking::{Step, TrackerStatus, script, way};

/// Where a parcel goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub name: Option<String>,
    pub company: Option<String>,
    pub street1: String,
    pub street2: Option<String>,
    pub city: String,
    pub state: Option<String>,
    pub zip: Option<String>,
    pub country: String,
    pub phone: Option<String>,
    pub email: Option<String>,
}

/// A shipment. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shipment {
    pub id: String,
    /// Orders the list.
    pub sequence: u64,
    pub reference: Option<String>,
    pub service: String,
    pub to_address: Address,
    pub items: Value,
    pub parcel: Value,
    pub created_at: i64,
    pub booking: Option<Booking>,
    pub cancelled_at: Option<i64>,
    /// How many steps after the first have been told by webhook.
    pub announced: usize,
}

/// A label that was bought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub tracking_code: String,
    pub tracker_id: String,
    pub booked_at: i64,
    /// How long this parcel travels, as it was set when it was booked.
    pub delivery_millis: i64,
}

impl Shipment {
    /// The whole way of the parcel; none without a label.
    pub fn way(&self) -> Vec<Step> {
        match &self.booking {
            Some(booking) => way(
                script(&self.to_address.street1),
                booking.booked_at,
                booking.delivery_millis,
                self.cancelled_at,
            ),
            None => Vec::new(),
        }
    }

    /// The steps taken until now.
    pub fn history(&self, now: i64) -> Vec<Step> {
        self.way().into_iter().filter(|step| step.at <= now).collect()
    }

    /// Where the parcel is now; none without a label.
    pub fn status(&self, now: i64) -> Option<TrackerStatus> {
        self.history(now).last().map(|step| step.status)
    }

    /// Its name in lists and totals.
    pub fn status_name(&self, now: i64) -> &'static str {
        match (self.status(now), self.cancelled_at) {
            (Some(status), _) => status.name(),
            (None, Some(_)) => TrackerStatus::Cancelled.name(),
            (None, None) => "unknown",
        }
    }
}

/// An event as it is journaled until it is delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredEvent {
    /// The queue: events of one tracker arrive in order.
    pub tracker: String,
    /// The place in that order.
    pub number: usize,
    pub body: String,
}

/// The carrier's books in memory, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Books {
    shipments: Vec<Shipment>,
    by_id: HashMap<String, usize>,
    /// By tracker id and by tracking code.
    by_tracker: HashMap<String, usize>,
    by_reference: HashMap<String, Vec<usize>>,
    sequence: u64,
}

impl Books {
    /// The next number in the order of things.
    pub fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Takes a new or changed shipment.
    pub fn put(&mut self, shipment: Shipment) {
        self.sequence = self.sequence.max(shipment.sequence);
        let index = self.by_id.get(&shipment.id).copied().unwrap_or(self.shipments.len());
        if let Some(booking) = &shipment.booking {
            self.by_tracker.insert(booking.tracker_id.clone(), index);
            self.by_tracker.insert(booking.tracking_code.clone(), index);
        }
        match self.shipments.get_mut(index) {
            Some(place) => *place = shipment,
            None => {
                self.by_id.insert(shipment.id.clone(), index);
                if let Some(reference) = &shipment.reference {
                    self.by_reference.entry(reference.clone()).or_default().push(index);
                }
                self.shipments.push(shipment);
            }
        }
    }

    /// By id, or the newest by reference.
    pub fn find(&self, id_or_reference: &str) -> Option<&Shipment> {
        let index = self.by_id.get(id_or_reference);
        let index = index.or_else(|| self.by_reference.get(id_or_reference)?.last());
        index.and_then(|index| self.shipments.get(*index))
    }

    /// By tracker id or tracking code.
    pub fn find_tracker(&self, id_or_code: &str) -> Option<&Shipment> {
        self.by_tracker.get(id_or_code).and_then(|index| self.shipments.get(*index))
    }

    /// The shipments of a reference, oldest first.
    pub fn of_reference(&self, reference: &str) -> impl DoubleEndedIterator<Item = &Shipment> {
        let indices = self.by_reference.get(reference).map_or(&[][..], Vec::as_slice);
        indices.iter().filter_map(|index| self.shipments.get(*index))
    }

    /// All shipments, oldest first.
    pub fn shipments(&self) -> &[Shipment] {
        &self.shipments
    }

    /// References with a shipment.
    pub fn references(&self) -> impl Iterator<Item = &String> {
        self.by_reference.keys()
    }
}
