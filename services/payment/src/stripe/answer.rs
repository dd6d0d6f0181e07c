//! What an HTTP answer means.

use reqwest::StatusCode;
use serde::de::DeserializeOwned;

use super::wire::{ErrorBody, WireError};
use crate::machine::Refusal;
use crate::provider::ProviderError;

/// An answer that arrived whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub status: StatusCode,
    /// True when it was saved at an earlier call with the same key.
    pub replayed: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// Why no answer arrived.
pub(crate) fn not_arrived(error: &reqwest::Error) -> ProviderError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    // Without a connection nothing was sent; nor was what could not even be built.
    if error.is_connect() || error.is_builder() {
        ProviderError::Unavailable(text)
    } else {
        ProviderError::Unknown(text)
    }
}

/// Reads an answer as what was asked for.
pub(crate) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body)
            .map_err(|error| ProviderError::Unknown(format!("the answer cannot be read: {error}")));
    }
    Err(error_of(answer))
}

fn error_of(answer: &Answer) -> ProviderError {
    let status = answer.status;
    let error = serde_json::from_slice::<ErrorBody>(&answer.body).ok().map(|body| body.error);
    let words = error.as_ref().and_then(|error| error.message.clone()).unwrap_or_default();
    let text = format!("{} {words}", status.as_u16());
    if status.is_server_error() {
        let saved = answer.replayed;
        return if saved { ProviderError::Unknown(text) } else { ProviderError::Interrupted(text) };
    }
    match (status, error) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => ProviderError::Unavailable(format!(
            "{text} (STRIPE_KEY is refused: give the secret key of the account at STRIPE_URL)"
        )),
        (StatusCode::PAYMENT_REQUIRED, Some(error)) => {
            let (refusal, intent) = judged(error);
            ProviderError::Declined { refusal, intent }
        }
        (StatusCode::BAD_REQUEST, Some(error)) if error.kind == "idempotency_error" => {
            ProviderError::KeyTaken(text)
        }
        (StatusCode::BAD_REQUEST, Some(error)) => {
            let (refusal, intent) = judged(error);
            ProviderError::Refused { refusal, intent }
        }
        (StatusCode::NOT_FOUND, Some(error)) if error.param.as_deref() == Some("payment_method") => {
            let (refusal, intent) = judged(error);
            ProviderError::Refused { refusal, intent }
        }
        (_, _) => ProviderError::Unavailable(text),
    }
}

fn judged(mut error: WireError) -> (Refusal, Option<Box<crate::provider::Intent>>) {
    let intent = error.payment_intent.take().and_then(|intent| intent.read().ok()).map(Box::new);
    (error.refusal(), intent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::IntentStatus;
    use crate::stripe::wire::WireIntent;

    fn of(status: u16, replayed: bool, body: &str) -> ProviderError {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            replayed,
            body: body.as_bytes().to_vec(),
        };
        read::<WireIntent>(&answer).unwrap_err()
    }

    const INTENT: &str = r#"{"id": "pi_1", "status": "canceled", "amount": 3180, "currency": "eur"}"#;

    #[test]
    fn a_decline_has_its_decline_code_as_reason_else_its_code() {
        let body = r#"{"error": {"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "No."}}"#;
        let ProviderError::Declined { refusal, intent } = of(402, false, body) else { panic!() };
        assert_eq!((refusal, intent), (Refusal::new("lost_card", "No."), None));
        let body = r#"{"error": {"type": "card_error", "code": "expired_card", "message": "Old."}}"#;
        let ProviderError::Declined { refusal, .. } = of(402, false, body) else { panic!() };
        assert_eq!(refusal.reason, "expired_card");
    }

    #[test]
    fn a_refusal_shows_the_intent_as_it_is() {
        let body = format!(
            r#"{{"error": {{"type": "invalid_request_error", "code": "payment_intent_unexpected_state", "payment_intent": {INTENT}}}}}"#
        );
        let ProviderError::Refused { intent: Some(intent), .. } = of(400, false, &body) else { panic!() };
        assert_eq!(intent.status, IntentStatus::Canceled);
        assert_eq!(intent.amount.to_string(), "31.80 EUR");
    }

    #[test]
    fn an_outage_is_never_a_decline() {
        let api_error = r#"{"error": {"type": "api_error", "message": "Sorry."}}"#;
        for status in [500, 502, 503, 504] {
            assert_eq!(of(status, false, api_error).category(), "interrupted", "{status}");
            assert_eq!(of(status, true, api_error).category(), "unknown", "{status}");
        }
        for status in [302, 401, 403, 404, 409, 418, 429] {
            assert_eq!(of(status, false, api_error).category(), "unavailable", "{status}");
        }
        assert_eq!(of(400, false, "<html>no</html>").category(), "unavailable");
        assert_eq!(of(402, false, "<html>no</html>").category(), "unavailable");
        assert_eq!(of(200, false, "<html>yes</html>").category(), "unknown");
        let taken = r#"{"error": {"type": "idempotency_error"}}"#;
        assert_eq!(of(400, false, taken).category(), "key_taken");
    }
}
