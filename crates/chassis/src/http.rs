//! The HTTP server of the process: health, readiness, metrics, and what the roles serve.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Health, Metrics};

/// Binds `address`, so that a taken port stops the start.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("failed to listen on HTTP_ADDR={address}: choose a free port, for example 127.0.0.1:8081")
    })
}

/// Serves until `stop`, then finishes what is under way.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    health: Health,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = routes
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(move || ready(health.clone())))
        .route("/metrics", get(move || render(metrics.clone())));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("failed to serve HTTP")
}

async fn ready(health: Health) -> impl IntoResponse {
    let faults = health.faults();
    if faults.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines: String = faults.into_iter().map(|(name, fault)| format!("{name}: {fault}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn render(metrics: Metrics) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4")], metrics.render())
}
