//! What all answers carry, whoever made them.

use std::any::Any;

use anyhow::Context as _;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rest::Problem;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::REQUEST_ID;
use crate::settings::Settings;

/// Which pages may call, by the setting.
///
/// # Errors
/// When an origin is none.
pub(crate) fn cors(settings: &Settings) -> anyhow::Result<CorsLayer> {
    let origins = settings
        .cors_origins
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(|origin| {
            let url: url::Url = origin.parse().ok().filter(url::Url::has_host).with_context(|| {
                format!(
                    "the setting CORS_ORIGINS has {origin:?}, which is no origin; give it by environment or flag, for \
                     example CORS_ORIGINS=https://shop.example.com"
                )
            })?;
            HeaderValue::from_str(&url.origin().ascii_serialization()).context("an origin is no header")
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let names = ["idempotency-key", "last-event-id", "x-request-id"].map(HeaderName::from_static);
    let told =
        ["idempotent-replayed", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"]
            .map(HeaderName::from_static);
    let plain = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_NONE_MATCH, header::IF_MATCH];
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(names.into_iter().chain(plain).collect::<Vec<_>>())
        .expose_headers(told.into_iter().chain([header::ETAG, header::RETRY_AFTER]).collect::<Vec<_>>())
        .allow_credentials(true))
}

/// Takes away a request id that could not stand in a log line.
pub(crate) async fn check_request_id(mut request: Request, next: Next) -> Response {
    let fits = |value: &HeaderValue| {
        value.to_str().is_ok_and(|id| {
            (1..=100).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
    };
    if request.headers().get(REQUEST_ID).is_some_and(|value| !fits(value)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// What keeps browsers from doing more than they are asked to.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let is_page = request.uri().path().starts_with("/api/docs");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = if is_page {
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; \
         frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // What is not said to be kept is about someone.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refusals of the ground below the services, put as problems too.
pub(crate) async fn speak_in_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let told = kind.is_some_and(|kind| kind.contains("json"));
    let detail = match response.status() {
        _ if told => return response,
        StatusCode::NOT_FOUND => "there is nothing at this address: see /api/docs",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take this method: see /api/docs",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this route reads",
        StatusCode::GATEWAY_TIMEOUT => {
            "it took too long: send the same request again, under the same Idempotency-Key"
        }
        StatusCode::BAD_REQUEST => "the request cannot be read",
        _ => return response,
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut problem = Problem::new(response.status(), detail);
    if let Some(allow) = allow {
        problem = problem.with_header(header::ALLOW, allow);
    }
    problem.into_response()
}

/// Writes down what became of a request under its id, which whoever asked has too: failures of ours always, the rest where the log
/// is to say more.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = std::time::Instant::now();
    let response = next.run(request).await;
    let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    let (status, took) = (response.status().as_u16(), began.elapsed());
    if response.status().is_server_error() {
        tracing::warn!(request_id = id, %method, path, status, ?took, "a request failed");
    } else {
        tracing::debug!(request_id = id, %method, path, status, ?took, "a request was answered");
    }
    response
}

/// A panic is our defect: said so, without its words.
#[allow(clippy::needless_pass_by_value, reason = "the form that the layer asks for")]
pub(crate) fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    tracing::error!("a request panicked: {words}");
    let detail = "something is wrong on our side: it is in the log under this answer's x-request-id";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
