//! What shipping needs of a carrier, whichever it is.

use async_trait::async_trait;
use chassis::{LostAnswer, Point};
use jiff::Timestamp;
use resources::{Address, Item, ShippingService};

/// A carrier.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Books a label under the request's reference; asking again with the same reference gives the first booking.
    ///
    /// # Errors
    /// When the carrier refuses for good, or its answer is not known.
    async fn book(&self, request: &BookingRequest) -> Result<Booked, CarrierError>;

    /// The booking with `reference`: the live one if there is one.
    ///
    /// # Errors
    /// When the answer is not known.
    async fn find(&self, reference: &str) -> Result<Option<Booked>, CarrierError>;

    /// Makes a label void.
    ///
    /// # Errors
    /// When the answer is not known.
    async fn cancel(&self, shipment_id: &str) -> Result<Cancellation, CarrierError>;

    /// Where the parcel is.
    ///
    /// # Errors
    /// When the answer is not known.
    async fn track(&self, tracking_number: &str) -> Result<Tracker, CarrierError>;
}

/// What is to be booked.
#[derive(Clone, Debug, PartialEq)]
pub struct BookingRequest {
    /// `{order id}/{attempt}`, also the idempotency key.
    pub reference: String,
    /// Where the parcel goes.
    pub address: Address,
    /// How fast.
    pub service: ShippingService,
    /// What is in it.
    pub items: Vec<Item>,
}

/// A label, and where its parcel is.
#[derive(Clone, Debug, PartialEq)]
pub struct Booked {
    /// The carrier's id of the booking.
    pub shipment_id: String,
    /// The parcel.
    pub tracker: Tracker,
}

/// Where a parcel is, and the steps that it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracker {
    /// The number that people know it by.
    pub tracking_number: String,
    /// Where people follow it.
    pub tracking_url: Option<String>,
    /// When it should arrive.
    pub estimated_delivery: Option<Timestamp>,
    /// The steps, in their order.
    pub details: Vec<Detail>,
}

/// One step of a parcel, in the carrier's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The status.
    pub status: String,
    /// The status more exactly.
    pub detail: String,
    /// A sentence for people.
    pub message: Option<String>,
    /// When it was taken, to the microsecond.
    pub at: Timestamp,
}

impl Detail {
    /// True when `other` is the same step, however it is worded.
    #[must_use]
    pub fn is_same_step(&self, other: &Self) -> bool {
        self.status == other.status && self.detail == other.detail && self.at == other.at
    }
}

/// The answer to a cancellation.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancellation {
    /// The label is void.
    Voided,
    /// The carrier has the goods.
    Refused {
        /// The carrier's words.
        message: String,
    },
}

impl LostAnswer for CarrierError {
    fn lost(point: Point) -> Self {
        Self::Lost { call: "a call", source: anyhow::Error::lost(point) }
    }
}

/// Why a carrier did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// It never will; it did nothing.
    #[error("the carrier refuses: {message}")]
    Refused {
        /// One word for machines.
        reason: &'static str,
        /// The carrier's words.
        message: String,
    },
    /// It answered that it cannot now. It may have done it all the same, but it is doing nothing any more.
    #[error("the carrier answered {status} to {call}: {message}")]
    Failed {
        /// What it was asked.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// The carrier's words.
        message: String,
    },
    /// No answer of its own: it may have done it, or may do it still.
    #[error("the carrier's answer to {call} is not known")]
    Lost {
        /// What it was asked.
        call: &'static str,
        /// What went wrong.
        #[source]
        source: anyhow::Error,
    },
}
