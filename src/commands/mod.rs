//! The commands: each asks the services and writes one answer.

mod accounts;
mod catalog;
pub mod cluster;
mod dead_letters;
mod generate;
mod migrate;
mod order;
mod orders;
mod ready;
mod repair;
mod stock;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chassis::NatsSettings;

use crate::cli::Command;
use crate::{audit, roles};

/// How long a command waits for a service.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Carries out the command. An audit has exit codes of its own; every other one has done what it was to do, or failed.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Run(arguments) => roles::run(*arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Ready(arguments) => ready::run(arguments).await,
        Command::Crds(arguments) => generate::definitions(&arguments),
        Command::Schemas(arguments) => generate::schemas(&arguments),
        Command::Openapi => generate::openapi(),
        Command::Catalog(arguments) => catalog::run(arguments.command).await,
        Command::Stock(arguments) => stock::run(arguments).await,
        Command::Order(arguments) => order::run(arguments.command).await,
        Command::Orders(arguments) => orders::run(arguments.command).await,
        Command::DeadLetters(arguments) => dead_letters::run(arguments.command).await,
        Command::Accounts(arguments) => accounts::run(arguments.command).await,
        Command::Audit(arguments) => return Ok(audit::run(*arguments).await),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// A connection to NATS, where the services are asked.
pub async fn connect(nats: &NatsSettings) -> anyhow::Result<async_nats::Client> {
    let (servers, options) = nats.servers()?;
    options
        .name("supercargo command line")
        .connection_timeout(Duration::from_secs(5))
        .connect(servers)
        .await
        .context(
            "failed to reach NATS at NATS_URL: start the shop (make up) or set NATS_URL (source .dev/env)",
        )
}
