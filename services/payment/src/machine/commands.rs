//! Commands taken in: fencing, and the tombstone.

use events::Command;
use jiff::Timestamp;
use resources::{PaymentDesired, PaymentPhase, PaymentSpec};

use super::{Attempt, CaptureMode, Child, Payment, Summary, Wish};

/// What a command was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// News: what it wishes was judged.
    News,
    /// Known already: pending work is made due, the present state is told again.
    Repeat,
    /// Older than what is known: only answered.
    Stale,
}

/// Takes a command in; [`super::settle`] must follow.
///
/// The same UID with a smaller generation is [`Taken::Stale`]. Another UID begins a new count of generations, and no UID
/// leaves the known one, but the rules about money hold by order id: undoing absorbs, attempts only rise.
#[must_use]
pub fn take(present: Option<Payment>, command: &Command<PaymentSpec>, now: Timestamp) -> (Payment, Taken) {
    let told = command.uid.as_ref().map(|uid| Child { uid: uid.clone(), generation: command.generation });
    let mut payment = present.unwrap_or_else(|| unknown_before(command));
    let same_wish = payment.revision > 0 && payment.wish == wish_of(&command.spec);
    let taken = match (&payment.child, &told) {
        (Some(known), Some(told)) if known.uid == told.uid && told.generation < known.generation => {
            Taken::Stale
        }
        (Some(known), Some(told)) if known == told => Taken::Repeat,
        (Some(_) | None, Some(_)) => Taken::News,
        (Some(_) | None, None) if same_wish => Taken::Repeat,
        (Some(_) | None, None) => Taken::News,
    };
    match taken {
        Taken::Stale => {}
        Taken::Repeat => make_due(&mut payment, now),
        Taken::News => {
            payment.namespace.clone_from(&command.namespace);
            payment.name.clone_from(&command.name);
            if told.is_some() {
                payment.child = told;
            }
            accept(&mut payment, &command.spec, now);
            make_due(&mut payment, now);
        }
    }
    (payment, taken)
}

fn wish_of(spec: &PaymentSpec) -> Wish {
    Wish { desired: spec.desired, attempt: spec.attempt, amount: spec.amount, method: spec.method.clone() }
}

fn unknown_before(command: &Command<PaymentSpec>) -> Payment {
    Payment {
        order_id: command.order_id.clone(),
        namespace: command.namespace.clone(),
        name: command.name.clone(),
        child: None,
        wish: wish_of(&command.spec),
        undone_attempt: None,
        attempts: Vec::new(),
        partials: Vec::new(),
        shown: Summary::of_phase(PaymentPhase::Pending, command.spec.attempt, command.spec.amount),
        revision: 0,
        told_revision: 0,
    }
}

fn accept(payment: &mut Payment, spec: &PaymentSpec, now: Timestamp) {
    let capture = match spec.desired {
        PaymentDesired::Cancelled | PaymentDesired::Refunded => {
            let newest = asked_for(payment).map(|attempt| attempt.number).max();
            payment.undone_attempt = payment.undone_attempt.max(newest).max(Some(spec.attempt));
            // A further wish to undo is asked of the provider anew, and is open until it answers: what it refused before, it
            // may grant now. A repeated one is asked again too, but stays refused meanwhile.
            if payment.wish.is_undo() {
                for attempt in &mut payment.attempts {
                    attempt.refund_refusal = None;
                }
            }
            payment.wish = wish_of(spec);
            return;
        }
        PaymentDesired::Captured => CaptureMode::Automatic,
        PaymentDesired::Authorized => CaptureMode::Manual,
    };
    let undone = payment.undone_attempt.is_some_and(|undone| spec.attempt <= undone);
    let overtaken = asked_for(payment).any(|attempt| attempt.number > spec.attempt);
    if undone || overtaken {
        tracing::warn!(
            order = payment.order_id,
            attempt = spec.attempt,
            undone = payment.undone_attempt,
            "asked to charge an attempt that is undone or overtaken: nothing is charged"
        );
        return;
    }
    payment.wish = wish_of(spec);
    if let (None, Some(method)) = (payment.attempt(spec.attempt), &spec.method) {
        payment.attempts.push(Attempt::planned(spec.attempt, method.clone(), spec.amount, capture, now));
    }
}

/// The attempts that commands asked for.
fn asked_for(payment: &Payment) -> impl Iterator<Item = &Attempt> {
    payment.attempts.iter().filter(|attempt| !attempt.is_stray())
}

fn make_due(payment: &mut Payment, now: Timestamp) {
    for attempt in &mut payment.attempts {
        attempt.next_at = attempt.next_at.min(now);
        attempt.refund_retry = attempt.refund_refusal.is_some();
    }
}
