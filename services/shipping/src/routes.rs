//! `POST /api/v1/webhooks/carrier`: the carrier says that a parcel moved. A webhook is a hint: its signature is checked and
//! the parcel made due, the truth is asked of the carrier.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chassis::Store;
use events::TraceParent;
use jiff::Timestamp;
use rest::{Operation, Problem};
use serde::Deserialize;

use crate::easypost::TrackerShape;
use crate::signature::{SignatureError, verify};
use crate::store;

/// The name under which the inbox remembers webhooks.
const CONSUMER: &str = "carrier-webhook";

struct Hooks {
    store: Store,
    secret: String,
}

/// What the document says of it.
pub(crate) fn operation() -> (String, String, Operation) {
    let operation = Operation::new("webhooks", "carrierWebhook", "The carrier tells that a parcel moved.")
        .reads_signed(&[
            ("X-Timestamp", "When it was signed, in seconds since 1970."),
            (
                "X-Hmac-Signature",
                "`hmac-sha256-hex=HMAC`: HMAC-SHA256 of `TIMESTAMP.BODY` in hex, under the webhook secret.",
            ),
        ])
        .answers_raw(204, "It is taken, or was before.", &[])
        .refuses(401, "The signature does not hold.");
    ("/webhooks/carrier".to_owned(), "post".to_owned(), operation)
}

/// The route of the webhook.
pub fn router(store: Store, secret: String) -> Router {
    Router::new()
        .route("/api/v1/webhooks/carrier", post(receive))
        .with_state(Arc::new(Hooks { store, secret }))
}

/// Why a webhook is not taken; each variant's doc says what it answers.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    /// 401.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// 400.
    #[error("the event cannot be read: {0}")]
    Malformed(#[source] serde_json::Error),
    /// 503: the carrier tells it again.
    #[error("the database failed; send it again")]
    Database(#[from] sqlx::Error),
}

impl IntoResponse for WebhookError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Signature(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        tracing::warn!(source = ?std::error::Error::source(&self), "a webhook of the carrier is not taken: {self}");
        Problem::new(status, self.to_string()).into_response()
    }
}

#[derive(Deserialize)]
struct WebhookEvent {
    id: String,
    description: String,
    result: serde_json::Value,
}

async fn receive(State(hooks): State<Arc<Hooks>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = take(&hooks, &headers, &body, chassis::clock::now()).await;
    let label = match &outcome {
        Ok(label) => *label,
        Err(WebhookError::Signature(_)) => "unsigned",
        Err(WebhookError::Malformed(_)) => "malformed",
        Err(WebhookError::Database(_)) => "failed",
    };
    metrics::counter!("supercargo_shipping_webhooks_total", "outcome" => label).increment(1);
    match outcome {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}

async fn take(
    hooks: &Hooks,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<&'static str, WebhookError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signed = (text("x-timestamp"), text("x-hmac-signature"));
    verify(&hooks.secret, signed.0, signed.1, body, chassis::clock::outside())?;
    let event: WebhookEvent = serde_json::from_slice(body).map_err(WebhookError::Malformed)?;
    if !event.description.starts_with("tracker.") {
        return Ok("ignored");
    }
    let shape: TrackerShape = serde_json::from_value(event.result).map_err(WebhookError::Malformed)?;
    let mut transaction = hooks.store.begin().await?;
    if !transaction.first_time(CONSUMER, &event.id).await? {
        return Ok("repeated");
    }
    let reference = match shape.reference.clone() {
        Some(reference) => Some(reference),
        None => store::reference_of_in_tx(&mut transaction, &shape.tracking_code).await?,
    };
    let Some((order_id, attempt)) = reference.as_deref().and_then(parse_reference) else {
        return Ok("unknown");
    };
    let tracker = shape.tracker();
    let hinted = store::hint_in_tx(&mut transaction, order_id, attempt, tracker.details.last(), now).await?;
    transaction.about("webhook", order_id);
    if hinted {
        transaction.schedule(order_id, now).await?;
    }
    transaction.commit().await?;
    let trace = TraceParent::of_order(order_id);
    tracing::debug!(
        order = order_id,
        trace_id = trace.trace_id(),
        event = event.id,
        hinted,
        "the carrier tells of a parcel"
    );
    Ok(if hinted { "hinted" } else { "known" })
}

fn parse_reference(reference: &str) -> Option<(&str, i64)> {
    match reference.rsplit_once('/') {
        Some((order_id, attempt)) => attempt.parse().ok().map(|attempt| (order_id, attempt)),
        None => Some((reference, 1)),
    }
}
