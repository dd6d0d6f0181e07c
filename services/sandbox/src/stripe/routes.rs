//! The HTTP edge: who is calling, which key, which answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};

use super::commands::Command;
use super::errors::ApiError;
use super::form::Form;
use super::intents::Answer;
use super::{Keep, Stripe, execute, lists};
use crate::common::{fingerprint, fresh_id, lock, now_millis, presents_key};
use crate::faults::inject;
use crate::idempotency::{Begin, LONGEST_KEY, Running, SavedAnswer};
use crate::server::{HOLD, lost};

/// The API, the books.
pub(super) fn router(stripe: &Arc<Stripe>) -> Router {
    Router::new()
        .route("/v1/{*path}", any(handle))
        .layer(from_fn_with_state(stripe.faults.clone(), inject))
        .layer(DefaultBodyLimit::max(1024 * 1024))
        .route("/books", get(totals))
        .route("/books/orders", get(orders))
        .with_state(stripe.clone())
}

async fn handle(
    State(stripe): State<Arc<Stripe>>,
    method: Method,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = path.trim_end_matches('/');
    if !presents_key(&headers, &stripe.key) {
        return refuse(&stripe, &ApiError::unauthorized());
    }
    let answered = match method {
        Method::GET => read(&stripe, path, uri.query().unwrap_or_default()).await,
        Method::POST => post(&stripe, path, &headers, &body).await,
        other => Err(ApiError::no_such_url(other.as_str(), uri.path())),
    };
    answered.unwrap_or_else(|error| refuse(&stripe, &error))
}

async fn read(stripe: &Arc<Stripe>, path: &str, query: &str) -> Result<Response, ApiError> {
    let body = lists::read(stripe, path, &Form::parse(query.as_bytes()))?;
    // Nothing is shown that a crash could take back.
    stripe.journal.durable().await.map_err(|fault| ApiError::internal(&fault))?;
    let body = match body {
        lists::Found::Shape(shape) => shape,
        lists::Found::Events(events) => {
            lists::events(stripe, events).map_err(|fault| ApiError::internal(&fault))?
        }
    };
    Ok(answer(200, body.to_string(), None))
}

async fn post(
    stripe: &Arc<Stripe>,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if is_json {
        let message = "The request body is JSON: send it as application/x-www-form-urlencoded.";
        return Err(ApiError::unreadable(message));
    }
    let form = Form::parse(body);
    let command = Command::parse(path, &form)?;
    let now = now_millis();
    let Some(key) = idempotency_key(headers)? else {
        return perform(stripe, command, None, now).await;
    };
    let asked = fingerprint([path].into_iter().chain(form.canonical()));
    match stripe.keys.begin(key, &asked, now) {
        Begin::Fresh(running) => perform(stripe, command, Some((running, asked)), now).await,
        Begin::Mismatch => Err(ApiError::idempotency(key)),
        Begin::InUse => Err(ApiError::key_in_use(key)),
        Begin::Replay(span) => {
            stripe.journal.durable().await.map_err(|fault| ApiError::internal(&fault))?;
            let saved: SavedAnswer =
                stripe.journal.read(span, "answer", key).map_err(|fault| ApiError::internal(&fault))?;
            let mut response = answer(saved.status, saved.body, Some(key));
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(key) if key.len() <= LONGEST_KEY => Ok(Some(key)),
        _ => Err(ApiError::unreadable(format!(
            "Idempotency keys must be at most {LONGEST_KEY} characters long, of printable ASCII."
        ))),
    }
}

async fn perform(
    stripe: &Arc<Stripe>,
    command: Command,
    running: Option<(Running, String)>,
    now: i64,
) -> Result<Response, ApiError> {
    let keep = running.as_ref().map(|(running, fingerprint)| Keep {
        key: running.key().to_owned(),
        fingerprint: fingerprint.clone(),
    });
    let base = stripe.base.clone();
    let change = stripe
        .commit(keep.as_ref(), now, |books| execute::execute(books, command, now, &base))
        .map_err(|fault| ApiError::internal(&fault))?;
    stripe.journal.durable().await.map_err(|fault| ApiError::internal(&fault))?;
    drop(running);
    Ok(match change.answer {
        Answer::Given => {
            answer(change.status, change.body.to_string(), keep.as_ref().map(|keep| keep.key.as_str()))
        }
        Answer::Lost | Answer::NeverArrived => lost(HOLD),
    })
}

fn refuse(stripe: &Stripe, error: &ApiError) -> Response {
    answer(error.status, error.body(&stripe.base).to_string(), None)
}

fn answer(status: u16, body: String, key: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(&fresh_id("req")) {
        headers.insert("request-id", id);
    }
    if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        headers.insert("idempotency-key", key);
    }
    if status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Stripe\""));
    }
    response
}

async fn totals(State(stripe): State<Arc<Stripe>>) -> Response {
    let mut totals = lock(&stripe.books).totals();
    totals["webhooksPending"] = json!(stripe.courier.pending());
    when_durable(&stripe, totals).await
}

#[derive(serde::Deserialize)]
struct OrderFilter {
    order: Option<String>,
}

async fn orders(State(stripe): State<Arc<Stripe>>, Query(filter): Query<OrderFilter>) -> Response {
    let orders = lock(&stripe.books).orders(filter.order.as_deref());
    when_durable(&stripe, orders).await
}

async fn when_durable(stripe: &Stripe, shape: Value) -> Response {
    match stripe.journal.durable().await {
        Ok(()) => Json(shape).into_response(),
        Err(fault) => refuse(stripe, &ApiError::internal(&fault)),
    }
}
