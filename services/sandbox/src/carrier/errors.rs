//! Refusals in EasyPost's shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One refusal; each constructor's doc says what it answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub status: u16,
    code: &'static str,
    message: String,
    fields: Vec<(String, String)>,
    /// Whether the request had begun to execute, so that its key keeps this answer.
    pub executed: bool,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), fields: Vec::new(), executed: false }
    }

    /// 401: no key, or a wrong one.
    pub fn unauthorized() -> ApiError {
        ApiError::new(401, "APIKEY.UNAUTHORIZED", "The API key is missing or wrong: present CARRIER_KEY.")
    }

    /// 404: no such shipment or tracker.
    pub fn not_found(what: &str, id: &str) -> ApiError {
        ApiError::new(404, "NOT_FOUND", format!("There is no {what} {id:?}."))
    }

    /// 400: not JSON, or not of this shape.
    pub fn malformed(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "PARAMETERS.MALFORMED", message)
    }

    /// 422: a field is not there.
    pub fn required(field: &str) -> ApiError {
        let mut error = ApiError::new(422, "PARAMETER.REQUIRED", format!("{field} is required."));
        error.fields.push((field.to_owned(), "is required".to_owned()));
        error
    }

    /// 422: a field is wrong.
    pub fn invalid(field: &str, fault: &str) -> ApiError {
        let mut error = ApiError::new(422, "PARAMETER.INVALID", format!("{field} {fault}."));
        error.fields.push((field.to_owned(), fault.to_owned()));
        error
    }

    /// 422: nobody can deliver there, ever.
    pub fn undeliverable() -> ApiError {
        let mut error = ApiError::new(422, "ADDRESS.VERIFY.FAILURE", "The address cannot be delivered to.");
        error.fields.push(("to_address.street1".to_owned(), "Address not found".to_owned()));
        error.executed = true;
        error
    }

    /// 422: the carrier has the parcel already.
    pub fn too_late(status: &str) -> ApiError {
        let message = format!("The label cannot be refunded: the parcel is {status}.");
        let mut error = ApiError::new(422, "SHIPMENT.REFUND.UNAVAILABLE", message);
        error.executed = true;
        error
    }

    /// 422: a refunded shipment cannot be bought.
    pub fn refunded() -> ApiError {
        let message = "The shipment was refunded: create another one.";
        let mut error = ApiError::new(422, "SHIPMENT.POSTAGE.FAILURE", message);
        error.executed = true;
        error
    }

    /// 422: the key was used for something else.
    pub fn key_conflict(key: &str) -> ApiError {
        let message = format!("The idempotency key {key:?} was used for another request.");
        ApiError::new(422, "IDEMPOTENCY.CONFLICT", message)
    }

    /// 409: the first request with this key is still being executed.
    pub fn key_in_use(key: &str) -> ApiError {
        let message = format!("A request with the idempotency key {key:?} is under way: try again later.");
        ApiError::new(409, "IDEMPOTENCY.IN_USE", message)
    }

    /// 500: the sandbox itself failed.
    pub fn internal(fault: &anyhow::Error) -> ApiError {
        tracing::error!(fault = format!("{fault:#}"), "request failed");
        ApiError::new(500, "INTERNAL_SERVER_ERROR", format!("{fault:#}"))
    }

    /// The body.
    pub fn body(&self) -> Value {
        let fields: Vec<Value> = self
            .fields
            .iter()
            .map(|(field, message)| json!({"field": field, "message": message, "suggestion": null}))
            .collect();
        json!({"error": {"code": self.code, "message": self.message, "errors": fields}})
    }

    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.body())).into_response()
    }
}

/// An injected fault in EasyPost's shape.
pub(crate) fn injected(status: StatusCode) -> Response {
    let message = "The request failed: a fault that was asked for at /faults.";
    (status, Json(json!({"error": {"code": "FAULT.INJECTED", "message": message, "errors": []}})))
        .into_response()
}
