//! The parcel of an order: what is wished for, what is known of it, and what follows from both. Pure; time is passed in.

use std::time::Duration;

use events::Command;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::{ShipmentDesired, ShipmentPhase, ShipmentSpec, ShipmentStatus};

use crate::carrier::{BookingRequest, Detail};
use crate::phases::{is_problem, may_follow};

/// How patient the engine is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How often a parcel under way is asked for when no webhook comes.
    pub poll: Duration,
    /// How long after it began a booking call whose answer was lost may still have an effect.
    pub settle: Duration,
}

impl Policy {
    /// A call is given up after 10 seconds; twice that is waited before "there is no such booking" is believed.
    pub const SETTLE: Duration = Duration::from_secs(20);
}

/// The parcel of an order, as shipping remembers it for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The order id.
    pub order_id: String,
    /// The namespace of the resource.
    pub namespace: String,
    /// The name of the resource.
    pub name: String,
    /// The UID of the resource that is reported to; none when there never was one.
    pub uid: Option<String>,
    /// The newest generation of its spec that was received: older commands are ignored.
    pub generation: i64,
    /// The newest generation that is answered.
    pub observed_generation: Option<i64>,
    /// The newest spec that may be booked.
    pub spec: ShipmentSpec,
    /// The newest attempt that is wished for.
    pub wished_attempt: u32,
    /// The tombstone: nothing up to this attempt may be booked any more.
    pub cancelled_attempt: Option<u32>,
    /// The attempt that the rest is of.
    pub attempt: u32,
    /// What has come true; none while the attempt is not answered.
    pub phase: Option<ShipmentPhase>,
    /// The number of the newest state.
    pub revision: i64,
    /// True when a wish to cancel came too late.
    pub cancel_refused: bool,
    /// One word for machines.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// When the carrier is to be asked next.
    pub track_at: Option<Timestamp>,
    /// What is known of the attempt's label.
    pub booking: Booking,
    /// The steps that the carrier told of the attempt.
    pub details: Vec<Detail>,
}

/// What is known of the label of an attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Booking {
    /// True when the carrier may know the booking: it was asked, and has not said for certain that it does not.
    pub asked: bool,
    /// When the booking call began whose end is not known.
    pub open_since: Option<Timestamp>,
    /// Until when a lost booking call may have an effect.
    pub lost_until: Option<Timestamp>,
    /// The label.
    pub label: Option<Label>,
    /// True when the label is void.
    pub voided: bool,
}

/// A label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The carrier's id of the booking.
    pub shipment_id: String,
    /// The number that people know the parcel by.
    pub tracking_number: String,
    /// Where people follow it.
    pub tracking_url: Option<String>,
    /// When it should arrive.
    pub estimated_delivery: Option<Timestamp>,
}

/// A state that the parcel came to: one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number.
    pub revision: i64,
    /// The phase.
    pub phase: ShipmentPhase,
    /// The attempt.
    pub attempt: u32,
    /// Its label.
    pub label: Option<Label>,
    /// When it happened.
    pub at: Timestamp,
    /// One word for machines.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the carrier for a label.
    Book,
    /// Ask the carrier whether a lost booking exists.
    LookUp,
    /// Have the label made void.
    Cancel,
    /// Ask the carrier where the parcel is.
    Track,
    /// Nothing to do until then.
    WaitUntil(Timestamp),
    /// Nothing more to do.
    Nothing,
}

/// What follows from what is known.
#[must_use]
pub fn next_step(parcel: &Parcel, now: Timestamp) -> Step {
    let due = |step: Step| match parcel.track_at {
        Some(at) if at > now => Step::WaitUntil(at),
        Some(_) | None => step,
    };
    match parcel.phase {
        None | Some(ShipmentPhase::Pending) if !parcel.is_cancel_wanted() => Step::Book,
        None | Some(ShipmentPhase::Pending) => due(Step::LookUp),
        Some(ShipmentPhase::Booked) if parcel.is_cancel_wanted() && !parcel.cancel_refused => Step::Cancel,
        Some(
            ShipmentPhase::Booked
            | ShipmentPhase::InTransit
            | ShipmentPhase::OutForDelivery
            | ShipmentPhase::Exception,
        ) => due(Step::Track),
        // A label that a lost call brought about after all.
        Some(ShipmentPhase::Cancelled) if parcel.booking.has_live_label() && !parcel.cancel_refused => {
            Step::Cancel
        }
        Some(
            ShipmentPhase::Cancelled
            | ShipmentPhase::Rejected
            | ShipmentPhase::Delivered
            | ShipmentPhase::Lost
            | ShipmentPhase::Returned,
        ) => Step::Nothing,
    }
}

impl Booking {
    /// True when there is a label that the carrier would carry.
    #[must_use]
    pub const fn has_live_label(&self) -> bool {
        self.label.is_some() && !self.voided
    }

    /// Until when a booking may still come about by a call that was made; none when no call is open or lost.
    #[must_use]
    pub fn unsure_until(&self, settle: Duration) -> Option<Timestamp> {
        self.open_since.map(|since| later(since, settle)).max(self.lost_until)
    }
}

impl Parcel {
    /// A parcel of which nothing is known.
    #[must_use]
    pub fn unknown(command: &Command<ShipmentSpec>) -> Self {
        Self {
            order_id: command.order_id.clone(),
            namespace: command.namespace.clone(),
            name: command.name.clone(),
            uid: command.uid.clone(),
            generation: command.generation,
            observed_generation: None,
            spec: command.spec.clone(),
            wished_attempt: command.spec.attempt,
            cancelled_attempt: None,
            attempt: command.spec.attempt,
            phase: None,
            revision: 0,
            cancel_refused: false,
            reason: None,
            message: None,
            track_at: None,
            booking: Booking::default(),
            details: Vec::new(),
        }
    }

    /// A time further ahead than any is set was computed by a clock that was wrong: the carrier is asked now instead.
    pub fn forget_a_time_out_of_reach(&mut self, now: Timestamp, policy: &Policy) {
        self.track_at = self.track_at.filter(|at| *at <= later(now, policy.poll));
    }

    /// The carrier's reference and idempotency key of the present attempt.
    #[must_use]
    pub fn reference(&self) -> String {
        reference(&self.order_id, self.attempt)
    }

    /// What the carrier is asked to book.
    #[must_use]
    pub fn booking_request(&self) -> BookingRequest {
        BookingRequest {
            reference: self.reference(),
            address: self.spec.shipping_address.clone(),
            service: self.spec.service,
            items: self.spec.items.clone(),
        }
    }

    /// Notes that a booking call begins; to be committed before it does.
    pub fn begin_booking(&mut self, now: Timestamp, policy: &Policy) {
        // A call that was open until now was lost in a crash.
        self.booking.lost_until = self.booking.unsure_until(policy.settle);
        self.booking.asked = true;
        self.booking.open_since = Some(now);
    }

    /// What is wished of the newest attempt.
    #[must_use]
    pub fn desired(&self) -> ShipmentDesired {
        if self.is_undone(self.wished_attempt) {
            ShipmentDesired::Cancelled
        } else {
            ShipmentDesired::Delivered
        }
    }

    /// True when the label of the present attempt is not wanted: it is cancelled, or another attempt is to follow it.
    #[must_use]
    pub fn is_cancel_wanted(&self) -> bool {
        self.is_undone(self.attempt) || self.wished_attempt > self.attempt
    }

    pub(crate) fn is_undone(&self, attempt: u32) -> bool {
        self.cancelled_attempt.is_some_and(|cancelled| attempt <= cancelled)
    }

    /// True when the newest wish is answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let undone =
            !self.is_cancel_wanted() || self.cancel_refused || self.phase == Some(ShipmentPhase::Cancelled);
        self.phase.is_some() && self.wished_attempt <= self.attempt && undone
    }

    /// The status as in the resource.
    #[must_use]
    pub fn status(&self) -> ShipmentStatus {
        let label = self.booking.label.as_ref();
        ShipmentStatus {
            phase: Some(self.phase.unwrap_or(ShipmentPhase::Pending)),
            revision: self.revision,
            observed_generation: self.observed_generation,
            attempt: self.attempt,
            tracking_number: label.map(|label| label.tracking_number.clone()),
            tracking_url: label.and_then(|label| label.tracking_url.clone()),
            reference: label.map(|label| label.shipment_id.clone()),
            estimated_delivery: label.and_then(|label| label.estimated_delivery).map(Time),
            cancel_refused: self.cancel_refused,
            reason: self.reason.clone(),
            message: self.message.clone(),
        }
    }

    /// True when there is something to report: the outcome, or why there is none yet.
    #[must_use]
    pub const fn has_something_to_say(&self) -> bool {
        self.phase.is_some() || self.reason.is_some()
    }

    /// Comes to `phase` if it may follow; true when it does.
    pub(crate) fn enter(
        &mut self,
        phase: ShipmentPhase,
        at: Timestamp,
        because: (Option<String>, Option<String>),
        changes: &mut Vec<Change>,
    ) -> bool {
        if !may_follow(self.phase, phase) {
            return false;
        }
        self.phase = Some(phase);
        (self.reason, self.message) = because;
        self.revision += 1;
        changes.push(Change {
            revision: self.revision,
            phase,
            attempt: self.attempt,
            label: self.booking.label.clone(),
            at,
            reason: self.reason.clone(),
            message: self.message.clone(),
        });
        true
    }

    /// Does what follows without asking anybody: a label that was never asked for is cancelled for certain, goods that
    /// have left cannot be held back, a new attempt follows one that is at rest.
    pub(crate) fn settle(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        if !self.is_cancel_wanted() {
            return;
        }
        let replaceable = match self.phase {
            None | Some(ShipmentPhase::Pending) => !self.booking.asked,
            Some(ShipmentPhase::Rejected) => true,
            Some(ShipmentPhase::Cancelled) => !self.booking.has_live_label() || self.cancel_refused,
            Some(ShipmentPhase::Lost | ShipmentPhase::Returned) => {
                self.wished_attempt > self.attempt && !self.is_undone(self.wished_attempt)
            }
            Some(
                ShipmentPhase::Booked
                | ShipmentPhase::InTransit
                | ShipmentPhase::OutForDelivery
                | ShipmentPhase::Exception
                | ShipmentPhase::Delivered,
            ) => false,
        };
        if replaceable && self.wished_attempt > self.attempt {
            self.begin_attempt();
        }
        if self.phase.is_some_and(ShipmentPhase::has_left) {
            // Whatever was to follow this attempt does not: its goods are on their way.
            self.wished_attempt = self.attempt;
            let is_new = !std::mem::replace(&mut self.cancel_refused, true);
            if is_new && !self.phase.is_some_and(is_problem) {
                self.reason = Some("CancelRefused".to_owned());
                self.message =
                    Some("The carrier has the goods: they cannot be held back any more.".to_owned());
            }
        } else if replaceable && self.is_undone(self.attempt) {
            let message = "Nothing was booked, and nothing will be.".to_owned();
            self.enter(ShipmentPhase::Cancelled, now, (None, Some(message)), changes);
        }
    }

    fn begin_attempt(&mut self) {
        self.attempt = self.wished_attempt;
        self.phase = None;
        self.cancel_refused = false;
        self.reason = None;
        self.message = None;
        self.track_at = None;
        self.booking = Booking::default();
        self.details = Vec::new();
    }

    /// Closes a transition: the wish counts as observed once it is answered, and a status that differs from `before` has
    /// a number of its own. True when there is something new to report.
    pub(crate) fn close(&mut self, before: Option<&ShipmentStatus>) -> bool {
        if self.is_answered() {
            self.observed_generation = self.uid.is_some().then_some(self.generation);
        }
        let after = self.status();
        let changed = self.has_something_to_say() && before != Some(&after);
        if changed && before.is_some_and(|before| before.revision == self.revision) {
            self.revision += 1;
        }
        changed
    }
}

/// The carrier's reference of an attempt, and its idempotency key: the order id, and from the second attempt on its number.
pub(crate) fn reference(order_id: &str, attempt: u32) -> String {
    if attempt <= 1 { order_id.to_owned() } else { format!("{order_id}/{attempt}") }
}

/// `duration` after `time`.
pub(crate) fn later(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// As a database keeps it, so that a time is the same after it was stored.
pub(crate) fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
