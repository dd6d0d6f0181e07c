//! The HTTP edge of the carrier.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::execute::{Command, read_service, read_shipment};
use super::model::{Books, Shipment};
use super::{Carrier, render};
use crate::common::{fingerprint, lock, now_millis, presents_key};
use crate::faults::inject;
use crate::idempotency::{Begin, LONGEST_KEY, SavedAnswer};

type Shared = State<Arc<Carrier>>;

/// The API, the books, labels and tracking pages.
pub(super) fn router(carrier: &Arc<Carrier>) -> Router {
    Router::new()
        .route("/v2/shipments", post(create).get(shipments))
        .route("/v2/shipments/{id}", get(shipment))
        .route("/v2/shipments/{id}/buy", post(buy))
        .route("/v2/shipments/{id}/refund", post(refund))
        .route("/v2/trackers", get(trackers))
        .route("/v2/trackers/{id}", get(tracker))
        .route("/v2/{*rest}", get(nothing).post(nothing))
        .layer(from_fn_with_state(carrier.clone(), check_key))
        .layer(from_fn_with_state(carrier.faults.clone(), inject))
        .layer(DefaultBodyLimit::max(1024 * 1024))
        .route("/books", get(totals))
        .route("/track/{code}", get(track))
        .route("/labels/{name}", get(label))
        .with_state(carrier.clone())
}

async fn check_key(State(carrier): Shared, request: Request, next: Next) -> Response {
    match presents_key(request.headers(), &carrier.key) {
        true => next.run(request).await,
        false => ApiError::unauthorized().into_response(),
    }
}

async fn nothing(Path(rest): Path<String>) -> ApiError {
    ApiError::not_found("endpoint", &format!("/v2/{rest}"))
}

async fn create(State(carrier): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = read_json(&body)?;
    let asked = fingerprint(["create", &body.to_string()]);
    let command = Command::Create(Box::new(read_shipment(body)?));
    perform(&carrier, &headers, asked, command).await
}

async fn buy(
    State(carrier): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = if body.is_empty() { Value::Null } else { read_json(&body)? };
    let asked = fingerprint(["buy", &id, &body.to_string()]);
    let rate = body["rate"]["id"].as_str().and_then(|rate| rate.rsplit('_').next()).map(str::to_owned);
    let service = read_service(body["service"].as_str().map(str::to_owned).or(rate))?;
    perform(&carrier, &headers, asked, Command::Buy { id, service }).await
}

async fn refund(
    State(carrier): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = fingerprint(["refund", &id]);
    perform(&carrier, &headers, asked, Command::Refund { id }).await
}

fn read_json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|fault| ApiError::malformed(format!("The body is not JSON: {fault}.")))
}

async fn perform(
    carrier: &Arc<Carrier>,
    headers: &HeaderMap,
    asked: String,
    command: Command,
) -> Result<Response, ApiError> {
    let internal = |fault: anyhow::Error| ApiError::internal(&fault);
    let key = match headers.get("idempotency-key").map(HeaderValue::to_str) {
        None | Some(Ok("")) => None,
        Some(Ok(key)) if key.len() <= LONGEST_KEY => Some(key),
        Some(_) => {
            return Err(ApiError::invalid(
                "Idempotency-Key",
                "must be at most 255 characters of printable ASCII",
            ));
        }
    };
    let Some(key) = key else {
        let (status, body) = carrier.commit(None, command).map_err(internal)?;
        carrier.journal.durable().await.map_err(internal)?;
        return Ok(answer(status, body));
    };
    match carrier.keys.begin(key, &asked, now_millis()) {
        Begin::Mismatch => Err(ApiError::key_conflict(key)),
        Begin::InUse => Err(ApiError::key_in_use(key)),
        Begin::Fresh(running) => {
            let (status, body) = carrier.commit(Some((key, &asked)), command).map_err(internal)?;
            carrier.journal.durable().await.map_err(internal)?;
            drop(running);
            Ok(answer(status, body))
        }
        Begin::Replay(span) => {
            carrier.journal.durable().await.map_err(internal)?;
            let saved: SavedAnswer = carrier.journal.read(span, "answer", key).map_err(internal)?;
            let mut response = answer(saved.status, saved.body);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

fn answer(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Reads the books and answers once what was read is durable.
async fn look<T>(carrier: &Carrier, read: impl FnOnce(&Books) -> Result<T, ApiError>) -> Result<T, ApiError> {
    let found = read(&lock(&carrier.books));
    carrier.journal.durable().await.map_err(|fault| ApiError::internal(&fault))?;
    found
}

async fn shipment(State(carrier): Shared, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = look(&carrier, |books| {
        let shipment = books.find(&id).ok_or_else(|| ApiError::not_found("shipment", &id))?;
        Ok(render::shipment(shipment, now_millis(), &carrier.base))
    });
    found.await.map(Json)
}

#[derive(Deserialize)]
struct Filter {
    reference: Option<String>,
    tracking_code: Option<String>,
    page_size: Option<usize>,
    before_id: Option<String>,
}

fn page<'a>(
    newest_first: impl Iterator<Item = &'a Shipment>,
    filter: &Filter,
    id: impl Fn(&Shipment) -> Option<&str>,
) -> (Vec<&'a Shipment>, bool) {
    let size = filter.page_size.unwrap_or(20).clamp(1, 100);
    let mut rest = newest_first
        .skip_while(|shipment| filter.before_id.as_deref().is_some_and(|before| id(shipment) != Some(before)))
        .skip(usize::from(filter.before_id.is_some()));
    let found: Vec<&Shipment> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    (found, more)
}

async fn shipments(State(carrier): Shared, Query(filter): Query<Filter>) -> Result<Json<Value>, ApiError> {
    let found = look(&carrier, |books| {
        let (page, more) = match &filter.reference {
            Some(reference) => {
                page(books.of_reference(reference).rev(), &filter, |shipment| Some(&shipment.id))
            }
            None => page(books.shipments().iter().rev(), &filter, |shipment| Some(&shipment.id)),
        };
        let now = now_millis();
        let shapes: Vec<Value> =
            page.into_iter().map(|shipment| render::shipment(shipment, now, &carrier.base)).collect();
        Ok(json!({"shipments": shapes, "has_more": more}))
    });
    found.await.map(Json)
}

fn tracker_shape(carrier: &Carrier, shipment: &Shipment) -> Option<Value> {
    let booking = shipment.booking.as_ref()?;
    Some(render::tracker(shipment, booking, &shipment.history(now_millis()), &carrier.base))
}

async fn tracker(State(carrier): Shared, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = look(&carrier, |books| {
        let shape = books.find_tracker(&id).and_then(|shipment| tracker_shape(&carrier, shipment));
        shape.ok_or_else(|| ApiError::not_found("tracker", &id))
    });
    found.await.map(Json)
}

async fn trackers(State(carrier): Shared, Query(filter): Query<Filter>) -> Result<Json<Value>, ApiError> {
    let found = look(&carrier, |books| {
        let code = filter.tracking_code.as_deref();
        let tracked = books.shipments().iter().rev().filter(|shipment| {
            let booking = shipment.booking.as_ref();
            booking.is_some_and(|booking| code.is_none_or(|code| booking.tracking_code == code))
        });
        let (page, more) = page(tracked, &filter, |shipment| {
            shipment.booking.as_ref().map(|booking| booking.tracker_id.as_str())
        });
        let shapes: Vec<Value> =
            page.into_iter().filter_map(|shipment| tracker_shape(&carrier, shipment)).collect();
        Ok(json!({"trackers": shapes, "has_more": more}))
    });
    found.await.map(Json)
}

async fn totals(State(carrier): Shared) -> Result<Json<Value>, ApiError> {
    let pending = carrier.courier.pending();
    let found = look(&carrier, |books| {
        let now = now_millis();
        let mut statuses: BTreeMap<&str, u64> = BTreeMap::new();
        for shipment in books.shipments() {
            *statuses.entry(shipment.status_name(now)).or_default() += 1;
        }
        let shipped = |shipment: &&Shipment| shipment.booking.is_some() && shipment.cancelled_at.is_none();
        let twice: Vec<&String> = books
            .references()
            .filter(|reference| books.of_reference(reference).filter(shipped).count() > 1)
            .collect();
        Ok(json!({
            "shipments": books.shipments().len(),
            "byStatus": statuses,
            "references": books.references().count(),
            "referencesShippedTwice": twice,
            "webhooksPending": pending,
        }))
    });
    found.await.map(Json)
}

async fn track(State(carrier): Shared, Path(code): Path<String>) -> Result<String, ApiError> {
    look(&carrier, |books| {
        let shipment = books.find_tracker(&code).ok_or_else(|| ApiError::not_found("tracker", &code))?;
        let line = |step: &super::tracking::Step| {
            format!(
                "{}  {:<16}  {}\n",
                crate::common::rfc3339(step.at),
                step.status.name(),
                step.status.message()
            )
        };
        let steps: String = shipment.history(now_millis()).iter().map(line).collect();
        Ok(format!("Parcel {code}\n\n{steps}"))
    })
    .await
}

async fn label(State(carrier): Shared, Path(name): Path<String>) -> Result<String, ApiError> {
    let id = name.trim_end_matches(".txt");
    look(&carrier, |books| {
        let shipment = books.find(id).ok_or_else(|| ApiError::not_found("label", id))?;
        let code = shipment.booking.as_ref().ok_or_else(|| ApiError::not_found("label", id))?;
        let to = &shipment.to_address;
        let lines = [
            to.name.as_deref().unwrap_or_default(),
            &to.street1,
            to.street2.as_deref().unwrap_or_default(),
            &format!("{} {}", to.zip.as_deref().unwrap_or_default(), to.city),
            &to.country,
        ];
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
        Ok(format!("{}\n\n{}\n", code.tracking_code, lines.join("\n")))
    })
    .await
}
