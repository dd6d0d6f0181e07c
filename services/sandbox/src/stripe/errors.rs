//! Refusals in Stripe's shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::methods::CardError;
use super::model::Intent;
use super::render;

/// One refusal; each constructor's doc says what it answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub status: u16,
    /// Whether the request had begun to execute, so that its key keeps this answer.
    pub executed: bool,
    detail: Box<Detail>,
}

#[derive(Clone, Debug, PartialEq)]
struct Detail {
    kind: &'static str,
    code: Option<String>,
    message: String,
    param: Option<String>,
    card: Option<CardError>,
    intent: Option<Intent>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&str>, message: impl Into<String>) -> ApiError {
        let (code, message) = (code.map(str::to_owned), message.into());
        let detail = Box::new(Detail { kind, code, message, param: None, card: None, intent: None });
        ApiError { status, executed: false, detail }
    }

    /// 400: a parameter is wrong.
    pub fn parameter(code: &str, param: &str, message: impl Into<String>) -> ApiError {
        let mut error = ApiError::new(400, "invalid_request_error", Some(code), message);
        error.detail.param = Some(param.to_owned());
        error
    }

    /// 400: a parameter is not there.
    pub fn missing(param: &str) -> ApiError {
        ApiError::parameter("parameter_missing", param, format!("Missing required param: {param}."))
    }

    /// 404: no such object.
    pub fn not_found(kind: &str, param: &str, id: &str) -> ApiError {
        let mut error = ApiError::parameter("resource_missing", param, format!("No such {kind}: '{id}'"));
        error.status = 404;
        error
    }

    /// 400: no such payment method.
    pub fn no_such_method(method: &str) -> ApiError {
        let message = format!("No such PaymentMethod: '{method}'");
        ApiError::parameter("resource_missing", "payment_method", message)
    }

    /// 400: the intent's status does not allow it; the intent is inside.
    pub fn unexpected_state(intent: &Intent, message: impl Into<String>) -> ApiError {
        let code = Some("payment_intent_unexpected_state");
        let mut error = ApiError::new(400, "invalid_request_error", code, message);
        error.detail.intent = Some(intent.clone());
        error.executed = true;
        error
    }

    /// 400: refused by what the books say.
    pub fn refused(code: &str, param: &str, message: impl Into<String>) -> ApiError {
        let mut error = ApiError::parameter(code, param, message);
        error.executed = true;
        error
    }

    /// 402: the card says no; the intent is inside.
    pub fn card(card: CardError, intent: &Intent) -> ApiError {
        let mut error = ApiError::new(402, "card_error", Some(&card.code), card.message.clone());
        error.detail.card = Some(card);
        error.detail.intent = Some(intent.clone());
        error.executed = true;
        error
    }

    /// 401: no key, or a wrong one.
    pub fn unauthorized() -> ApiError {
        let message = "Invalid API Key provided. Present STRIPE_KEY in the Authorization header, as 'Bearer \
                       YOUR_SECRET_KEY' or as the user of basic authentication.";
        ApiError::new(401, "invalid_request_error", None, message)
    }

    /// 400: the key was used for something else.
    pub fn idempotency(key: &str) -> ApiError {
        let message = format!(
            "Keys for idempotent requests can only be used with the same endpoint and parameters they were first used \
             with. Try using a key other than '{key}' if you meant to execute a different request."
        );
        ApiError::new(400, "idempotency_error", None, message)
    }

    /// 409: the first request with this key is still being executed.
    pub fn key_in_use(key: &str) -> ApiError {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key '{key}'. Please try again later."
        );
        ApiError::new(409, "invalid_request_error", Some("idempotency_key_in_use"), message)
    }

    /// 400: the request as a whole cannot be read.
    pub fn unreadable(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "invalid_request_error", None, message)
    }

    /// 404: no such endpoint.
    pub fn no_such_url(method: &str, path: &str) -> ApiError {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        ApiError::new(404, "invalid_request_error", None, message)
    }

    /// 503 while an order's method is unavailable.
    pub fn unavailable() -> ApiError {
        ApiError::new(503, "api_error", None, "The service is unavailable for the moment. Please try again.")
    }

    /// 500: the sandbox itself failed.
    pub fn internal(fault: &anyhow::Error) -> ApiError {
        tracing::error!(fault = format!("{fault:#}"), "request failed");
        ApiError::new(500, "api_error", None, format!("{fault:#}"))
    }

    /// The body, with next actions' links below `base`.
    pub fn body(&self, base: &str) -> Value {
        let Detail { kind, code, message, param, card, intent } = self.detail.as_ref();
        let mut error = json!({"type": kind, "message": message});
        let mut set = |name: &str, value: Value| error[name] = value;
        if let Some(code) = code {
            set("code", json!(code));
            set("doc_url", json!(format!("https://docs.stripe.com/error-codes#{}", code.replace('_', "-"))));
        }
        if let Some(param) = param {
            set("param", json!(param));
        }
        if let Some(card) = card {
            if let Some(decline_code) = &card.decline_code {
                set("decline_code", json!(decline_code));
            }
            if let Some(charge) = &card.charge {
                set("charge", json!(charge));
            }
            set("payment_method", render::payment_method(&card.payment_method));
        }
        if let Some(intent) = intent {
            set("payment_intent", render::intent(intent, base));
        }
        json!({ "error": error })
    }

    #[cfg(test)]
    pub fn code(&self) -> &str {
        self.detail.code.as_deref().unwrap_or_default()
    }
}

/// An injected fault in Stripe's shape.
pub(crate) fn injected(status: StatusCode) -> Response {
    let message = "The request failed: a fault that was asked for at /faults.";
    (status, Json(json!({"error": {"type": "api_error", "message": message}}))).into_response()
}
