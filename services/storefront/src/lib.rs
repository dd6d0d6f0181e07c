//! The gateway: one address for the REST of all services.
//!
//! Requests go to the service that owns their path, in this process or over HTTP where it runs apart. In front of all of them:
//! rate limits, body limits, timeouts, request ids, CORS, security headers and compression. Who asks and whether they may is
//! judged by the services themselves, so that none of them depends on being reached this way.

mod bodies;
mod dispatch;
mod headers;
mod limits;
mod owners;
mod proxy;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use chassis::{Platform, Role};
use rest::Gate;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub use owners::{Owner, owner_of};
pub use settings::Settings;

use crate::dispatch::Dispatcher;
use crate::limits::Limits;

/// How long a service may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts the gateway in front of the roles named in `here`, which run in this process; the others are reached over HTTP.
/// `document` is what `/api/openapi.json` answers.
///
/// # Errors
/// When a setting is wrong.
pub async fn start(
    settings: Settings,
    platform: Platform,
    gate: Gate,
    here: BTreeSet<String>,
    document: Value,
) -> anyhow::Result<Role> {
    let cors = headers::cors(&settings)?;
    let limits = Arc::new(Limits::of(&settings, gate));
    let proxy = proxy::Proxy::new(&settings)?;
    let sweeping = limits.clone().sweep(platform.stop.clone());
    let front = move |local: Router| {
        let dispatcher = Dispatcher { local, here: Arc::new(here), proxy };
        Router::new()
            .route("/api/openapi.json", get(async move || axum::Json(document)))
            .merge(SwaggerUi::new("/api/docs").config(Config::from("/api/openapi.json")))
            .fallback(dispatch::dispatch)
            .with_state(dispatcher)
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
            .layer(RequestBodyLimitLayer::new(usize::try_from(bodies::LARGEST).unwrap_or(usize::MAX)))
            .layer(axum::middleware::from_fn(bodies::bound))
            .layer(CatchPanicLayer::custom(headers::after_panic))
            .layer(axum::middleware::from_fn(headers::speak_in_problems))
            // Outside of all that answers: every answer says what is left, also that something took too long.
            .layer(from_fn_with_state(limits, limits::hold))
            .layer(CompressionLayer::new())
            .layer(cors)
            .layer(axum::middleware::from_fn(headers::secure))
            .layer(axum::middleware::from_fn(headers::log))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(axum::middleware::from_fn(headers::check_request_id))
    };
    Ok(Role::new("storefront").in_front(front).doing("limits", sweeping))
}
