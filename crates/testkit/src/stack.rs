//! The running stack and the connections to it.

use std::sync::Once;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;

/// What a test that finds no stack says.
const NO_STACK: &str = "set KUBECONFIG, SHOP_URL, NATS_URL, DATABASE_URL, STRIPE_URL, STRIPE_KEY, MAILBOX_URL, CARRIER_URL, \
                        CARRIER_KEY, STRIPE_WEBHOOK_SECRET and CARRIER_WEBHOOK_SECRET: run make test, or source .dev/env \
                        after make up";

/// The running stack: the addresses that `make up` leaves in `.dev/env`, and connections of this test's own.
#[derive(Clone)]
pub struct Stack {
    /// The real Kubernetes API.
    pub kubernetes: kube::Client,
    /// NATS, for questions.
    pub nats: async_nats::Client,
    /// JetStream, for commands and events.
    pub jetstream: jetstream::Context,
    /// HTTP, past any proxy.
    pub http: reqwest::Client,
    /// Where everything is.
    pub addresses: Addresses,
}

/// The addresses and secrets of the stack.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `SHOP_URL`.
    pub shop: String,
    /// `NATS_URL`.
    pub nats: String,
    /// `DATABASE_URL`.
    pub database: String,
    /// `STRIPE_URL`.
    pub stripe: String,
    /// `STRIPE_KEY`.
    pub stripe_key: String,
    /// `STRIPE_WEBHOOK_SECRET`.
    pub stripe_webhook_secret: String,
    /// `CARRIER_URL`.
    pub carrier: String,
    /// `CARRIER_KEY`.
    pub carrier_key: String,
    /// `CARRIER_WEBHOOK_SECRET`.
    pub carrier_webhook_secret: String,
    /// `MAILBOX_URL`.
    pub mailbox: String,
}

impl Addresses {
    fn from_env() -> anyhow::Result<Self> {
        setting("KUBECONFIG")?;
        Ok(Self {
            shop: setting("SHOP_URL")?,
            nats: setting("NATS_URL")?,
            database: setting("DATABASE_URL")?,
            stripe: setting("STRIPE_URL")?,
            stripe_key: setting("STRIPE_KEY")?,
            stripe_webhook_secret: setting("STRIPE_WEBHOOK_SECRET")?,
            carrier: setting("CARRIER_URL")?,
            carrier_key: setting("CARRIER_KEY")?,
            carrier_webhook_secret: setting("CARRIER_WEBHOOK_SECRET")?,
            mailbox: setting("MAILBOX_URL")?,
        })
    }
}

fn setting(name: &str) -> anyhow::Result<String> {
    match std::env::var(name) {
        Ok(value) if !value.trim().is_empty() => Ok(value),
        Ok(_) | Err(_) => anyhow::bail!("{name} is not set: {NO_STACK}"),
    }
}

impl Stack {
    /// Connects to the stack whose addresses are in the environment.
    ///
    /// # Errors
    /// When an address is missing, with what to do about it, or something does not answer.
    pub async fn from_env() -> anyhow::Result<Self> {
        let addresses = Addresses::from_env()?;
        let kubernetes = kubernetes().await?;
        let nats = async_nats::ConnectOptions::new()
            .name("supercargo tests")
            .connection_timeout(Duration::from_secs(10))
            .request_timeout(Some(Duration::from_secs(20)))
            .connect(&addresses.nats)
            .await
            .with_context(|| format!("failed to reach NATS at {}", addresses.nats))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .context("failed to make an HTTP client")?;
        Ok(Self { kubernetes, jetstream: jetstream::new(nats.clone()), nats, http, addresses })
    }
}

/// Two providers of cryptography are compiled in by the libraries; which one serves must be said before the first use.
pub(crate) fn choose_cryptography() {
    static CRYPTOGRAPHY: Once = Once::new();
    CRYPTOGRAPHY.call_once(|| {
        // Another one was chosen before: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A client of the cluster of `KUBECONFIG`.
pub(crate) async fn kubernetes() -> anyhow::Result<kube::Client> {
    choose_cryptography();
    let mut config = kube::Config::infer().await.context("failed to read KUBECONFIG")?;
    config.proxy_url = None;
    kube::Client::try_from(config).context("failed to make a client from KUBECONFIG")
}

/// `prefix-` and something that no other test has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", random.get(..10).unwrap_or_default())
}
