//! Where the facts are. Each failure names the source that could not be read.

pub mod kubernetes;
pub mod ledgers;
pub mod provider;
pub mod streams;

use anyhow::Context as _;
use async_nats::jetstream;

pub use kubernetes::Cluster;
pub use ledgers::Ledgers;
pub use provider::Provider;

/// Every source.
pub struct Sources {
    /// The resources.
    pub cluster: Cluster,
    /// The services' databases.
    pub ledgers: Ledgers,
    /// The provider's books; absent when no key was given.
    pub provider: Option<Provider>,
    /// NATS, for questions.
    pub nats: async_nats::Client,
    /// The streams.
    pub jetstream: jetstream::Context,
}

/// A connection to NATS; fails instead of waiting.
pub async fn connect_nats(settings: &chassis::NatsSettings) -> anyhow::Result<async_nats::Client> {
    let (servers, options) = settings.servers()?;
    options
        .name("supercargo audit")
        .connection_timeout(std::time::Duration::from_secs(5))
        .request_timeout(Some(std::time::Duration::from_secs(10)))
        .connect(servers)
        .await
        .context("could not check the streams: NATS does not answer at NATS_URL")
}
