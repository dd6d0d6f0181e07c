//! The mailbox by HTTP.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::store::{Filter, Message};
use super::{Mailbox, page};

type Shared = State<Arc<Mailbox>>;

/// What a page may load: nothing but its own style, and pictures that come inside the mail.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data: cid:; frame-src 'self'; form-action 'self'; \
                      base-uri 'none'";

/// All routes.
pub(super) fn router(mailbox: &Arc<Mailbox>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/view/{id}", get(view))
        .route("/messages", get(list).delete(clear))
        .route("/messages.json", get(list))
        .route("/api/messages", get(list).delete(clear))
        .route("/api/v1/messages", get(list_like_mailpit).delete(clear))
        .route("/messages/{id}", get(one))
        .route("/messages/{id}/raw", get(raw))
        .with_state(mailbox.clone())
}

/// What can go wrong: 404 for a message that is not there, 500 for books that cannot be read.
enum Refusal {
    NotFound(String),
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(fault: anyhow::Error) -> Self {
        Refusal::Internal(fault)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Refusal::NotFound(id) => (StatusCode::NOT_FOUND, format!("There is no message {id:?}.")),
            Refusal::Internal(fault) => {
                tracing::error!(fault = format!("{fault:#}"), "request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{fault:#}"))
            }
        };
        (status, Json(json!({"error": {"message": message}}))).into_response()
    }
}

fn html(text: String) -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(text)).into_response()
}

async fn home(
    State(mailbox): Shared,
    Query(mut filter): Query<Filter>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/html") {
        return Ok(Json(mailbox.store.list(&filter).await?).into_response());
    }
    filter.limit = Some(filter.limit.unwrap_or(page::SHOWN));
    let messages = mailbox.store.list(&filter).await?;
    Ok(html(page::list(&messages, &filter)))
}

async fn list(State(mailbox): Shared, Query(filter): Query<Filter>) -> Result<Json<Vec<Message>>, Refusal> {
    Ok(Json(mailbox.store.list(&filter).await?))
}

async fn find(mailbox: &Mailbox, id: &str) -> Result<(Message, Vec<u8>), Refusal> {
    let missing = || Refusal::NotFound(id.to_owned());
    let number: u64 = id.parse().map_err(|_| missing())?;
    mailbox.store.get(number).await?.ok_or_else(missing)
}

async fn view(State(mailbox): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (message, _) = find(&mailbox, &id).await?;
    Ok(html(page::message(&message)))
}

async fn one(State(mailbox): Shared, Path(id): Path<String>) -> Result<Json<Message>, Refusal> {
    let (message, _) = find(&mailbox, &id).await?;
    Ok(Json(message))
}

async fn raw(State(mailbox): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (_, raw) = find(&mailbox, &id).await?;
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, raw).into_response())
}

async fn clear(State(mailbox): Shared) -> Result<StatusCode, Refusal> {
    mailbox.store.clear().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_like_mailpit(
    State(mailbox): Shared,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, Refusal> {
    let messages = mailbox.store.list(&filter).await?;
    let shapes: Vec<Value> = messages
        .iter()
        .map(|message| {
            let text = message.text.as_deref().unwrap_or_default();
            let to: Vec<Value> =
                message.to.iter().map(|address| json!({"Name": "", "Address": address})).collect();
            json!({
                "ID": message.id,
                "MessageID": message.message_id.as_deref().map(|id| id.trim_matches(['<', '>'])),
                "From": {"Name": "", "Address": message.from},
                "To": to,
                "Subject": message.subject,
                "Created": message.received_at,
                "Size": message.size,
                "Snippet": text.chars().take(200).collect::<String>(),
            })
        })
        .collect();
    Ok(Json(json!({"total": shapes.len(), "count": shapes.len(), "start": 0, "messages": shapes})))
}
