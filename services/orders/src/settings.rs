//! The settings of this service.

use clap::Args;

/// What this service needs to know.
#[derive(Args, Clone, Debug)]
#[group(id = "orders")]
pub struct Settings {
    /// The namespace in which orders that come through REST are placed.
    #[arg(long, env = "SHOP_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub shop_namespace: String,
    /// How many streams of orders a replica has open at the same time.
    #[arg(long, env = "LIVE_STREAMS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub live_streams: u32,
    /// How many of them one user may have.
    #[arg(long, env = "LIVE_STREAMS_PER_USER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub live_streams_per_user: u32,
}
