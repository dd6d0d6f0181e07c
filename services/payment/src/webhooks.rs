//! `POST /api/v1/webhooks/stripe`: the provider tells that something happened.
//!
//! A webhook is believed for its signature, taken once for its event id, and used as a hint alone: the attempt is asked
//! about by id, so that the order in which webhooks and answers arrive makes no difference.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chassis::Store;
use jiff::Timestamp;
use rest::{Operation, Problem};
use schemars::JsonSchema;
use serde::Serialize;

use crate::machine::{PartState, Stage};
use crate::provider::IntentStatus;
use crate::store;
use crate::stripe::{WebhookEvent, verify};

/// The greatest webhook that is read.
const BODY_LIMIT: usize = 1024 * 1024;
/// The name in the inbox.
const CONSUMER: &str = "stripe-webhook";

#[derive(Clone)]
struct Webhooks {
    store: Store,
    secret: String,
}

/// A webhook was taken.
#[derive(Serialize, JsonSchema)]
struct Received {
    /// True.
    received: bool,
}

/// What the document says of it.
pub(crate) fn operation() -> (String, String, Operation) {
    let signature = "`t=SECONDS,v1=HMAC`: HMAC-SHA256 of `SECONDS.BODY` in hex, under the webhook secret.";
    let operation =
        Operation::new("webhooks", "stripeWebhook", "The payment provider tells that something happened.")
            .reads_signed(&[("Stripe-Signature", signature)])
            .answers::<Received>(200, "It is taken, or was before.");
    ("/webhooks/stripe".to_owned(), "post".to_owned(), operation)
}

/// The routes of the service.
pub fn router(store: Store, secret: String) -> Router {
    Router::new()
        .route("/api/v1/webhooks/stripe", post(receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Webhooks { store, secret })
}

/// What became of a webhook, for the metrics.
enum Outcome {
    Taken,
    NoNews,
    Repeated,
    Adopted,
    NotOurs,
}

async fn receive(
    State(webhooks): State<Webhooks>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            return Problem::new(rejection.status(), rejection.body_text()).into_response();
        }
    };
    let now = chassis::clock::now();
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    if let Err(error) = verify(&webhooks.secret, signature, &body, chassis::clock::outside()) {
        return Problem::new(StatusCode::BAD_REQUEST, format!("the webhook is not believed: {error}"))
            .into_response();
    }
    let event: WebhookEvent = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, format!("the webhook cannot be read: {error}"))
                .into_response();
        }
    };
    match take(&webhooks.store, &event, now).await {
        Ok(outcome) => {
            let label = match outcome {
                Outcome::Taken => "taken",
                Outcome::NoNews => "no_news",
                Outcome::Repeated => "repeated",
                Outcome::Adopted => "adopted",
                Outcome::NotOurs => "not_ours",
            };
            metrics::counter!("supercargo_payment_webhooks_total", "outcome" => label).increment(1);
            tracing::debug!(event = event.id, kind = event.kind, outcome = label, "webhook");
            Json(Received { received: true }).into_response()
        }
        Err(error) => {
            tracing::warn!(
                event = event.id,
                "failed to keep a webhook; the provider will send it again: {error}"
            );
            let detail = "the webhook could not be kept: send it again in a moment".to_owned();
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

async fn take(store: &Store, event: &WebhookEvent, now: Timestamp) -> Result<Outcome, sqlx::Error> {
    let object = &event.data.object;
    let Some(intent) = object.intent() else { return Ok(Outcome::NotOurs) };
    let mut tx = store.begin().await?;
    if !tx.first_time(CONSUMER, &event.id).await? {
        return Ok(Outcome::Repeated);
    }
    if let Some((refund, failed)) = object.refund()
        && let Some(found) = store::find_part_in_tx(&mut tx, refund).await?
    {
        let news = is_news_of_part(found.state, failed);
        if news {
            tx.about("webhook", &found.order_id);
            store::ask_about_part_in_tx(&mut tx, &found, &event.id, now).await?;
        }
        tx.commit().await?;
        return Ok(if news { Outcome::Taken } else { Outcome::NoNews });
    }
    let outcome = match store::find_attempt_in_tx(&mut tx, intent).await? {
        Some(found) => {
            if let Some((_, true)) = object.refund() {
                for part in store::asked_parts_in_tx(&mut tx, &found.order_id, found.attempt).await? {
                    store::ask_about_part_in_tx(&mut tx, &part, &event.id, now).await?;
                }
            }
            let news = match object.refund() {
                Some((refund, failed)) => {
                    is_news_of_refund(found.stage, found.refund.as_deref(), refund, failed)
                }
                None => is_news(found.stage, object.status()),
            };
            if news {
                tracing::debug!(
                    order = found.order_id,
                    event = event.id,
                    kind = event.kind,
                    "the provider has news"
                );
                tx.about("webhook", &found.order_id);
                store::ask_in_tx(&mut tx, &found.order_id, found.attempt, &event.id, now).await?;
            }
            if news { Outcome::Taken } else { Outcome::NoNews }
        }
        // Money under an order of ours that none of its attempts asked for.
        None => match object.order_id().filter(|_| object.status().is_some_and(IntentStatus::holds_money)) {
            Some(order) if store::adopt_in_tx(&mut tx, order, intent, &event.id, now).await? => {
                tracing::warn!(
                    order,
                    intent,
                    event = event.id,
                    "a charge that nobody asked for: it is given back"
                );
                Outcome::Adopted
            }
            Some(_) | None => return Ok(Outcome::NotOurs),
        },
    };
    tx.commit().await?;
    Ok(outcome)
}

/// Whether an intent of that status may be news for an attempt at that stage. A charge comes with an event of its intent.
pub(crate) fn is_news(stage: Stage, status: Option<IntentStatus>) -> bool {
    let Some(status) = status else { return false };
    match stage {
        Stage::Captured | Stage::Refunding | Stage::Refunded => false,
        Stage::Void => status == IntentStatus::Succeeded,
        Stage::Declined => status != IntentStatus::RequiresPaymentMethod,
        Stage::ActionRequired => status != IntentStatus::RequiresAction,
        Stage::Authorized => status != IntentStatus::RequiresCapture,
        Stage::Unknown => status != IntentStatus::Processing,
        Stage::Planned | Stage::Created | Stage::Checking | Stage::Uncharged => true,
    }
}

/// Whether a refund may be news for an attempt at that stage, whose own refund is `known`. One that failed may be that which
/// was just made, and whose answer is not stored yet.
pub(crate) fn is_news_of_refund(stage: Stage, known: Option<&str>, refund: &str, failed: bool) -> bool {
    match stage {
        Stage::Refunding => known == Some(refund),
        Stage::Refunded => failed && known == Some(refund),
        Stage::Captured => failed,
        Stage::Planned
        | Stage::Created
        | Stage::Checking
        | Stage::Unknown
        | Stage::Uncharged
        | Stage::ActionRequired
        | Stage::Authorized
        | Stage::Declined
        | Stage::Void => false,
    }
}

/// Whether a refund may be news for a part in that state.
const fn is_news_of_part(state: PartState, failed: bool) -> bool {
    match state {
        PartState::Pending => true,
        PartState::Given => failed,
        PartState::Asked | PartState::Refused => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_already_is_no_news() {
        assert!(!is_news(Stage::Captured, Some(IntentStatus::Succeeded)));
        assert!(!is_news(Stage::Declined, Some(IntentStatus::RequiresPaymentMethod)));
        assert!(!is_news(Stage::Void, Some(IntentStatus::Canceled)));
        assert!(!is_news(Stage::Created, None));
        assert!(is_news(Stage::Created, Some(IntentStatus::Succeeded)), "before the answer of the API");
        assert!(is_news(Stage::ActionRequired, Some(IntentStatus::Succeeded)));
        assert!(is_news(Stage::Void, Some(IntentStatus::Succeeded)), "money that came late");
    }

    #[test]
    fn of_refunds_the_own_one_is_news_when_it_moves() {
        assert!(is_news_of_refund(Stage::Refunding, Some("re_1"), "re_1", false), "it has arrived");
        assert!(is_news_of_refund(Stage::Refunded, Some("re_1"), "re_1", true), "it came back");
        assert!(!is_news_of_refund(Stage::Refunded, Some("re_1"), "re_1", false), "as known");
        assert!(!is_news_of_refund(Stage::Refunded, Some("re_2"), "re_1", true), "an older one");
        assert!(is_news_of_refund(Stage::Captured, None, "re_1", true), "before the answer of the API");
        assert!(!is_news_of_refund(Stage::Void, None, "re_1", true));
    }
}
