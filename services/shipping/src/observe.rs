//! What the carrier answered, met with what is known. Pure.
//!
//! # Guarantees
//! - Phases never go back (see [`crate::phases::may_follow`]), in whatever order and however often answers come.
//! - `Cancelled` is only come to when the label is void, or for certain there is none.

use jiff::Timestamp;
use resources::ShipmentPhase;

use crate::carrier::{Booked, Detail, Tracker};
use crate::parcel::{Booking, Change, Label, Parcel, Policy, later};
use crate::phases::{is_end, is_problem, phase_of};

/// What was found out by a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// There is a label.
    Booked(Booked),
    /// The carrier refuses the booking for good.
    BookingRefused {
        /// One word for machines.
        reason: String,
        /// The carrier's words.
        message: String,
    },
    /// The booking call gave no label.
    BookingFailed {
        /// True when the carrier is doing nothing about it any more.
        ended: bool,
    },
    /// The carrier does not know the reference.
    NotFound,
    /// This is where the parcel is.
    Tracked(Tracker),
    /// The label is void.
    Voided,
    /// The label cannot be made void: the carrier has the goods.
    CancelRefused {
        /// The carrier's words.
        message: String,
        /// Where the parcel is, if that could be asked.
        tracker: Option<Tracker>,
    },
    /// The carrier cannot be asked, and has not been for some tries.
    Away {
        /// Why.
        message: String,
    },
}

/// When a step was taken, and for which attempt.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The attempt.
    pub attempt: u32,
    /// When the carrier was asked.
    pub at: Timestamp,
}

/// What follows from an observation.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The parcel afterwards.
    pub parcel: Parcel,
    /// The states that it came to.
    pub changes: Vec<Change>,
    /// The steps of the attempt that was asked for which were not known before.
    pub details: Vec<Detail>,
    /// What is known of the label of the attempt that was asked for, when another attempt has begun.
    pub ended: Option<Booking>,
    /// True when there is something new to report.
    pub report: bool,
}

/// Takes in what was observed. An observation of another attempt than the present one changes nothing.
#[must_use]
pub fn apply(
    known: &Parcel,
    asked: Asked,
    observation: &Observation,
    policy: &Policy,
    now: Timestamp,
) -> Advance {
    let mut parcel = known.clone();
    let mut changes = Vec::new();
    if asked.attempt != parcel.attempt {
        return Advance { parcel, changes, details: Vec::new(), ended: None, report: false };
    }
    let before = parcel.status();
    let known_details = parcel.details.len();
    let mut next_track = Some(later(now, policy.poll));
    match observation {
        Observation::Booked(booked) => {
            end_call(&mut parcel, asked, true, policy);
            // A webhook that came first may know more: the answer of a repeated call is as old as the first.
            next_track = parcel.track_at.or(next_track);
            let at = booked.tracker.details.iter().map(|detail| detail.at).min().unwrap_or(now);
            let label = Label { shipment_id: booked.shipment_id.clone(), ..label(&booked.tracker) };
            let other =
                parcel.booking.label.as_ref().is_some_and(|known| known.shipment_id != label.shipment_id);
            parcel.booking.voided &= !other;
            parcel.booking.label = Some(label);
            parcel.enter(ShipmentPhase::Booked, at, (None, None), &mut changes);
            follow(&mut parcel, &booked.tracker, &mut changes);
        }
        Observation::BookingRefused { reason, message } => {
            end_call(&mut parcel, asked, true, policy);
            parcel.booking.asked = false;
            let because = (Some(clip(reason, 64)), Some(clip(message, 1024)));
            parcel.enter(ShipmentPhase::Rejected, now, because, &mut changes);
        }
        Observation::BookingFailed { ended } => {
            end_call(&mut parcel, asked, *ended, policy);
            next_track = None;
        }
        Observation::NotFound => match parcel.booking.unsure_until(policy.settle) {
            // It may still come about: looked for again soon.
            Some(until) if asked.at < until => {
                next_track = Some(until.min(later(now, policy.poll.min(LOOK_AGAIN))));
            }
            Some(_) | None => parcel.booking.asked = parcel.booking.label.is_some(),
        },
        Observation::Tracked(tracker) => follow(&mut parcel, tracker, &mut changes),
        Observation::Voided => void(&mut parcel, now, &mut changes),
        Observation::CancelRefused { message, tracker } => {
            if let Some(tracker) = tracker {
                follow(&mut parcel, tracker, &mut changes);
            }
            let because = (None, Some(clip(message, 1024)));
            parcel.enter_if_booked(now, because, &mut changes);
            parcel.cancel_refused |=
                parcel.phase == Some(ShipmentPhase::Cancelled) && parcel.booking.has_live_label();
        }
        Observation::Away { message } => {
            parcel.reason = Some("CarrierUnavailable".to_owned());
            parcel.message = Some(clip(message, 1024));
            next_track = None;
        }
    }
    // A hint that came while the carrier was being asked stays due.
    parcel.track_at = parcel.track_at.filter(|hint| *hint > asked.at).or(next_track);
    let details = parcel.details.split_off(known_details);
    parcel.details.extend_from_slice(&details);
    let booking = parcel.booking.clone();
    parcel.settle(now, &mut changes);
    let ended = (parcel.attempt != asked.attempt).then_some(booking);
    let report = parcel.close(Some(&before));
    Advance { parcel, changes, details, ended, report }
}

/// How soon a booking that may still come about is looked for again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The booking call that began at `asked.at` is over; `ended` when it can have no effect any more.
fn end_call(parcel: &mut Parcel, asked: Asked, ended: bool, policy: &Policy) {
    let booking = &mut parcel.booking;
    if booking.open_since == Some(asked.at) {
        booking.open_since = None;
    }
    if !ended {
        booking.lost_until = booking.lost_until.max(Some(later(asked.at, policy.settle)));
    }
}

fn void(parcel: &mut Parcel, now: Timestamp, changes: &mut Vec<Change>) {
    parcel.booking.voided = true;
    parcel.cancelled_attempt = parcel.cancelled_attempt.max(Some(parcel.attempt));
    parcel.enter(ShipmentPhase::Cancelled, now, (None, Some("The label is void.".to_owned())), changes);
}

fn label(tracker: &Tracker) -> Label {
    Label {
        shipment_id: String::new(),
        tracking_number: tracker.tracking_number.clone(),
        tracking_url: tracker.tracking_url.clone(),
        estimated_delivery: tracker.estimated_delivery,
    }
}

/// Goes along the steps that are not known yet, through every phase on the way.
fn follow(parcel: &mut Parcel, tracker: &Tracker, changes: &mut Vec<Change>) {
    if let Some(known) = &mut parcel.booking.label {
        let shipment_id = std::mem::take(&mut known.shipment_id);
        *known = Label { shipment_id, ..label(tracker) };
    }
    let newest_known = parcel.details.iter().map(|detail| detail.at).max();
    let mut steps: Vec<&Detail> = tracker.details.iter().collect();
    steps.sort_by_key(|detail| detail.at);
    for step in steps {
        if parcel.details.iter().any(|known| known.is_same_step(step)) {
            continue;
        }
        parcel.details.push(step.clone());
        // A step told late says nothing of where the parcel is, unless its way ended there.
        let is_late = newest_known.is_some_and(|newest| step.at < newest);
        match phase_of(&step.status, &step.detail) {
            Some(ShipmentPhase::Cancelled) => {
                if parcel.phase == Some(ShipmentPhase::Booked) {
                    void(parcel, step.at, changes);
                }
            }
            Some(phase) if !is_late || is_end(phase) => {
                let reason = is_problem(phase).then(|| clip(&camel_case(&step.detail), 64));
                if phase != ShipmentPhase::InTransit && phase.has_left() {
                    parcel.enter_if_booked(step.at, (None, None), changes);
                }
                parcel.enter(phase, step.at, (reason, step.message.clone()), changes);
            }
            Some(_) | None => {}
        }
    }
}

impl Parcel {
    /// Goods that are somewhere on their way have been picked up, whether the carrier told that step or not.
    fn enter_if_booked(
        &mut self,
        at: Timestamp,
        because: (Option<String>, Option<String>),
        changes: &mut Vec<Change>,
    ) {
        if self.phase == Some(ShipmentPhase::Booked) {
            self.enter(ShipmentPhase::InTransit, at, because, changes);
        }
    }
}

/// `delivery_exception` as `DeliveryException`.
fn camel_case(words: &str) -> String {
    words
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// At most `length` characters, none of which a database refuses.
pub(crate) fn clip(text: &str, length: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(length).collect()
}
