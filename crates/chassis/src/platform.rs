//! What a process is connected to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use events::streams;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::reconnect::{MadeAnew, watch_over_streams};
use crate::{Backoff, Health, SettingError, Settings};

/// The connections that all roles of a process share.
#[derive(Clone)]
pub struct Platform {
    /// The common settings.
    pub settings: Arc<Settings>,
    /// NATS, for questions and broadcasts.
    pub nats: async_nats::Client,
    /// JetStream, for commands and events.
    pub jetstream: jetstream::Context,
    /// Kubernetes.
    pub kubernetes: kube::Client,
    /// What is ready.
    pub health: Health,
    /// Cancelled when the process is to stop.
    pub stop: CancellationToken,
    /// Says when the streams were made anew.
    pub made_anew: MadeAnew,
}

impl Platform {
    /// Connects to NATS and Kubernetes; waits for them, saying so in the log and in `health`, until they are there or `stop` is cancelled.
    ///
    /// # Errors
    /// When a setting is wrong, or `stop` is cancelled first.
    pub async fn connect(
        settings: Settings,
        health: Health,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let check = health.check("connections");
        check.not_ready("waiting for NATS at NATS_URL");
        let connected = Arc::new(Notify::new());
        let nats = connect_nats(&settings, connected.clone(), &stop).await?;
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        check.not_ready("waiting for JetStream at NATS_URL");
        wait_for("JetStream at NATS_URL", &stop, || {
            ensure_streams(&jetstream, usize::from(settings.nats_replicas))
        })
        .await?;
        let replicas = usize::from(settings.nats_replicas);
        let made_anew = watch_over_streams(jetstream.clone(), replicas, connected, stop.clone());
        check.not_ready("waiting for the Kubernetes API server of KUBECONFIG");
        let kubernetes = connect_kubernetes(&stop).await?;
        check.ready();
        Ok(Self { settings: Arc::new(settings), nats, jetstream, kubernetes, health, stop, made_anew })
    }

    /// A client of its own connections, for what must know soon that the API server does not answer: it bounds each request
    /// itself, and needs connections that others do not keep busy.
    ///
    /// # Errors
    /// When the kubeconfig leads to no cluster.
    pub async fn impatient_kubernetes(&self) -> anyhow::Result<kube::Client> {
        // The bound on reads also ends connections that rest between two requests.
        let soon = Duration::from_secs(2);
        kubernetes_client(soon, Duration::from_secs(30), soon).await
    }
}

/// Tries `attempt` until it works, saying what is waited for.
pub(crate) async fn wait_for<T, F, Fut>(
    what: &str,
    stop: &CancellationToken,
    mut attempt: F,
) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let backoff = Backoff { initial: Duration::from_millis(200), maximum: Duration::from_secs(5) };
    for failures in 1.. {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if error.is::<SettingError>() => return Err(error),
            Err(error) => {
                let wait = backoff.wait(failures);
                tracing::warn!("waiting for {what}, next try in {wait:?}: {error:#}");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => anyhow::bail!("stopped while waiting for {what}"),
                }
            }
        }
    }
    anyhow::bail!("gave up waiting for {what}")
}

async fn connect_nats(
    settings: &Settings,
    connected: Arc<Notify>,
    stop: &CancellationToken,
) -> anyhow::Result<async_nats::Client> {
    wait_for("NATS at NATS_URL", stop, || {
        let connected = connected.clone();
        async move {
            let (servers, options) = settings.nats.servers()?;
            options
                .name("supercargo")
                .connection_timeout(Duration::from_secs(5))
                .request_timeout(Some(Duration::from_secs(5)))
                .ping_interval(Duration::from_secs(10))
                .reconnect_delay_callback(|attempts| {
                    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
                    Backoff { initial: Duration::from_millis(50), maximum: Duration::from_secs(2) }
                        .jittered(attempts)
                })
                .event_callback(move |event| {
                    let connected = connected.clone();
                    async move {
                        tracing::info!("NATS: {event}");
                        if event == async_nats::Event::Connected {
                            connected.notify_one();
                        }
                    }
                })
                .connect(servers)
                .await
                .context("failed to connect")
        }
    })
    .await
}

/// Makes the streams be there and as they should; also after the server has lost its data.
pub(crate) async fn ensure_streams(jetstream: &jetstream::Context, replicas: usize) -> anyhow::Result<()> {
    let common = Config {
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: Duration::from_secs(120),
        discard: DiscardPolicy::Old,
        ..Config::default()
    };
    let week = Duration::from_secs(7 * 24 * 3600);
    for config in [
        Config {
            name: streams::COMMANDS.into(),
            subjects: vec![streams::COMMANDS_SUBJECTS.into()],
            retention: RetentionPolicy::WorkQueue,
            description: Some("Work for the services; gone once acknowledged.".into()),
            ..common.clone()
        },
        Config {
            name: streams::EVENTS.into(),
            subjects: vec![streams::EVENTS_SUBJECTS.into()],
            retention: RetentionPolicy::Limits,
            max_age: week,
            description: Some("What has happened; orders copies it for ever.".into()),
            ..common.clone()
        },
        Config {
            name: streams::DEAD_LETTERS.into(),
            subjects: vec![streams::DEAD_LETTERS_SUBJECTS.into()],
            retention: RetentionPolicy::Limits,
            max_age: 13 * week,
            description: Some("Messages that could not be handled, with the error.".into()),
            ..common
        },
    ] {
        let name = config.name.clone();
        jetstream.create_or_update_stream(config).await.with_context(|| {
            format!("failed to ensure the stream {name}: is JetStream enabled on the server?")
        })?;
    }
    Ok(())
}

/// A client with timeouts of ours, and without the library's own retries: a repeated create would hide whether it
/// was ours, and one call could stall for minutes.
async fn connect_kubernetes(stop: &CancellationToken) -> anyhow::Result<kube::Client> {
    let (connect, read) = (Duration::from_secs(5), Duration::from_secs(330));
    let client = kubernetes_client(connect, read, Duration::from_secs(10)).await?;
    wait_for("the Kubernetes API server of KUBECONFIG", stop, || async {
        client.apiserver_version().await.map(|_| ()).context("failed to ask for its version")
    })
    .await?;
    Ok(client)
}

async fn kubernetes_client(
    connect: Duration,
    read: Duration,
    write: Duration,
) -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer().await.map_err(|error| SettingError {
        name: "KUBECONFIG".into(),
        fault: format!("leads to no cluster ({error}), and this is no pod"),
        example: "$HOME/.kube/config".into(),
    })?;
    config.default_retry = false;
    config.connect_timeout = Some(connect);
    config.read_timeout = Some(read);
    config.write_timeout = Some(write);
    kube::Client::try_from(config).context("failed to make a Kubernetes client from KUBECONFIG")
}
