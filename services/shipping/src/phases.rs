//! The phases of a parcel: what a carrier's words mean, and which phase may follow which.

use resources::ShipmentPhase;

/// The phase that a tracker's status and detail mean; `None` for words that say nothing of it.
///
/// A `failure` may pass; an `error` is for good only when the parcel is said to be lost.
#[must_use]
pub fn phase_of(status: &str, detail: &str) -> Option<ShipmentPhase> {
    match (status, detail) {
        ("failure" | "error", "lost") => Some(ShipmentPhase::Lost),
        ("failure" | "error", _) => Some(ShipmentPhase::Exception),
        ("pre_transit", _) => Some(ShipmentPhase::Booked),
        ("in_transit", _) => Some(ShipmentPhase::InTransit),
        ("out_for_delivery" | "available_for_pickup", _) => Some(ShipmentPhase::OutForDelivery),
        ("delivered", _) => Some(ShipmentPhase::Delivered),
        ("return_to_sender", _) => Some(ShipmentPhase::Returned),
        ("cancelled", _) => Some(ShipmentPhase::Cancelled),
        _ => None,
    }
}

/// True when a booking of phase `from` (`None`: not answered yet) may come to `to`. Phases only go on, except that an
/// exception may pass.
#[must_use]
pub const fn may_follow(from: Option<ShipmentPhase>, to: ShipmentPhase) -> bool {
    use ShipmentPhase::{
        Booked, Cancelled, Delivered, Exception, InTransit, Lost, OutForDelivery, Pending, Rejected, Returned,
    };
    match from {
        None | Some(Pending) => matches!(to, Booked | Rejected | Cancelled),
        Some(Booked) => {
            matches!(to, InTransit | OutForDelivery | Exception | Delivered | Lost | Returned | Cancelled)
        }
        Some(InTransit) => matches!(to, OutForDelivery | Exception | Delivered | Lost | Returned),
        Some(OutForDelivery) => matches!(to, Exception | Delivered | Lost | Returned),
        Some(Exception) => matches!(to, InTransit | OutForDelivery | Delivered | Lost | Returned),
        Some(Rejected) => matches!(to, Cancelled),
        Some(Delivered | Lost | Returned | Cancelled) => false,
    }
}

/// True when nothing that a carrier says changes the booking any more.
#[must_use]
pub const fn is_end(phase: ShipmentPhase) -> bool {
    match phase {
        ShipmentPhase::Delivered
        | ShipmentPhase::Lost
        | ShipmentPhase::Returned
        | ShipmentPhase::Cancelled => true,
        ShipmentPhase::Pending
        | ShipmentPhase::Booked
        | ShipmentPhase::InTransit
        | ShipmentPhase::OutForDelivery
        | ShipmentPhase::Exception
        | ShipmentPhase::Rejected => false,
    }
}

/// True when the phase is one that people ask the reason of.
pub(crate) const fn is_problem(phase: ShipmentPhase) -> bool {
    match phase {
        ShipmentPhase::Exception
        | ShipmentPhase::Lost
        | ShipmentPhase::Returned
        | ShipmentPhase::Rejected => true,
        ShipmentPhase::Pending
        | ShipmentPhase::Booked
        | ShipmentPhase::InTransit
        | ShipmentPhase::OutForDelivery
        | ShipmentPhase::Delivered
        | ShipmentPhase::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ShipmentPhase::*;

    const ALL: [ShipmentPhase; 10] = [
        Pending,
        Booked,
        InTransit,
        OutForDelivery,
        Exception,
        Delivered,
        Rejected,
        Lost,
        Returned,
        Cancelled,
    ];

    #[test]
    fn every_word_of_the_carrier_has_its_phase() {
        for (status, detail, phase) in [
            ("pre_transit", "label_created", Some(Booked)),
            ("in_transit", "in_transit", Some(InTransit)),
            ("out_for_delivery", "out_for_delivery", Some(OutForDelivery)),
            ("available_for_pickup", "", Some(OutForDelivery)),
            ("failure", "delivery_exception", Some(Exception)),
            ("error", "lost", Some(Lost)),
            ("error", "delayed", Some(Exception)),
            ("delivered", "arrived_at_destination", Some(Delivered)),
            ("return_to_sender", "return", Some(Returned)),
            ("cancelled", "cancelled", Some(Cancelled)),
            ("unknown", "unknown", None),
            ("teleported", "", None),
        ] {
            assert_eq!(phase_of(status, detail), phase, "{status}/{detail}");
        }
    }

    #[test]
    fn nothing_follows_an_end() {
        for from in ALL.into_iter().filter(|phase| is_end(*phase)) {
            assert!(ALL.into_iter().all(|to| !may_follow(Some(from), to)), "{from:?}");
        }
    }

    #[test]
    fn goods_that_left_the_house_are_never_in_it_again() {
        for from in ALL.into_iter().filter(|phase| phase.has_left()) {
            for to in [Pending, Booked, Rejected, Cancelled] {
                assert!(!may_follow(Some(from), to), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn an_exception_may_pass_but_the_last_way_is_not_walked_back() {
        assert!(may_follow(Some(Exception), InTransit));
        assert!(may_follow(Some(OutForDelivery), Exception));
        assert!(!may_follow(Some(OutForDelivery), InTransit));
    }

    #[test]
    fn no_phase_follows_itself() {
        assert!(ALL.into_iter().all(|phase| !may_follow(Some(phase), phase)));
    }
}
