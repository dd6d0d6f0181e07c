//! What a POST asks for: parsed and validated whole before anything is executed.

use super::errors::ApiError;
use super::form::Form;
use super::intents::{Confirmation, NewIntent, Update};
use super::methods;
use super::model::CaptureMethod;
use super::refunds::NewRefund;

const TEXTS: &[&str] = &[
    "confirmation_method",
    "customer",
    "description",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
];
/// Known to Stripe, without an effect here.
const IGNORED: &[&str] = &[
    "automatic_payment_methods",
    "error_on_requires_action",
    "expand",
    "mandate",
    "payment_method_options",
    "payment_method_types",
    "radar_options",
    "shipping",
    "use_stripe_sdk",
];

/// One POST.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Create { new: NewIntent, confirm: Option<Confirmation> },
    Update { id: String, update: Update },
    Confirm { id: String, with: Confirmation },
    Capture { id: String, amount: Option<i64> },
    Cancel { id: String, reason: Option<String> },
    Refund { of: Refunded, new: NewRefund },
}

/// What a refund names.
#[derive(Clone, Debug)]
pub(crate) enum Refunded {
    Intent(String),
    Charge(String),
}

impl Command {
    /// Reads the path below `/v1/` and the form.
    pub fn parse(path: &str, form: &Form) -> Result<Command, ApiError> {
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["payment_intents"] => create(form),
            ["payment_intents", id] => update(id, form),
            ["payment_intents", id, "confirm"] => {
                allow(form, &["payment_method", "off_session", "client_secret", "capture_method"])?;
                Ok(Command::Confirm { id: (*id).to_owned(), with: confirmation(form)? })
            }
            ["payment_intents", id, "capture"] => {
                allow(form, &["amount_to_capture", "final_capture", "metadata"])?;
                Ok(Command::Capture { id: (*id).to_owned(), amount: form.amount("amount_to_capture")? })
            }
            ["payment_intents", id, "cancel"] => {
                allow(form, &["cancellation_reason"])?;
                let reasons = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
                let reason = form.one_of("cancellation_reason", &reasons)?;
                Ok(Command::Cancel { id: (*id).to_owned(), reason })
            }
            ["refunds"] => refund(form),
            _ => Err(ApiError::no_such_url("POST", &format!("/v1/{path}"))),
        }
    }
}

fn allow(form: &Form, own: &[&str]) -> Result<(), ApiError> {
    form.allow(&[own, TEXTS, IGNORED].concat())
}

fn create(form: &Form) -> Result<Command, ApiError> {
    allow(
        form,
        &["amount", "currency", "payment_method", "capture_method", "confirm", "off_session", "metadata"],
    )?;
    let capture_method =
        match form.one_of("capture_method", &["automatic", "automatic_async", "manual"])?.as_deref() {
            Some("manual") => CaptureMethod::Manual,
            _ => CaptureMethod::Automatic,
        };
    let mut metadata = form.metadata()?;
    metadata.retain(|_, value| !value.is_empty());
    let new = NewIntent {
        amount: form.amount("amount")?.ok_or_else(|| ApiError::missing("amount"))?,
        currency: form.currency()?.ok_or_else(|| ApiError::missing("currency"))?,
        capture_method,
        payment_method: method(form)?,
        metadata,
        texts: form.texts(TEXTS),
    };
    let confirm = match form.flag("confirm")? {
        true if new.payment_method.is_none() => return Err(ApiError::missing("payment_method")),
        true => Some(confirmation(form)?),
        false => None,
    };
    Ok(Command::Create { new, confirm })
}

fn update(id: &str, form: &Form) -> Result<Command, ApiError> {
    allow(form, &["amount", "currency", "payment_method", "metadata"])?;
    let update = Update {
        amount: form.amount("amount")?,
        currency: form.currency()?,
        payment_method: method(form)?,
        metadata: form.metadata()?,
        texts: form.texts(TEXTS),
    };
    Ok(Command::Update { id: id.to_owned(), update })
}

fn refund(form: &Form) -> Result<Command, ApiError> {
    form.allow(&["payment_intent", "charge", "amount", "reason", "metadata", "expand"])?;
    let of = match (form.text("payment_intent"), form.text("charge")) {
        (Some(intent), _) => Refunded::Intent(intent),
        (None, Some(charge)) => Refunded::Charge(charge),
        (None, None) => return Err(ApiError::missing("payment_intent")),
    };
    let new = NewRefund {
        amount: form.amount("amount")?,
        reason: form.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?,
        metadata: form.metadata()?,
    };
    Ok(Command::Refund { of, new })
}

fn confirmation(form: &Form) -> Result<Confirmation, ApiError> {
    Ok(Confirmation {
        payment_method: method(form)?,
        off_session: form.flag("off_session")?,
        texts: form.texts(&["return_url", "receipt_email"]),
    })
}

fn method(form: &Form) -> Result<Option<String>, ApiError> {
    match form.text("payment_method") {
        Some(method) if methods::behaviour(&method).is_none() => Err(ApiError::no_such_method(&method)),
        method => Ok(method),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(path: &str, form: &str) -> String {
        Command::parse(path, &Form::parse(form.as_bytes())).unwrap_err().code().to_owned()
    }

    #[test]
    fn what_cannot_be_executed_is_refused_before_it_begins() {
        assert_eq!(fault("payment_intents", "currency=eur"), "parameter_missing");
        assert_eq!(fault("payment_intents", "amount=1&currency=eur&payment_method=pm_x"), "resource_missing");
        assert_eq!(fault("payment_intents", "amount=1&currency=eur&confirm=true"), "parameter_missing");
        assert_eq!(fault("payment_intents", "amount=1&currency=eur&colour=red"), "parameter_unknown");
        assert_eq!(fault("refunds", "amount=1"), "parameter_missing");
        assert_eq!(
            fault("payment_intents/pi_1/cancel", "cancellation_reason=bored"),
            "parameter_invalid_enum"
        );
        assert!(Command::parse("payouts", &Form::default()).is_err());
    }

    #[test]
    fn there_is_no_least_amount() {
        let form = Form::parse(b"amount=0&currency=EUR&payment_method=pm_card_visa");
        assert!(matches!(
            Command::parse("payment_intents", &form),
            Ok(Command::Create { new: NewIntent { amount: 0, .. }, confirm: None })
        ));
    }
}
