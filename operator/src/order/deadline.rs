//! Deadlines: every phase has one, with a reason of its own when it passes; and timers that stand still.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use resources::{OnDeadline, OrderPhase, ShipmentPhase};

use super::draft::Draft;
use super::plan::{Move, Rest, Step};
use super::words;

impl Draft<'_> {
    /// True once the carrier has given a label, or has the goods.
    pub(crate) fn has_label(&self) -> bool {
        let latest = self.shipment().and_then(|shipment| shipment.latest);
        latest.is_some_and(|latest| latest == ShipmentPhase::Booked || latest.has_left())
    }

    /// How long the present phase may last: the customer's time, or that of the services.
    fn whole_wait(&self) -> Option<std::time::Duration> {
        let policy = self.situation.policy;
        let phase = self.status.phase?;
        if phase == OrderPhase::AwaitingPayment {
            return Some(policy.payment_timeout);
        }
        policy.deadline(phase)
    }

    /// When the deadline of `phase` passes. That of a label may come before that of the whole phase.
    fn deadline(&self, phase: OrderPhase) -> Option<Timestamp> {
        let policy = self.situation.policy;
        let whole = policy.deadline(phase)?;
        let wait = match phase {
            OrderPhase::Paid if !self.has_label() => whole.min(policy.booking_deadline()),
            OrderPhase::Placed
            | OrderPhase::Reserved
            | OrderPhase::AwaitingPayment
            | OrderPhase::Paid
            | OrderPhase::Shipped
            | OrderPhase::Completed
            | OrderPhase::Rejected
            | OrderPhase::Failed
            | OrderPhase::Cancelled
            | OrderPhase::Compensating
            | OrderPhase::Stuck => whole,
        };
        self.due(wait)
    }
}

/// Timers stand still while the order is suspended, and go on from there when it is resumed.
pub(crate) fn settle_timers(draft: &mut Draft<'_>) {
    let now = draft.now();
    if draft.timers_stand_still() {
        if let Some(since) = draft.status.waiting_since.take() {
            let waited = i64::try_from(now.duration_since(since.0).as_millis()).unwrap_or(i64::MAX);
            // Seen only after its time was over, it cannot be told when it was suspended: the time begins anew.
            let whole = draft
                .whole_wait()
                .map_or(i64::MAX, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            draft.status.waited_milliseconds = Some(waited).filter(|waited| (1..whole).contains(waited));
        }
    } else if draft.status.phase.is_some() && draft.status.waiting_since.is_none() {
        let waited = SignedDuration::from_millis(draft.status.waited_milliseconds.take().unwrap_or(0));
        draft.status.waiting_since = Some(MicroTime(now.checked_sub(waited).unwrap_or(now)));
    }
}

/// A phase that takes too long says so, or is stuck, as the policy wants.
pub(crate) fn with_deadline(draft: &Draft<'_>, step: Step) -> Step {
    let Step::Rest(rest) = step else { return step };
    let Some(phase) = draft.status.phase else { return Step::Rest(rest) };
    let Some(due) = draft.deadline(phase) else { return Step::Rest(rest) };
    if !draft.is_past(Some(due)) {
        return rest.until(Some(due)).step();
    }
    let Some((reason, message)) = words::overdue(draft, phase) else { return Step::Rest(rest) };
    match draft.situation.policy.on_deadline {
        OnDeadline::Stuck => Move::to(OrderPhase::Stuck, Some(reason), message),
        OnDeadline::Wait if rest.because.is_none() || rest.routine => {
            next_wait(draft, phase, rest, reason, message)
        }
        OnDeadline::Wait => rest.step(),
    }
}

/// Waits on, for the whole phase's deadline where only that of its first part has passed.
fn next_wait(draft: &Draft<'_>, phase: OrderPhase, rest: Rest, reason: &str, message: &str) -> Step {
    let whole = draft.situation.policy.deadline(phase).and_then(|wait| draft.due(wait));
    rest.until(whole).because(reason, message).step()
}
