//! The one binary of Supercargo: `supercargo run ROLE…` carries any set of roles; the other commands ask them.

mod answer;
mod audit;
mod cli;
mod commands;
mod restore;
mod roles;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Two providers of cryptography are compiled in by the libraries; which one serves must be said before the first use.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        answer::fault("failed to start: a provider of cryptography was chosen before");
        return ExitCode::FAILURE;
    }
    let cli = cli::Cli::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::run(cli.command)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            answer::fault(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
