//! A command met with what is known. Pure.
//!
//! # Guarantees
//! - An older generation of the same resource changes nothing.
//! - What was cancelled at an attempt is never booked at that attempt or an earlier one, in whatever order commands come.
//! - A wish for an earlier attempt than the newest does not bring the parcel back to it.

use events::Command;
use jiff::Timestamp;
use resources::{ShipmentDesired, ShipmentSpec};

use crate::parcel::{Change, Parcel};

/// What follows from a command.
#[derive(Clone, Debug)]
pub struct Reception {
    /// The parcel afterwards.
    pub parcel: Parcel,
    /// The states that it came to.
    pub changes: Vec<Change>,
    /// False for a command that an earlier one has overtaken: nothing is to be written.
    pub accepted: bool,
}

/// Takes in the wish of `command`; `known` is what is known of its order.
#[must_use]
pub fn receive(known: Option<Parcel>, command: &Command<ShipmentSpec>, now: Timestamp) -> Reception {
    let before = known.as_ref().map(Parcel::status);
    let mut changes = Vec::new();
    let mut parcel = match known {
        Some(parcel) if is_overtaken(&parcel, command) => {
            return Reception { parcel, changes, accepted: false };
        }
        Some(mut parcel) => {
            remember_resource(&mut parcel, command);
            parcel
        }
        None => Parcel::unknown(command),
    };
    let ShipmentSpec { attempt, desired, .. } = command.spec;
    match desired {
        ShipmentDesired::Delivered => wish_delivery(&mut parcel, &command.spec),
        ShipmentDesired::Cancelled => {
            // Attempt 0 says that nothing of this order was ever to be shipped: it undoes whatever there is, and the
            // first attempt that may still be on its way here.
            let attempt = if attempt == 0 { parcel.wished_attempt.max(1) } else { attempt };
            parcel.cancelled_attempt = parcel.cancelled_attempt.max(Some(attempt));
            parcel.wished_attempt = parcel.wished_attempt.max(command.spec.attempt);
            // A booking that may be lost is looked for at once.
            if parcel.is_undone(parcel.attempt) && parcel.phase.is_none() {
                parcel.track_at = None;
            }
        }
    }
    parcel.settle(now, &mut changes);
    parcel.close(before.as_ref());
    Reception { parcel, changes, accepted: true }
}

fn is_overtaken(parcel: &Parcel, command: &Command<ShipmentSpec>) -> bool {
    command.uid.is_some() && parcel.uid == command.uid && command.generation < parcel.generation
}

/// The resource that is reported to is the newest that asked.
fn remember_resource(parcel: &mut Parcel, command: &Command<ShipmentSpec>) {
    let Some(uid) = &command.uid else { return };
    if parcel.uid.as_ref() != Some(uid) {
        parcel.uid = Some(uid.clone());
        parcel.observed_generation = None;
    }
    parcel.generation = command.generation;
    parcel.namespace.clone_from(&command.namespace);
    parcel.name.clone_from(&command.name);
}

fn wish_delivery(parcel: &mut Parcel, spec: &ShipmentSpec) {
    if spec.attempt < parcel.wished_attempt || parcel.is_undone(spec.attempt) {
        return;
    }
    parcel.wished_attempt = spec.attempt;
    parcel.spec = spec.clone();
}
