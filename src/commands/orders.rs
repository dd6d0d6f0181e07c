//! `supercargo orders`.

use anyhow::Context as _;
use chassis::NatsSettings;
use chassis::questions::ask;
use orders::reproject::{Progress, Reproject};
use orders::status::{OrderStatus, ReadStatus};

use super::connect;
use crate::answer;
use crate::cli::{OrdersCommand, Output};

/// How long a batch of some hundred orders may take.
const BATCH_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

pub async fn run(command: OrdersCommand) -> anyhow::Result<()> {
    match command {
        OrdersCommand::Status { output, reach } => status(output, &reach).await,
        OrdersCommand::Reproject { restart, reach } => reproject(restart, &reach).await,
        OrdersCommand::Restore { namespace, dry_run, reach } => {
            crate::restore::run(&namespace, dry_run, &reach).await
        }
    }
}

async fn status(output: Output, reach: &NatsSettings) -> anyhow::Result<()> {
    let nats = connect(reach).await?;
    let status =
        ask(&nats, &ReadStatus {}, super::PATIENCE).await.context("failed to ask orders: is it running?")?;
    if output == Output::Json {
        return answer::json(&status);
    }
    let OrderStatus { total, unquoted, phases } = status;
    let named = phases.into_iter().map(|(phase, orders)| [phase, orders.to_string()]);
    let rows: Vec<[String; 2]> = std::iter::once(["(not quoted yet)".to_owned(), unquoted.to_string()])
        .chain(named)
        .chain(std::iter::once(["all".to_owned(), total.to_string()]))
        .collect();
    answer::table(["PHASE", "ORDERS"], &rows)
}

async fn reproject(mut restart: bool, reach: &NatsSettings) -> anyhow::Result<()> {
    let nats = connect(reach).await?;
    loop {
        let Progress { done, total, finished } =
            ask(&nats, &Reproject { restart }, BATCH_WITHIN).await.context(
                "failed to ask orders: is it running? Run the same command again to go on where it stopped",
            )?;
        if finished {
            return answer::text(&format!("{done} orders: their views are made anew\n"));
        }
        restart = false;
        answer::note(&format!("{done} of {total} orders"));
    }
}
