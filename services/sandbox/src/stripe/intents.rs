//! The state machine of a payment intent: pure, with time and ids passed in.

use std::collections::BTreeMap;

use super::errors::ApiError;
use super::methods::{self, AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Behaviour, CardError, Decline};
use super::model::{CaptureMethod, Charge, Happening, Intent, Outcome, Status};

/// How long a late charge takes.
const LATE_MILLIS: i64 = 3_000;

/// When something happens, and the id of the charge that it may make.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// Milliseconds since 1970.
    pub now: i64,
    /// A fresh id for a charge.
    pub charge_id: String,
}

impl Stamp {
    fn seconds(&self) -> i64 {
        self.now / 1000
    }
}

/// What a new intent is made of.
#[derive(Clone, Debug)]
pub(crate) struct NewIntent {
    pub amount: i64,
    pub currency: String,
    pub capture_method: CaptureMethod,
    pub payment_method: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub texts: BTreeMap<String, String>,
}

/// What a confirmation says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Confirmation {
    pub payment_method: Option<String>,
    pub off_session: bool,
    pub texts: BTreeMap<String, String>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// What to tell, in order.
    pub happenings: Vec<Happening>,
    /// The refusal to answer with, if the card said no.
    pub declined: Option<CardError>,
    /// Whether the answer gets through.
    pub answer: Answer,
}

/// What becomes of a step's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is given.
    Given,
    /// It is kept under its key, and lost on the way.
    Lost,
    /// The request itself is lost: nothing was executed.
    NeverArrived,
}

impl Step {
    /// A step that nobody needs to hear of.
    pub fn quiet() -> Step {
        Step::told([])
    }

    fn told(happenings: impl Into<Vec<Happening>>) -> Step {
        Step { happenings: happenings.into(), declined: None, answer: Answer::Given }
    }
}

/// A new intent, not confirmed.
pub(crate) fn create(id: String, new: NewIntent, now: i64) -> Intent {
    let NewIntent { amount, currency, capture_method, payment_method, metadata, texts } = new;
    Intent {
        id,
        sequence: 0,
        amount,
        amount_received: 0,
        amount_capturable: 0,
        currency,
        status: match payment_method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        },
        capture_method,
        payment_method,
        metadata,
        texts,
        created: now / 1000,
        canceled_at: None,
        cancellation_reason: None,
        last_payment_error: None,
        charges: Vec::new(),
        settles_at_millis: None,
    }
}

/// Charges, or asks the customer to authenticate.
pub(crate) fn confirm(intent: &mut Intent, with: Confirmation, stamp: &Stamp) -> Result<Step, ApiError> {
    match intent.status {
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
        Status::Succeeded | Status::RequiresCapture => {
            let message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
                           confirmed.";
            return Err(ApiError::unexpected_state(intent, message));
        }
        Status::Processing | Status::Canceled => {
            let name = intent.status.name();
            let message = format!("You cannot confirm this PaymentIntent because it has a status of {name}.");
            return Err(ApiError::unexpected_state(intent, message));
        }
    }
    let Some(method) = with.payment_method.or_else(|| intent.payment_method.clone()) else {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method. To confirm the \
                       PaymentIntent, specify a payment method on this PaymentIntent or pass payment_method.";
        return Err(ApiError::unexpected_state(intent, message));
    };
    let behaviour = methods::behaviour(&method).ok_or_else(|| ApiError::no_such_method(&method))?;
    if behaviour == Behaviour::TimeoutUncharged {
        return Ok(Step { happenings: Vec::new(), declined: None, answer: Answer::NeverArrived });
    }
    intent.texts.extend(with.texts);
    intent.payment_method = Some(method.clone());
    Ok(match behaviour {
        Behaviour::Declines(decline) => refuse(intent, &method, decline, stamp),
        Behaviour::Authenticates(_) if with.off_session => {
            refuse(intent, &method, AUTHENTICATION_REQUIRED, stamp)
        }
        Behaviour::Authenticates(_) => {
            intent.status = Status::RequiresAction;
            Step::told([Happening::RequiresAction])
        }
        Behaviour::Succeeds
        | Behaviour::Unavailable
        | Behaviour::RefundFails
        | Behaviour::RefundComesBack
        | Behaviour::RefundPending => charge(intent, &method, stamp),
        Behaviour::Timeout => Step { answer: Answer::Lost, ..charge(intent, &method, stamp) },
        Behaviour::Late => {
            let pending = new_charge(intent, &method, Outcome::Pending, stamp);
            intent.charges.push(pending);
            intent.status = Status::Processing;
            intent.settles_at_millis = Some(stamp.now + LATE_MILLIS);
            Step { answer: Answer::Lost, ..Step::told([Happening::Processing]) }
        }
        Behaviour::TimeoutUncharged => Step::quiet(),
    })
}

/// The customer has authenticated, or failed to.
pub(crate) fn authenticate(intent: &mut Intent, passed: bool, stamp: &Stamp) -> Result<Step, ApiError> {
    let method = match (&intent.status, &intent.payment_method) {
        (Status::RequiresAction, Some(method)) => method.clone(),
        (_, _) => {
            let message = format!("This payment asks for no authentication: it is {}.", intent.status.name());
            return Err(ApiError::unexpected_state(intent, message));
        }
    };
    Ok(match methods::behaviour(&method) {
        _ if !passed => refuse(intent, &method, AUTHENTICATION_FAILED, stamp),
        Some(Behaviour::Authenticates(Some(decline))) => refuse(intent, &method, decline, stamp),
        _ => charge(intent, &method, stamp),
    })
}

/// A processing charge succeeds once its time has come.
pub(crate) fn settle(intent: &mut Intent, now: i64) -> Option<Step> {
    if intent.status != Status::Processing || intent.settles_at_millis.is_none_or(|at| at > now) {
        return None;
    }
    intent.settles_at_millis = None;
    if let Some(charge) = intent.charges.last_mut() {
        charge.outcome = Outcome::Succeeded;
    }
    Some(take_money(intent))
}

/// Takes an authorized amount, or a part of it.
pub(crate) fn capture(intent: &mut Intent, amount: Option<i64>) -> Result<Step, ApiError> {
    if intent.status != Status::RequiresCapture {
        let message = format!(
            "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one of \
             the following statuses may be captured: requires_capture.",
            intent.status.name()
        );
        return Err(ApiError::unexpected_state(intent, message));
    }
    let amount = amount.unwrap_or(intent.amount_capturable);
    if amount > intent.amount_capturable {
        let message = format!(
            "The remaining capturable amount for this PaymentIntent is {}, but you tried to capture {amount}.",
            intent.amount_capturable
        );
        return Err(ApiError::refused("amount_too_large", "amount_to_capture", message));
    }
    receive(intent, amount);
    Ok(Step::told([Happening::Succeeded]))
}

/// Ends an intent that has taken no money.
pub(crate) fn cancel(intent: &mut Intent, reason: Option<String>, stamp: &Stamp) -> Result<Step, ApiError> {
    match intent.status {
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::RequiresAction
        | Status::RequiresCapture => {}
        Status::Processing | Status::Canceled | Status::Succeeded => {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the \
                 following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action.",
                intent.status.name()
            );
            return Err(ApiError::unexpected_state(intent, message));
        }
    }
    intent.status = Status::Canceled;
    intent.amount_capturable = 0;
    intent.canceled_at = Some(stamp.seconds());
    intent.cancellation_reason = reason;
    Ok(Step::told([Happening::Canceled]))
}

/// What an update may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update {
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub payment_method: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub texts: BTreeMap<String, String>,
}

/// Changes an intent; its money only before it is confirmed.
pub(crate) fn update(intent: &mut Intent, update: Update) -> Result<Step, ApiError> {
    let Update { amount, currency, payment_method, metadata, texts } = update;
    let open = matches!(
        intent.status,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction
    );
    if !open && (amount.is_some() || currency.is_some() || payment_method.is_some()) {
        let message = format!(
            "This PaymentIntent's amount, currency and payment method could not be updated because it has a status of {}.",
            intent.status.name()
        );
        return Err(ApiError::unexpected_state(intent, message));
    }
    intent.amount = amount.unwrap_or(intent.amount);
    if let Some(currency) = currency {
        intent.currency = currency;
    }
    if payment_method.is_some() {
        intent.payment_method = payment_method;
        intent.status = Status::RequiresConfirmation;
    }
    for (key, value) in metadata {
        match value.is_empty() {
            true => intent.metadata.remove(&key),
            false => intent.metadata.insert(key, value),
        };
    }
    intent.texts.extend(texts);
    Ok(Step::quiet())
}

fn new_charge(intent: &Intent, method: &str, outcome: Outcome, stamp: &Stamp) -> Charge {
    Charge {
        id: stamp.charge_id.clone(),
        amount: intent.amount,
        amount_captured: 0,
        amount_refunded: 0,
        captured: false,
        payment_method: method.to_owned(),
        created: stamp.seconds(),
        outcome,
    }
}

fn charge(intent: &mut Intent, method: &str, stamp: &Stamp) -> Step {
    let succeeded = new_charge(intent, method, Outcome::Succeeded, stamp);
    intent.charges.push(succeeded);
    take_money(intent)
}

fn take_money(intent: &mut Intent) -> Step {
    intent.last_payment_error = None;
    match intent.capture_method {
        CaptureMethod::Automatic => {
            receive(intent, intent.amount);
            Step::told([Happening::Succeeded])
        }
        CaptureMethod::Manual => {
            intent.status = Status::RequiresCapture;
            intent.amount_capturable = intent.amount;
            Step::told([Happening::AmountCapturableUpdated])
        }
    }
}

fn receive(intent: &mut Intent, amount: i64) {
    intent.status = Status::Succeeded;
    intent.amount_received = amount;
    intent.amount_capturable = 0;
    if let Some(charge) = intent.charges.last_mut() {
        charge.captured = true;
        charge.amount_captured = amount;
    }
}

fn refuse(intent: &mut Intent, method: &str, decline: Decline, stamp: &Stamp) -> Step {
    let outcome = Outcome::Failed { code: decline.code.to_owned(), message: decline.message.to_owned() };
    let failed = new_charge(intent, method, outcome, stamp);
    intent.charges.push(failed);
    let error = decline.error(method, Some(stamp.charge_id.clone()));
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.last_payment_error = Some(error.clone());
    Step { declined: Some(error), ..Step::told([Happening::PaymentFailed]) }
}

#[cfg(test)]
#[path = "intents_tests.rs"]
mod tests;
