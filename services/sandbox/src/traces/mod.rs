//! A collector of traces: OTLP over HTTP in, JSON and a tree for people out. It keeps the newest spans in memory only.

mod store;
mod tree;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::json;

use self::store::Store;

/// As much as a batch of an exporter may be.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const PROTOBUF: &str = "application/x-protobuf";

/// The collector.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    store: Store,
}

impl Traces {
    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/traces", post(collect).layer(DefaultBodyLimit::max(MOST_BYTES)))
            .route("/traces/{id}", get(one))
            .route("/traces/{id}/tree", get(as_tree))
            .with_state(self.clone())
    }
}

async fn collect(State(traces): State<Arc<Traces>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with(PROTOBUF) {
        let message = format!("{kind:?} is not understood here: send {PROTOBUF}");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(json!({"error": {"message": message}})))
            .into_response();
    }
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            traces.store.keep(request);
            let all_taken = ExportTraceServiceResponse::default().encode_to_vec();
            ([(header::CONTENT_TYPE, PROTOBUF)], all_taken).into_response()
        }
        Err(fault) => {
            let message = format!("The spans cannot be read: {fault}.");
            (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": message}}))).into_response()
        }
    }
}

/// An order id is a trace id with dashes.
fn trace_id(text: &str) -> String {
    text.replace('-', "").to_ascii_lowercase()
}

async fn one(State(traces): State<Arc<Traces>>, Path(id): Path<String>) -> Response {
    match traces.store.trace(&trace_id(&id)) {
        Some(spans) => Json(json!({"traceId": trace_id(&id), "spans": spans})).into_response(),
        None => missing(&id),
    }
}

async fn as_tree(State(traces): State<Arc<Traces>>, Path(id): Path<String>) -> Response {
    match traces.store.trace(&trace_id(&id)) {
        Some(spans) => tree::draw(&spans).into_response(),
        None => missing(&id),
    }
}

fn missing(id: &str) -> Response {
    let message = format!(
        "No span of the trace {id:?} is here: was it made with OTEL_EXPORTER_OTLP_ENDPOINT at this address, since the sandbox was started?"
    );
    (StatusCode::NOT_FOUND, Json(json!({"error": {"message": message}}))).into_response()
}
