//! Repair by people: each request is judged on the order at rest, taken or refused with a sentence, and recorded.
//!
//! Nothing is done for a request before the resource tells that it was taken ([`Draft::is_recorded`]), so that a decision
//! that is lost is made again the same. Asking a service again is the exception: it may happen any number of times.

use chassis::ChildKind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use resources::{Compensation, OrderPhase, PaymentPhase, Repair, RepairAction, RepairOutcome, Settled};

use super::draft::Draft;
use super::paid::DISPATCHED_UNPAID;
use super::plan::{Effect, Move, Tell};
use super::requests::{self, Request};
use super::view::PaymentView;
use super::wishes::EVERY_ATTEMPT;
use super::words;
use crate::child::Child;

/// The reason of a transition that a person's retry causes.
pub(crate) const RETRY_REQUESTED: &str = "RetryRequested";
/// The reason of a transition that a person's resume causes.
pub(crate) const RESUMED: &str = "Resumed";

/// What follows from a request.
pub(crate) struct Judged {
    pub(crate) next: Option<Move>,
    pub(crate) effects: Vec<Effect>,
}

/// What is done for a request that is taken.
struct Taken {
    message: String,
    next: Option<Move>,
    ask_again: Vec<ChildKind>,
}

/// Done, or why not.
type Verdict = Result<Taken, String>;

fn taken(message: impl Into<String>) -> Verdict {
    Ok(Taken { message: message.into(), next: None, ask_again: Vec::new() })
}

fn refused(why: impl Into<String>) -> Verdict {
    Err(why.into())
}

/// Judges the next request, if there is one, and records it in the status.
pub(crate) fn judge_next(draft: &mut Draft<'_>) -> Option<Judged> {
    let phase = draft.status.phase?;
    let Request { action, reason } = requests::next(draft.situation.order, &draft.status)?;
    let verdict = if reason.is_empty() {
        refused(format!("Say why: the value of the annotation {} is the reason.", action.annotation()))
    } else {
        match action {
            RepairAction::Retry => retry(draft, phase),
            RepairAction::Resume => resume(draft, phase),
            RepairAction::Skip => skip(draft, phase),
            RepairAction::Refund => refund(draft, phase),
        }
    };
    let by = draft.situation.askers.iter().find(|(asked, _)| *asked == action);
    let by = by.map_or_else(|| "unknown".to_owned(), |(_, by)| by.clone());
    let (outcome, message, mut next, ask_again) = match verdict {
        Ok(Taken { message, next, ask_again }) => (RepairOutcome::Taken, message, next, ask_again),
        Err(why) => (RepairOutcome::Refused, why, None, Vec::new()),
    };
    if let Some(next) = &mut next {
        next.message = format!("{} Asked for by {by}: {reason}", next.message);
    }
    let mut effects: Vec<Effect> = ask_again.into_iter().map(Effect::AskAgain).collect();
    let (warning, word) = match outcome {
        RepairOutcome::Taken => (false, "Taken"),
        RepairOutcome::Refused => (true, "Refused"),
    };
    let note = format!("{message} Asked for by {by}: {reason}");
    effects.push(Effect::Tell(Tell { warning, reason: format!("{}{word}", action.as_str()), note }));
    let number = draft.status.repairs.iter().map(|repair| repair.number).max().unwrap_or(0) + 1;
    let at = MicroTime(draft.now());
    let message = message.chars().take(1024).collect();
    requests::keep(&mut draft.status.repairs, Repair { number, action, reason, by, at, outcome, message });
    Some(Judged { next, effects })
}

fn retry(draft: &mut Draft<'_>, phase: OrderPhase) -> Verdict {
    if let Some(verdict) = undo_again(draft, phase) {
        return verdict;
    }
    match phase {
        OrderPhase::Placed | OrderPhase::Reserved | OrderPhase::Paid | OrderPhase::Shipped => {
            not_suspended(draft)?;
            ask_what_is_open(draft, phase)
        }
        OrderPhase::Compensating => ask_what_is_open(draft, phase),
        OrderPhase::AwaitingPayment => refused(
            "The order waits for the customer: set another spec.payment.method, or raise spec.payment.retry to try the \
             same again.",
        ),
        OrderPhase::Stuck if draft.entered_because() == Some(DISPATCHED_UNPAID) => charge_again(draft),
        OrderPhase::Stuck => back(draft, RETRY_REQUESTED),
        OrderPhase::Completed | OrderPhase::Rejected | OrderPhase::Failed | OrderPhase::Cancelled => {
            refused(format!("The order is {phase}: it has ended, and nothing of it has failed."))
        }
    }
}

fn resume(draft: &mut Draft<'_>, phase: OrderPhase) -> Verdict {
    if let Some(verdict) = undo_again(draft, phase) {
        return verdict;
    }
    if phase != OrderPhase::Stuck {
        not_suspended(draft)?;
        return refused(format!("The order is {phase}, not Stuck: there is nothing to resume."));
    }
    if draft.entered_because() == Some(DISPATCHED_UNPAID) {
        return Ok(Taken {
            message: "Payment is asked what has become of the money; the order goes on once it is there. \
                      To have it charged again, retry; when it was paid otherwise, skip."
                .to_owned(),
            next: None,
            ask_again: vec![ChildKind::Payment],
        });
    }
    back(draft, RESUMED)
}

fn not_suspended(draft: &Draft<'_>) -> Result<(), String> {
    match (draft.spec().suspend, draft.situation.policy.paused) {
        (true, _) => {
            Err("The order is suspended: set spec.suspend to false, then it goes on by itself.".into())
        }
        (false, true) => {
            Err("The shop is paused: set spec.paused of its Shop to false, then it goes on.".into())
        }
        (false, false) => Ok(()),
    }
}

/// A refused undo of the money is asked for once more, under a key of its own at the provider.
fn undo_again(draft: &mut Draft<'_>, phase: OrderPhase) -> Option<Verdict> {
    let payment = draft.payment()?;
    if draft.is_undo_asked_again() {
        return Some(refused("The money is being asked back again already: wait for the provider's answer."));
    }
    if !draft.has_undo_failed() {
        return None;
    }
    draft.repair_money(|repair| repair.undo_retry = payment.spec.undo_retry + 1);
    let message = "The provider is asked again to give the money back.";
    let next = (phase == OrderPhase::Stuck).then(|| Move {
        phase: draft.stuck_from(),
        reason: Some(RETRY_REQUESTED.to_owned()),
        message: message.to_owned(),
        compensation: None,
    });
    Some(Ok(Taken { message: message.to_owned(), next, ask_again: Vec::new() }))
}

/// The goods have left unpaid: the money is asked for by a new attempt, once the old one is void for certain.
fn charge_again(draft: &mut Draft<'_>) -> Verdict {
    not_suspended(draft)?;
    let Some(payment) = draft.payment().filter(|payment| payment.spec.attempt < EVERY_ATTEMPT) else {
        return refused("There is no payment to make again: settle it with the customer, then skip.");
    };
    if draft.method_to_charge().is_none() {
        return refused("There is no payment method to charge: settle it with the customer, then skip.");
    }
    let attempt = payment.spec.attempt + 1;
    if draft.status.money_repair.as_ref().and_then(|repair| repair.attempt) >= Some(attempt) {
        return refused("The payment is being made again already: wait for the provider's answer.");
    }
    draft.repair_money(|repair| repair.attempt = Some(attempt));
    taken(format!("The payment is made again, as attempt {attempt}, once the last one is void for certain."))
}

/// A waiting order's commands are sent again at once.
fn ask_what_is_open(draft: &Draft<'_>, phase: OrderPhase) -> Verdict {
    let mut open = open_children(draft);
    let overdue = draft.status.reason.as_deref() == words::overdue(draft, phase).map(|(reason, _)| reason);
    if open.is_empty() && overdue && draft.situation.shipment.is_some() {
        open.push(ChildKind::Shipment);
    }
    if open.is_empty() {
        return refused(
            "Nothing has failed, and every service has answered: see status.message for what is waited for.",
        );
    }
    let message = format!("Asked again at once: {}.", names(&open));
    Ok(Taken { message, next: None, ask_again: open })
}

fn names(kinds: &[ChildKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// The children whose service has not answered. Where none can exist any more, the effects ask by themselves.
fn open_children(draft: &Draft<'_>) -> Vec<ChildKind> {
    let situation = draft.situation;
    let is_open = |uid: &Option<String>, answered: bool| uid.is_some() && !answered;
    let goods = situation.reservation.filter(|child| is_open(&child.metadata.uid, child.is_answered()));
    let money = situation.payment.filter(|child| is_open(&child.metadata.uid, child.is_answered()));
    let parcel = situation.shipment.filter(|child| is_open(&child.metadata.uid, child.is_answered()));
    [
        goods.map(|_| ChildKind::StockReservation),
        money.map(|_| ChildKind::Payment),
        parcel.map(|_| ChildKind::Shipment),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Out of `Stuck` to where it came from: its services are asked again, and its deadline begins anew.
fn back(draft: &Draft<'_>, reason: &str) -> Verdict {
    let from = draft.stuck_from();
    if from != OrderPhase::Compensating {
        not_suspended(draft)?;
    }
    let compensation = (from == OrderPhase::Compensating && draft.status.compensation.is_none()).then(|| {
        // It is not recorded how it was to end: as whoever wants to stop it says, else as a failure.
        let (target, reason) = match (&draft.spec().cancel, draft.is_deleted()) {
            (Some(_), _) => (OrderPhase::Cancelled, "CancelRequested"),
            (None, true) => (OrderPhase::Cancelled, "Deleted"),
            (None, false) => (OrderPhase::Failed, "Repaired"),
        };
        Compensation { target, reason: reason.to_owned() }
    });
    let mut ask_again = open_children(draft);
    if ask_again.is_empty() && draft.situation.shipment.is_some() {
        ask_again.push(ChildKind::Shipment);
    }
    let asked =
        if ask_again.is_empty() { String::new() } else { format!(" Asked again: {}.", names(&ask_again)) };
    let next = Move {
        phase: from,
        reason: Some(reason.to_owned()),
        message: words::goes_on(from).to_owned(),
        compensation,
    };
    Ok(Taken { message: format!("The order goes on from {from}.{asked}"), next: Some(next), ask_again })
}

fn skip(draft: &mut Draft<'_>, phase: OrderPhase) -> Verdict {
    if draft.has_undo_failed() && (phase != OrderPhase::Stuck || draft.status.compensation.is_some()) {
        let kept = draft.kept().map(|kept| format!(" ({kept})")).unwrap_or_default();
        draft.settle(Settled::Money);
        return taken(format!("The money{kept} counts as settled by hand; the provider is not asked again."));
    }
    if phase != OrderPhase::Stuck {
        return refused(format!("The order is {phase}, not Stuck: there is nothing to skip."));
    }
    if draft.entered_because() == Some(DISPATCHED_UNPAID) {
        draft.settle(Settled::Money);
        return taken("The money counts as settled by hand; the parcel travels on.");
    }
    if draft.has_undo_failed() {
        return refused(
            "A new payment is never made while the last one holds money: retry, or cancel the order (spec.cancel) and \
             skip then.",
        );
    }
    match draft.stuck_from() {
        OrderPhase::Compensating if draft.status.compensation.is_some() => match draft.open_undo() {
            Some(Settled::Parcel) => {
                draft.settle(Settled::Parcel);
                taken("The label counts as void by hand; the money is given back next.")
            }
            Some(Settled::Money) => {
                draft.settle(Settled::Money);
                taken("The money counts as settled by hand; the goods go back next.")
            }
            None => refused("Only the goods are left to be put back, which inventory does itself: retry."),
        },
        OrderPhase::Shipped => {
            draft.settle(Settled::Parcel);
            taken("The goods count as delivered; the order completes.")
        }
        OrderPhase::Compensating => {
            refused("It is not recorded how the order was to end: retry, so that it is undone.")
        }
        from @ (OrderPhase::Placed
        | OrderPhase::Reserved
        | OrderPhase::AwaitingPayment
        | OrderPhase::Paid
        | OrderPhase::Completed
        | OrderPhase::Rejected
        | OrderPhase::Failed
        | OrderPhase::Cancelled
        | OrderPhase::Stuck) => refused(format!(
            "The order is stuck in {from}: what it waits for cannot be settled by hand. Retry, or cancel it (spec.cancel)."
        )),
    }
}

fn refund(draft: &mut Draft<'_>, phase: OrderPhase) -> Verdict {
    if let Some(verdict) = undo_again(draft, phase) {
        return verdict;
    }
    let from = if phase == OrderPhase::Stuck { draft.stuck_from() } else { phase };
    match from {
        OrderPhase::Shipped | OrderPhase::Completed => give_back(draft),
        OrderPhase::Placed | OrderPhase::Reserved | OrderPhase::AwaitingPayment | OrderPhase::Paid
            if phase == OrderPhase::Stuck && draft.kept().is_some() =>
        {
            let message = "The order is undone, and all its money goes back.";
            let reason = "RefundRequested".to_owned();
            let compensation = Compensation { target: OrderPhase::Cancelled, reason: reason.clone() };
            let next = Move {
                phase: OrderPhase::Compensating,
                reason: Some(reason),
                message: message.to_owned(),
                compensation: Some(compensation),
            };
            Ok(Taken { message: message.to_owned(), next: Some(next), ask_again: Vec::new() })
        }
        OrderPhase::Placed | OrderPhase::Reserved | OrderPhase::AwaitingPayment | OrderPhase::Paid
            if phase == OrderPhase::Stuck =>
        {
            refused(
                "No money is kept for this order: there is nothing to give back. To end it, cancel it (spec.cancel).",
            )
        }
        OrderPhase::Placed | OrderPhase::Reserved | OrderPhase::AwaitingPayment | OrderPhase::Paid => {
            refused(
                "The goods have not left yet: cancel the order (spec.cancel), which gives back whatever was paid.",
            )
        }
        OrderPhase::Compensating if draft.kept().is_some() => {
            refused("The order is being undone: its money is on its way back already.")
        }
        OrderPhase::Compensating
        | OrderPhase::Rejected
        | OrderPhase::Failed
        | OrderPhase::Cancelled
        | OrderPhase::Stuck => refused("No money is kept for this order: there is nothing to give back."),
    }
}

/// Goodwill: the money goes back, the goods stay where they are.
fn give_back(draft: &mut Draft<'_>) -> Verdict {
    let Some(kept) = draft.kept() else {
        return refused("No money is kept for this order: there is nothing to give back.");
    };
    if draft.payment().is_some_and(|payment| !payment.is_wanted()) || draft.wants_refund() {
        return refused("The money is on its way back already.");
    }
    draft.repair_money(|repair| repair.refund = true);
    taken(format!("{kept} go back to the customer; the goods stay where they are."))
}

impl PaymentView<'_> {
    /// True when the provider has refused for good to undo it.
    pub(crate) fn has_undo_failed(&self) -> bool {
        !self.is_wanted() && self.answer == Some(PaymentPhase::Failed)
    }
}
