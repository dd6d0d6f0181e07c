//! The HTTP server of the process: health, readiness, metrics, and what the roles serve.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{Health, HealthCheck, Metrics, Settings};

/// How long a client may take until the head of its request is there, on a new connection as on one that is kept: who sends it
/// byte by byte, or nothing at all, would hold the connection for ever.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long no connection is accepted once the system has none left to give.
const OUT_OF_FILES: Duration = Duration::from_secs(1);

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
        let bounds = Bounds { connections: settings.http_connections, head_within: HEAD_WITHIN };
        let serving = tokio::spawn(serve(listener, router, bounds, stop));
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

/// What clients may take.
#[derive(Clone, Copy)]
struct Bounds {
    /// How many connections there are at the same time; more wait until they are accepted.
    connections: u32,
    head_within: Duration,
}

/// Serves `router` until `stop`, then finishes what is under way.
async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(usize::try_from(bounds.connections).unwrap_or(usize::MAX)));
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await.context("the slots of connections are closed")?;
            anyhow::Ok((slot, listener.accept().await))
        };
        let (slot, accepted) = tokio::select! {
            next = next => next?,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let carrying = carry(stream, peer, router.clone(), bounds.head_within, stop.clone());
                tokio::spawn(async move {
                    carrying.await;
                    drop(slot);
                });
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!("no connection can be accepted, will retry: {error}");
                tokio::time::sleep(OUT_OF_FILES).await;
            }
        }
    }
    drop(listener);
    let _finished = slots.acquire_many(bounds.connections).await;
    Ok(())
}

/// Carries one connection to its end.
async fn carry(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_within: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::trace!(%peer, "a connection broke: {error}");
    }
}

/// True of a failure that concerns the one connection that was to be accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HEAD: Duration = Duration::from_millis(300);
    const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn server(connections: u32) -> (SocketAddr, CancellationToken, JoinHandle<anyhow::Result<()>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(
            "/",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("{} is served", peer.ip())),
        );
        let stop = CancellationToken::new();
        let bounds = Bounds { connections, head_within: HEAD };
        (address, stop.clone(), tokio::spawn(serve(listener, router, bounds, stop)))
    }

    /// What arrives until the server closes, or a while is over.
    async fn heard(stream: &mut TcpStream, within: Duration) -> Option<String> {
        let mut all = Vec::new();
        let reading = stream.read_to_end(&mut all);
        let _closed = tokio::time::timeout(within, reading).await.ok()?;
        Some(String::from_utf8(all).unwrap())
    }

    #[tokio::test]
    async fn who_does_not_finish_the_head_of_a_request_loses_the_connection() {
        let (address, ..) = server(8).await;
        for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nhost: a\r\nx: "] {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(begun).await.unwrap();
            assert!(heard(&mut slow, HEAD * 10).await.is_some(), "still open after {begun:?}");
        }
        let mut kept = TcpStream::connect(address).await.unwrap();
        kept.write_all(WHOLE).await.unwrap();
        let heard = heard(&mut kept, HEAD * 10).await.expect("a connection that is kept idle is closed");
        assert!(heard.ends_with("127.0.0.1 is served"), "{heard}");
    }

    #[tokio::test]
    async fn one_more_than_there_may_be_waits_for_another_to_go() {
        let (address, ..) = server(1).await;
        let first = TcpStream::connect(address).await.unwrap();
        tokio::time::sleep(HEAD / 3).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(WHOLE).await.unwrap();
        let mut byte = [0];
        assert!(
            tokio::time::timeout(HEAD / 3, second.read(&mut byte)).await.is_err(),
            "served beyond the bound"
        );
        drop(first);
        assert_eq!(tokio::time::timeout(HEAD * 10, second.read(&mut byte)).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_server_that_stops_closes_what_is_idle_and_ends() {
        let (address, stop, serving) = server(8).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(WHOLE).await.unwrap();
        tokio::time::sleep(HEAD / 3).await;
        stop.cancel();
        serving.await.unwrap().unwrap();
        assert!(heard(&mut idle, HEAD).await.unwrap().ends_with("is served"));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
