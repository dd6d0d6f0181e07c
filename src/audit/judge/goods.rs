//! Goods: what is held, booked out and sent is what the order says.

use resources::{OrderPhase, ReservationPhase, ShipmentPhase};

use crate::audit::facts::{End, OrderFacts, Standing};
use crate::audit::finding::{Finding, Remedy};
use crate::audit::rule::Rule;

pub(super) fn judge(facts: &OrderFacts) -> Vec<Finding> {
    [held(facts), booked_out(facts), paid(facts), parcel(facts), labels(facts)]
        .into_iter()
        .flatten()
        .collect()
}

fn ended(facts: &OrderFacts) -> String {
    match (facts.standing(), facts.phase()) {
        (Standing::Unknown, _) => "nobody knows the order".to_owned(),
        (Standing::Live | Standing::Archived | Standing::Lost, Some(phase)) => {
            format!("the order is {phase}")
        }
        (Standing::Live | Standing::Archived | Standing::Lost, None) => {
            "the order was never quoted".to_owned()
        }
    }
}

fn held(facts: &OrderFacts) -> Option<Finding> {
    let stock = facts.stock.as_ref().filter(|stock| stock.phase == ReservationPhase::Held)?;
    let pieces = stock.pieces;
    let found = |rule, message: String| Finding::new(rule, message).instead(pieces, 0);
    match (facts.standing(), facts.end()) {
        (_, Some(End::WithGoods)) => {
            let message =
                format!("{}, and its {pieces} pieces are still held instead of booked out", ended(facts));
            Some(found(Rule::NotBookedOut, message).mended_by(Remedy::BookOut))
        }
        (Standing::Unknown, _) => {
            let message = format!("{pieces} pieces are held for an order that nobody knows");
            Some(found(Rule::HoldWithoutOrder, message).mended_by(Remedy::Release))
        }
        (Standing::Live | Standing::Archived | Standing::Lost, Some(End::WithoutGoods)) => {
            let message = format!("{}, and {pieces} pieces are still held for it", ended(facts));
            Some(found(Rule::HoldOfEnded, message).mended_by(Remedy::Release))
        }
        (Standing::Lost | Standing::Archived, None) => {
            let message = format!("{pieces} pieces are held for an order that is gone");
            let finding = found(Rule::HoldWithoutOrder, message);
            // What may be on its way is not put back on the shelf.
            let packed = facts.parcel.as_ref().is_some_and(|parcel| parcel.live_labels > 0);
            Some(if packed { finding } else { finding.mended_by(Remedy::Release) })
        }
        (Standing::Live, None) => None,
    }
}

fn booked_out(facts: &OrderFacts) -> Option<Finding> {
    let end = facts.end()?;
    let phase = facts.stock.as_ref().map(|stock| stock.phase);
    match (end, phase) {
        (End::WithoutGoods, Some(ReservationPhase::Committed)) => {
            let lost = facts.parcel.as_ref().and_then(|parcel| parcel.phase) == Some(ShipmentPhase::Lost);
            let pieces = facts.stock.as_ref().map_or(0, |stock| stock.pieces);
            let message = format!("{}, and its {pieces} pieces were booked out", ended(facts));
            (!lost && !facts.by_hand().parcel)
                .then(|| Finding::new(Rule::GoodsGone, message).instead(pieces, 0))
        }
        (
            End::WithGoods,
            None
            | Some(
                ReservationPhase::Pending
                | ReservationPhase::Insufficient
                | ReservationPhase::Released
                | ReservationPhase::Expired,
            ),
        ) => {
            let state = phase.map_or_else(|| "unknown to inventory".to_owned(), |phase| format!("{phase:?}"));
            let message = format!("{}, and its goods are {state}, not booked out", ended(facts));
            Some(Finding::new(Rule::NotBookedOut, message).instead(state, "Committed"))
        }
        (End::WithGoods, Some(ReservationPhase::Held | ReservationPhase::Committed))
        | (
            End::WithoutGoods,
            None
            | Some(
                ReservationPhase::Pending
                | ReservationPhase::Held
                | ReservationPhase::Insufficient
                | ReservationPhase::Released
                | ReservationPhase::Expired,
            ),
        ) => None,
    }
}

/// A paid order has its goods for certain.
fn paid(facts: &OrderFacts) -> Option<Finding> {
    let live = facts.live.as_ref()?;
    let phase = live.phase.filter(|phase| matches!(phase, OrderPhase::Paid | OrderPhase::Shipped))?;
    let stock = facts.stock.as_ref().map(|stock| stock.phase);
    if matches!(stock, Some(ReservationPhase::Held | ReservationPhase::Committed)) {
        return None;
    }
    let state = stock.map_or_else(|| "unknown to inventory".to_owned(), |phase| format!("{phase:?}"));
    let message = format!("the order is {phase}, and its goods are {state}");
    Some(Finding::new(Rule::PaidWithoutGoods, message).instead(state, "Held"))
}

fn parcel(facts: &OrderFacts) -> Option<Finding> {
    let end = facts.end()?;
    if facts.by_hand().parcel {
        return None;
    }
    let phase = facts.parcel.as_ref().and_then(|parcel| parcel.phase);
    match end {
        End::WithGoods => {
            let state = phase.map_or_else(|| "not booked".to_owned(), |phase| phase.as_str().to_owned());
            let message = format!("{}, and its parcel is {state}", ended(facts));
            let has_left = phase.is_some_and(ShipmentPhase::has_left);
            (!has_left).then(|| Finding::new(Rule::NotSent, message).instead(state, "Delivered"))
        }
        End::WithoutGoods => {
            let labels = facts.parcel.as_ref().map_or(0, |parcel| parcel.live_labels);
            let came_to_nothing = matches!(phase, Some(ShipmentPhase::Lost | ShipmentPhase::Returned));
            let state = phase.map_or("being booked", ShipmentPhase::as_str);
            let message = format!("{}, and a parcel with a live label is {state}", ended(facts));
            (labels > 0 && !came_to_nothing)
                .then(|| Finding::new(Rule::ParcelTravels, message).instead(state, "Cancelled"))
        }
    }
}

fn labels(facts: &OrderFacts) -> Option<Finding> {
    let labels = facts.parcel.as_ref()?.live_labels;
    (labels > 1).then(|| {
        Finding::new(Rule::TwoParcels, format!("{labels} labels of one order are live at the carrier"))
            .instead(labels, 1)
    })
}
