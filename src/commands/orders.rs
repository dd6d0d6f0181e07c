//! `supercargo orders`.

use anyhow::Context as _;
use chassis::questions::ask;
use orders::reproject::{Progress, Reproject};

use super::connect;
use crate::answer;
use crate::cli::OrdersCommand;

/// A batch of some hundred orders.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

pub async fn run(command: OrdersCommand) -> anyhow::Result<()> {
    let OrdersCommand::Reproject { restart, reach } = command;
    let nats = connect(&reach).await?;
    let mut restart = restart;
    loop {
        let Progress { done, total, finished } = ask(&nats, &Reproject { restart }, PATIENCE).await.context(
            "failed to ask orders: is it running? Run the same command again to go on where it stopped",
        )?;
        if finished {
            return answer::text(&format!("{done} orders: their views are made anew\n"));
        }
        restart = false;
        answer::note(&format!("{done} of {total} orders"));
    }
}
