//! A command met with the books: what changes, what is told, what is answered. Nothing is changed here.

use serde_json::{Value, json};

use super::books::Books;
use super::commands::{Command, Refunded};
use super::errors::ApiError;
use super::intents::{self, Answer, Stamp, Step};
use super::methods::{self, Behaviour};
use super::model::{Happening, Intent, Refund};
use super::{refunds, render};
use crate::common::fresh_id;

/// How long an unavailable method answers 503, counted from its order's first request.
const UNAVAILABLE_MILLIS: i64 = 10_000;

/// Everything that one request does, to be committed as one.
#[derive(Debug)]
pub(crate) struct Change {
    pub intent: Option<Intent>,
    pub refund: Option<Refund>,
    /// An order that was heard of for the first time.
    pub first_heard: Option<(String, i64)>,
    /// What to tell, with the object as it then is.
    pub told: Vec<(Happening, Value)>,
    pub status: u16,
    pub body: Value,
    /// Whether the key keeps the answer.
    pub executed: bool,
    pub answer: Answer,
}

impl Change {
    /// A refusal, which changes nothing.
    pub fn refusal(error: &ApiError, base: &str) -> Change {
        Change {
            intent: None,
            refund: None,
            first_heard: None,
            told: Vec::new(),
            status: error.status,
            body: error.body(base),
            executed: error.executed,
            answer: Answer::Given,
        }
    }

    /// A step of an intent.
    pub fn step(intent: Intent, step: Step, base: &str) -> Change {
        let shape = render::intent(&intent, base);
        let told = step.happenings.into_iter().map(|happening| (happening, shape.clone())).collect();
        let (status, body) = match step.declined {
            Some(card) => (402, ApiError::card(card, &intent).body(base)),
            None => (200, shape),
        };
        let executed = step.answer != Answer::NeverArrived;
        Change {
            intent: executed.then_some(intent),
            refund: None,
            first_heard: None,
            told,
            status,
            body,
            executed,
            answer: step.answer,
        }
    }
}

/// A refund goes on by itself, once its time has come.
pub(crate) fn settle_refund(books: &Books, id: &str, now: i64) -> Option<Change> {
    let mut refund = books.refund(id)?.as_ref().clone();
    let mut intent = books.intent(&refund.payment_intent)?.as_ref().clone();
    let happenings = refunds::settle(&mut intent, &mut refund, now)?;
    let body = render::refund(&refund);
    let told = happenings.into_iter().map(|happening| (happening, body.clone())).collect();
    Some(Change {
        intent: Some(intent),
        refund: Some(refund),
        first_heard: None,
        told,
        status: 200,
        body,
        executed: true,
        answer: Answer::Given,
    })
}

/// Executes a command at a time (milliseconds).
pub(crate) fn execute(books: &Books, command: Command, now: i64, base: &str) -> Change {
    match unavailable(books, &command, now) {
        Some(Err(order)) => {
            let mut change = Change::refusal(&ApiError::unavailable(), base);
            change.first_heard = Some((order, now));
            return change;
        }
        Some(Ok(())) => return Change::refusal(&ApiError::unavailable(), base),
        None => {}
    }
    perform(books, command, now, base).unwrap_or_else(|error| Change::refusal(&error, base))
}

/// Whether the order's method is unavailable now: known for a while, or (`Err`) heard of for the first time.
fn unavailable(books: &Books, command: &Command, now: i64) -> Option<Result<(), String>> {
    let known = |id: &str| books.intent(id).map(|intent| intent.as_ref());
    let own = |intent: Option<&Intent>| intent.and_then(|intent| intent.payment_method.clone());
    let (intent, method) = match command {
        Command::Create { new, .. } => (None, new.payment_method.clone()),
        Command::Update { id, update } => {
            (known(id), update.payment_method.clone().or_else(|| own(known(id))))
        }
        Command::Confirm { id, with } => (known(id), with.payment_method.clone().or_else(|| own(known(id)))),
        Command::Capture { id, .. } | Command::Cancel { id, .. } => (known(id), own(known(id))),
        Command::Refund { .. } => return None,
    };
    if method.as_deref().and_then(methods::behaviour) != Some(Behaviour::Unavailable) {
        return None;
    }
    let order = match command {
        Command::Create { new, .. } => new.metadata.get("order_id").cloned(),
        Command::Update { .. }
        | Command::Confirm { .. }
        | Command::Capture { .. }
        | Command::Cancel { .. }
        | Command::Refund { .. } => intent.map(|intent| intent.order_id().unwrap_or(&intent.id).to_owned()),
    }?;
    match books.first_heard(&order) {
        None => Some(Err(order)),
        Some(first) => (now - first < UNAVAILABLE_MILLIS).then_some(Ok(())),
    }
}

/// Whether reading this intent is unavailable too.
pub(crate) fn reading_unavailable(books: &Books, intent: &Intent, now: i64) -> bool {
    let order = intent.order_id().unwrap_or(&intent.id);
    intent.payment_method.as_deref().and_then(methods::behaviour) == Some(Behaviour::Unavailable)
        && books.first_heard(order).is_some_and(|first| now - first < UNAVAILABLE_MILLIS)
}

fn perform(books: &Books, command: Command, now: i64, base: &str) -> Result<Change, ApiError> {
    let stamp = Stamp { now, charge_id: fresh_id("ch") };
    let find = |id: &str| {
        let found = books.intent(id).map(|intent| intent.as_ref().clone());
        found.ok_or_else(|| ApiError::not_found("payment_intent", "intent", id))
    };
    match command {
        Command::Create { new, confirm } => {
            let mut intent = intents::create(fresh_id("pi"), new, now);
            match confirm {
                None => Ok(Change::step(intent, Step::quiet(), base)),
                Some(with) => {
                    let step = intents::confirm(&mut intent, with, &stamp)?;
                    Ok(Change::step(intent, step, base))
                }
            }
        }
        Command::Update { id, update } => {
            let mut intent = find(&id)?;
            let step = intents::update(&mut intent, update)?;
            Ok(Change::step(intent, step, base))
        }
        Command::Confirm { id, with } => {
            let mut intent = find(&id)?;
            let step = intents::confirm(&mut intent, with, &stamp)?;
            Ok(Change::step(intent, step, base))
        }
        Command::Capture { id, amount } => {
            let mut intent = find(&id)?;
            let step = intents::capture(&mut intent, amount)?;
            Ok(Change::step(intent, step, base))
        }
        Command::Cancel { id, reason } => {
            let mut intent = find(&id)?;
            let step = intents::cancel(&mut intent, reason, &stamp)?;
            Ok(Change::step(intent, step, base))
        }
        Command::Refund { of, new } => {
            let mut intent = match of {
                Refunded::Intent(id) => find(&id)?,
                Refunded::Charge(id) => {
                    let found = books.intent_of_charge(&id).map(|intent| intent.as_ref().clone());
                    found.ok_or_else(|| ApiError::not_found("charge", "charge", &id))?
                }
            };
            let refund = refunds::refund(&mut intent, new, fresh_id("re"), now)?;
            Ok(refunded(intent, refund))
        }
    }
}

fn refunded(intent: Intent, refund: Refund) -> Change {
    let body = render::refund(&refund);
    let mut told = vec![(Happening::RefundCreated, body.clone())];
    if let Some(charge) = intent.charges.iter().find(|charge| charge.id == refund.charge) {
        let mut shape = render::charge(&intent, charge);
        shape["refunds"] = json!({"object": "list", "data": [body.clone()], "has_more": false});
        told.push((Happening::ChargeRefunded, shape));
    }
    Change {
        intent: Some(intent),
        refund: Some(refund),
        first_heard: None,
        told,
        status: 200,
        body,
        executed: true,
        answer: Answer::Given,
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::*;

    fn run(books: &Books, path: &str, form: &str, now: i64) -> Change {
        let command = Command::parse(path, &Form::parse(form.as_bytes())).unwrap();
        execute(books, command, now, "http://here")
    }

    const UNAVAILABLE: &str =
        "amount=1&currency=eur&payment_method=pm_sandbox_unavailable&metadata[order_id]=o-1";

    #[test]
    fn an_unavailable_method_answers_503_for_ten_seconds_of_its_order() {
        let mut books = Books::default();
        let first = run(&books, "payment_intents", UNAVAILABLE, 1_000);
        assert_eq!((first.status, first.executed), (503, false));
        let (order, at) = first.first_heard.unwrap();
        books.put_first_heard(order, at);
        let second = run(&books, "payment_intents", UNAVAILABLE, 10_999);
        assert_eq!((second.status, second.first_heard), (503, None));
        assert_eq!(run(&books, "payment_intents", UNAVAILABLE, 11_000).status, 200);
    }

    #[test]
    fn without_an_order_the_ten_seconds_count_from_the_intents_first_confirm() {
        let mut books = Books::default();
        let form = "amount=1&currency=eur&payment_method=pm_sandbox_unavailable";
        let intent = run(&books, "payment_intents", form, 0).intent.unwrap();
        let confirm = format!("payment_intents/{}/confirm", intent.id);
        books.put_intent(intent);
        let refused = run(&books, &confirm, "", 5_000);
        assert_eq!(refused.status, 503);
        let (order, at) = refused.first_heard.unwrap();
        books.put_first_heard(order, at);
        assert_eq!(run(&books, &confirm, "", 15_000).body["status"], "succeeded");
    }

    #[test]
    fn a_decline_answers_402_with_the_intent_inside() {
        let books = Books::default();
        let form = "amount=1&currency=eur&payment_method=pm_card_chargeDeclinedLostCard&confirm=true";
        let change = run(&books, "payment_intents", form, 0);
        assert_eq!((change.status, change.executed), (402, true));
        let error = &change.body["error"];
        assert_eq!(error["decline_code"], "lost_card");
        assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
        assert_eq!(change.told[0].0, Happening::PaymentFailed);
    }

    #[test]
    fn what_does_not_exist_is_404() {
        let books = Books::default();
        assert_eq!(run(&books, "payment_intents/pi_x/confirm", "", 0).status, 404);
        assert_eq!(run(&books, "refunds", "charge=ch_x", 0).status, 404);
    }
}
