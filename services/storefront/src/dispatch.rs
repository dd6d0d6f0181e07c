//! A request goes to its owner.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use rest::Problem;
use tower::ServiceExt;

use crate::owners::owner_of;
use crate::proxy::Proxy;

/// Knows where services are.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    /// The routes of the roles in this process.
    pub(crate) local: Router,
    /// Their names.
    pub(crate) here: Arc<BTreeSet<String>>,
    /// The way to the others.
    pub(crate) proxy: Proxy,
}

pub(crate) async fn dispatch(State(dispatcher): State<Dispatcher>, request: Request) -> Response {
    let Some(owner) = owner_of(request.uri().path()) else {
        return Problem::absent("there is nothing at this address: see /api/docs").into_response();
    };
    let began = std::time::Instant::now();
    let response = if dispatcher.here.contains(owner.name()) {
        match dispatcher.local.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    } else {
        dispatcher.proxy.pass(owner, request).await
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("supercargo_http_requests_total", "service" => owner.name(), "status" => status)
        .increment(1);
    metrics::histogram!("supercargo_http_request_seconds", "service" => owner.name())
        .record(began.elapsed().as_secs_f64());
    response
}
