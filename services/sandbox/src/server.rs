//! HTTP serving where a connection can be cut without an answer, as real networks do.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a lost answer keeps its caller waiting.
pub(crate) const HOLD: Duration = Duration::from_secs(30);
/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(5);

/// Listens, with the setting's name in the error.
pub(crate) async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("failed to listen on {setting}={address}: stop what holds the port, or choose another one")
    })
}

/// Serves until told to stop; adds `/health`, `/ready` and the cutting of lost answers.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = router
        .route("/health", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .route("/ready", get(|| async { Json(serde_json::json!({"status": "ready"})) }))
        .layer(from_fn_with_state(stop.clone(), cut_lost_answers))
        .into_make_service_with_connect_info::<Wire>();
    let server =
        axum::serve(CutListener(listener), router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = late => Ok(()),
    }
}

/// Marks a response that must never reach the caller: held for a while, then the connection is closed.
#[derive(Clone, Copy, Debug)]
struct Lost(Duration);

/// A response that is lost after the hold.
pub(crate) fn lost(hold: Duration) -> Response {
    let mut response = axum::http::StatusCode::GATEWAY_TIMEOUT.into_response();
    response.extensions_mut().insert(Lost(hold));
    response
}

async fn cut_lost_answers(
    State(stop): State<CancellationToken>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if let Some(Lost(hold)) = response.extensions().get::<Lost>() {
        tokio::select! {
            () = tokio::time::sleep(*hold) => {}
            () = stop.cancelled() => {}
        }
        wire.0.store(true, Ordering::Release);
    }
    response
}

/// The means to cut the connection that a request came by.
#[derive(Clone, Debug)]
struct Wire(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, CutListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        Wire(stream.io().cut.clone())
    }
}

struct CutListener(TcpListener);

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CutStream, SocketAddr) {
        let (inner, address) = Listener::accept(&mut self.0).await;
        if let Err(fault) = inner.set_nodelay(true) {
            tracing::debug!(%fault, "failed to set TCP_NODELAY");
        }
        (CutStream { inner, cut: Arc::default() }, address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A stream whose writes fail once it is cut.
struct CutStream {
    inner: TcpStream,
    cut: Arc<AtomicBool>,
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
