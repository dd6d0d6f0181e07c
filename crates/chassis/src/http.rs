//! The HTTP server of the process: health, readiness, metrics, and what the roles serve.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{Health, HealthCheck, Metrics, Settings};

/// The HTTP server of a process: there from the first moment, so that whoever looks can tell a process that waits for its
/// dependencies from one that is dead. What the roles serve follows once they have started.
pub struct Server {
    routes: Arc<OnceLock<Router>>,
    started: HealthCheck,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    /// Listens on `HTTP_ADDR`, and serves until `stop`.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn listen(
        settings: &Settings,
        health: Health,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = bind(settings.http_addr).await?;
        let started = health.check("roles");
        let routes: Arc<OnceLock<Router>> = Arc::default();
        let of_roles = routes.clone();
        let router = Router::new()
            .route("/health", get(|| async { "ok\n" }))
            .route("/ready", get(move || ready(health.clone())))
            .route("/metrics", get(move || render(metrics.clone())))
            .fallback(move |request| pass(of_roles.clone(), request));
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        let serving = tokio::spawn(async move { serving.await.context("failed to serve HTTP") });
        Ok(Self { routes, started, serving })
    }

    /// Serves the roles' routes from now on; ends with the server.
    pub(crate) async fn with(self, routes: Router) -> anyhow::Result<()> {
        let _ = self.routes.set(routes);
        self.started.ready();
        self.serving.await.context("the HTTP server panicked")?
    }
}

/// Binds `address`, so that a taken port stops the start.
async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("failed to listen on HTTP_ADDR={address}: choose a free port, for example 127.0.0.1:8081")
    })
}

async fn pass(routes: Arc<OnceLock<Router>>, request: Request) -> Response {
    match routes.get() {
        Some(routes) => match routes.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        },
        None => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
    }
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
