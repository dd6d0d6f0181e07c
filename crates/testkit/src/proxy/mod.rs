//! A proxy in front of the API server that can be told to misbehave.
//!
//! It listens on plain HTTP and brings its own credentials, so that a process gets a kubeconfig that leads through it.
//! Faults are set at any moment and touch what is under way too: watch events are delayed, dropped and repeated, answers
//! are lost after the request was executed, connections are severed, or nothing passes at all while every connection stays
//! open.

mod lines;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use kube::client::Body as KubeBody;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use lines::EventFaults;

/// How the proxy misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyFaults {
    /// What happens to events of watches.
    pub events: EventFaults,
    /// Of a thousand requests that are no watches, so many are executed and their answer is lost with the connection.
    pub lost_answers: u32,
    /// Nothing passes, in neither direction, and no connection ends: a cut cable.
    pub silent: bool,
}

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Requests, watches included.
    pub requests: u64,
    /// Events of watches that were dropped, repeated or delayed.
    pub disturbed_events: u64,
    /// Answers that were lost.
    pub lost_answers: u64,
}

/// The running proxy; it ends when this is dropped.
pub struct ApiProxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::task::JoinHandle<()>,
}

struct Shared {
    upstream: kube::Client,
    faults: watch::Sender<ProxyFaults>,
    severed: watch::Sender<u64>,
    random: Mutex<StdRng>,
    requests: AtomicU64,
    disturbed_events: AtomicU64,
    lost_answers: AtomicU64,
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cut(String);

type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

impl ApiProxy {
    /// Starts one in front of the API server of `config`; its dice are thrown by `seed`.
    ///
    /// # Errors
    /// When there is no port, or no client can be made.
    pub async fn start(mut config: kube::Config, seed: u64) -> anyhow::Result<Self> {
        crate::stack::choose_cryptography();
        config.proxy_url = None;
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(3));
        config.read_timeout = None;
        let upstream = kube::Client::try_from(config).context("failed to make the proxy's client")?;
        let listener = TcpListener::bind(crate::free_address()).await.context("failed to listen")?;
        let address = listener.local_addr().context("a listener without an address")?;
        let shared = Arc::new(Shared {
            upstream,
            faults: watch::Sender::new(ProxyFaults::default()),
            severed: watch::Sender::new(0),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            requests: AtomicU64::new(0),
            disturbed_events: AtomicU64::new(0),
            lost_answers: AtomicU64::new(0),
        });
        let listening = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, listening })
    }

    /// A kubeconfig that leads through it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy", "namespace": "default"}}],
        })
        .to_string()
    }

    /// Misbehaves like this from now on; the default is not to.
    pub fn set(&self, faults: ProxyFaults) {
        self.shared.faults.send_replace(faults);
    }

    /// Ends every connection now, in the middle of whatever it carries.
    pub fn sever(&self) {
        self.shared.severed.send_modify(|count| *count += 1);
    }

    /// What has passed since it began.
    #[must_use]
    pub fn passed(&self) -> Passed {
        Passed {
            requests: self.shared.requests.load(Ordering::Relaxed),
            disturbed_events: self.shared.disturbed_events.load(Ordering::Relaxed),
            lost_answers: self.shared.lost_answers.load(Ordering::Relaxed),
        }
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.sever();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(carry(stream, shared.clone()))),
            // Out of descriptors: others end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn carry(stream: TcpStream, shared: Arc<Shared>) {
    let mut severed = shared.severed.subscribe();
    let answering = shared.clone();
    let service = service_fn(move |request| answering.clone().answer(request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A connection that breaks is what this is for.
        _ = connection => {}
        _ = severed.changed() => {}
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Cut> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.until_it_passes().await;
        let watches = is_watch(request.uri().query());
        let (mut parts, body) = request.into_parts();
        for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        let body = body.collect().await.map_err(|error| Cut(error.to_string()))?.to_bytes();
        let forwarded = Request::from_parts(parts, KubeBody::from(body));
        let answer = self.upstream.send(forwarded).await.map_err(|error| Cut(error.to_string()))?;
        self.until_it_passes().await;
        let lost_answers = self.faults.borrow().lost_answers;
        if !watches && self.happens(lost_answers) {
            self.lost_answers.fetch_add(1, Ordering::Relaxed);
            return Err(Cut("the answer is lost".into()));
        }
        let (mut parts, body) = answer.into_parts();
        parts.headers.remove(header::TRANSFER_ENCODING);
        let chunks = TryStreamExt::map_err(BodyStream::new(body), |error| Cut(error.to_string()))
            .try_filter_map(|frame| async { Ok(frame.into_data().ok()) });
        let shared = self.clone();
        let passing = if watches {
            lines::disturbed(chunks.boxed(), shared).left_stream()
        } else {
            chunks.right_stream()
        };
        Ok(Response::from_parts(parts, self.gated(passing)))
    }

    /// A body of `chunks`, none of which passes while nothing passes.
    fn gated(
        self: Arc<Self>,
        chunks: impl Stream<Item = Result<Bytes, Cut>> + Send + 'static,
    ) -> UnsyncBoxBody<Bytes, Cut> {
        let frames = chunks.then(move |chunk| {
            let shared = self.clone();
            async move {
                shared.until_it_passes().await;
                chunk.map(Frame::data)
            }
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }

    async fn until_it_passes(&self) {
        // The sender lives as long as this does.
        let _ = self.faults.subscribe().wait_for(|faults| !faults.silent).await;
    }

    /// Throws the dice: true in `permille` of a thousand cases.
    fn happens(&self, permille: u32) -> bool {
        permille > 0
            && self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..1000) < permille
    }

    fn any_below(&self, bound: usize) -> usize {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..bound.max(1))
    }
}

fn is_watch(query: Option<&str>) -> bool {
    let pairs = query.unwrap_or_default().split('&');
    pairs.into_iter().any(|pair| pair == "watch=true" || pair == "watch=1")
}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_told_by_its_query() {
        assert!(is_watch(Some("limit=5&watch=true")));
        assert!(!is_watch(Some("limit=5&allowWatchBookmarks=true")));
        assert!(!is_watch(None));
    }
}
