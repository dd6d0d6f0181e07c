//! The settings of this service.

use clap::Args;

/// What this service needs to know.
#[derive(Args, Clone, Debug)]
#[group(id = "catalog")]
pub struct Settings {
    /// How much memory pictures on their way to clients may take, in mebibytes; who asks for more waits, and is sent away.
    #[arg(long, env = "IMAGE_MEMORY", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=1_000_000), value_name = "MIB")]
    pub image_memory: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image_memory: 256 }
    }
}
