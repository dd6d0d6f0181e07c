//! The situation with the status as it stands after the transitions decided so far.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use money::Money;
use resources::{
    Item, Line, MoneyRepair, OrderPhase, OrderReference, OrderSpec, OrderStatus, PaymentPhase, Settled,
    find_condition,
};

use super::decide::Situation;
use super::plan::{Move, Step};
use super::view::{PaymentView, ReservationView, ShipmentView};

pub(crate) struct Draft<'a> {
    pub(crate) situation: &'a Situation<'a>,
    pub(crate) status: OrderStatus,
    /// True when something waits for the status to be written.
    pub(crate) is_awaited: Cell<bool>,
}

impl<'a> Draft<'a> {
    pub(crate) fn spec(&self) -> &'a OrderSpec {
        &self.situation.order.spec
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.situation.now
    }

    pub(crate) fn reservation(&self) -> Option<ReservationView<'a>> {
        self.situation.reservation.map(ReservationView::of)
    }

    pub(crate) fn payment(&self) -> Option<PaymentView<'a>> {
        self.situation.payment.map(PaymentView::of)
    }

    pub(crate) fn shipment(&self) -> Option<ShipmentView<'a>> {
        self.situation.shipment.map(ShipmentView::of)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.situation.order.metadata.deletion_timestamp.is_some()
    }

    /// True while the order, or its whole shop, may ask for nothing new.
    pub(crate) fn is_suspended(&self) -> bool {
        self.spec().suspend || self.situation.policy.paused
    }

    /// True while the timers of the present phase do not run. Undoing is never held up, so its timers always run.
    pub(crate) fn timers_stand_still(&self) -> bool {
        let runs_anyway =
            self.status.phase.is_some_and(|phase| phase == OrderPhase::Compensating || phase.is_finished());
        self.is_suspended() && !runs_anyway
    }

    /// True once the resource itself tells the present phase. What cannot be taken back, and what a decision from an
    /// older phase would take for something else, is done only then: whoever decides on an older state, after a crash or
    /// from a stale cache, has neither begun it nor meets it half done. Who asks too early has it written at once.
    pub(crate) fn is_recorded(&self) -> bool {
        let written = self.situation.order.status.as_ref();
        let recorded = written.is_some_and(|written| {
            written.sequence >= self.status.sequence && written.repairs.last() == self.status.repairs.last()
        });
        if !recorded {
            self.is_awaited.set(true);
        }
        recorded
    }

    /// The reason of the transition into the present phase, whatever was said since.
    pub(crate) fn entered_because(&self) -> Option<&str> {
        self.status.history.last().and_then(|entry| entry.reason.as_deref())
    }

    /// The phase in which the order was stuck.
    pub(crate) fn stuck_from(&self) -> OrderPhase {
        let phases = self.status.history.iter().rev().map(|entry| entry.phase);
        phases.into_iter().find(|phase| *phase != OrderPhase::Stuck).unwrap_or(OrderPhase::Compensating)
    }

    /// True when a person has said that this is settled by hand; of money, what was kept then and no more.
    pub(crate) fn is_settled(&self, what: Settled) -> bool {
        let minor_units = |money: Option<Money>| money.map_or(0, |money| money.minor_units());
        let grown = || {
            let settled = self.status.money_repair.as_ref().and_then(|repair| repair.settled);
            minor_units(self.kept()) > minor_units(settled)
        };
        self.status.settled_by_hand.contains(&what) && (what != Settled::Money || !grown())
    }

    pub(crate) fn settle(&mut self, what: Settled) {
        if what == Settled::Money {
            let kept = self.kept();
            self.repair_money(|repair| repair.settled = kept);
        }
        if !self.status.settled_by_hand.contains(&what) {
            self.status.settled_by_hand.push(what);
        }
    }

    pub(crate) fn repair_money(&mut self, change: impl FnOnce(&mut MoneyRepair)) {
        change(self.status.money_repair.get_or_insert_default());
    }

    /// True when the money is to be given back as goodwill.
    pub(crate) fn wants_refund(&self) -> bool {
        self.status.money_repair.as_ref().is_some_and(|repair| repair.refund)
    }

    /// True when an undo of the money was refused for good, and nobody has settled it or had it asked for again.
    pub(crate) fn has_undo_failed(&self) -> bool {
        !self.is_settled(Settled::Money)
            && !self.is_undo_asked_again()
            && self.payment().is_some_and(|payment| payment.has_undo_failed())
    }

    /// True while the payment does not know yet that its undo is asked for again.
    pub(crate) fn is_undo_asked_again(&self) -> bool {
        let wanted = self.status.money_repair.as_ref().map_or(0, |repair| repair.undo_retry);
        self.payment().is_some_and(|payment| !payment.is_wanted() && payment.spec.undo_retry < wanted)
    }

    /// The method of a further attempt for goods that have left unpaid.
    pub(crate) fn method_to_charge(&self) -> Option<&'a str> {
        let chosen = self.spec().payment.as_ref().and_then(|payment| payment.method.as_deref());
        chosen.or_else(|| self.payment().and_then(|payment| payment.spec.method.as_deref()))
    }

    /// The money that was taken and not given back, as far as payment has said; none when there is none.
    pub(crate) fn kept(&self) -> Option<Money> {
        let status = self.situation.payment?.status.as_ref()?;
        let captured = match (status.captured, status.phase) {
            (Some(captured), _) => captured,
            (None, Some(PaymentPhase::Captured | PaymentPhase::Failed)) => self.total(),
            (None, _) => return None,
        };
        let refunded = status.refunded.unwrap_or(Money::zero(captured.currency()));
        let kept = captured.minor_units().checked_sub(refunded.minor_units())?;
        (kept > 0).then(|| Money::from_minor_units(kept, captured.currency()))
    }

    /// True when the payment's object is gone, as in a namespace that goes, and it was last known to have taken the money.
    pub(crate) fn was_taken(&self) -> bool {
        let taken = |condition: &Condition| {
            condition.status == "True" && condition.reason == PaymentPhase::Captured.as_str()
        };
        self.situation.payment.is_none() && find_condition(&self.status.conditions, "Paid").is_some_and(taken)
    }

    /// The phase before the present one.
    pub(crate) fn came_from(&self) -> Option<OrderPhase> {
        self.status.history.iter().rev().nth(1).map(|entry| entry.phase)
    }

    /// True when the spec has changed since the status was written.
    pub(crate) fn is_edited(&self) -> bool {
        self.situation.order.metadata.generation != self.status.observed_generation
    }

    /// The wish to stop, as a step into compensation.
    pub(crate) fn stop_wish(&self) -> Option<Step> {
        if let Some(cancel) = &self.spec().cancel {
            let message = format!("The order is being cancelled: {}.", cancel.reason.trim_end_matches('.'));
            return Some(Move::compensate(OrderPhase::Cancelled, "CancelRequested", message));
        }
        self.is_deleted().then(|| {
            Move::compensate(OrderPhase::Cancelled, "Deleted", "The order was deleted and is being undone.")
        })
    }

    pub(crate) fn reference(&self) -> OrderReference {
        let name = self.situation.order.metadata.name.clone().unwrap_or_default();
        OrderReference { name, id: self.situation.id.to_owned() }
    }

    /// What is sold: the reservation's quote once there is one, else the status's.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.status.lines
    }

    pub(crate) fn total(&self) -> Money {
        self.status.total.unwrap_or(Money::zero(self.situation.policy.currency))
    }

    pub(crate) fn sold_items(&self) -> Vec<Item> {
        if self.status.lines.is_empty() {
            return self.spec().items.clone();
        }
        self.status.lines.iter().map(|line| Item { sku: line.sku.clone(), quantity: line.quantity }).collect()
    }

    /// Since when the timers of this phase run; `None` while they stand still.
    pub(crate) fn waiting_since(&self) -> Option<Timestamp> {
        self.status.waiting_since.as_ref().map(|since| since.0)
    }

    /// When `wait` has passed since the timers began.
    pub(crate) fn due(&self, wait: Duration) -> Option<Timestamp> {
        self.waiting_since().and_then(|since| since.checked_add(wait).ok())
    }

    pub(crate) fn is_past(&self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| at <= self.now())
    }
}

/// True when `lines` are a quote of exactly `items`.
pub(crate) fn quotes(lines: &[Line], items: &[Item]) -> bool {
    lines.len() == items.len()
        && items
            .iter()
            .all(|item| lines.iter().any(|line| line.sku == item.sku && line.quantity == item.quantity))
}
