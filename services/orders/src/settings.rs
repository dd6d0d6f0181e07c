//! The settings of this service.

use clap::Args;

/// What this service needs to know.
#[derive(Args, Clone, Debug)]
#[group(id = "orders")]
pub struct Settings {
    /// The namespace in which orders that come through REST are placed.
    #[arg(long, env = "SHOP_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub shop_namespace: String,
}
