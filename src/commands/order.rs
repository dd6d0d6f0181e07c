//! `supercargo order`.

use anyhow::Context as _;
use chassis::questions::ask;
use events::questions::{HistoryEvent, ReadHistory};

use resources::RepairAction;

use super::{PATIENCE, connect, repair};
use crate::answer;
use crate::cli::{OrderCommand, Output, RepairArguments, SkipArguments};

pub async fn run(command: OrderCommand) -> anyhow::Result<()> {
    match command {
        OrderCommand::History { name, namespace, output, reach } => {
            let nats = connect(&reach).await?;
            let question = ReadHistory { namespace: namespace.clone(), name: name.clone() };
            let history =
                ask(&nats, &question, PATIENCE).await.context("failed to ask orders: is it running?")?;
            anyhow::ensure!(
                history.order_id.is_some(),
                "no order named {name} is known in the namespace {namespace}: look at its name, or give -n NAMESPACE"
            );
            write(&history.events, output)
        }
        OrderCommand::Retry(arguments) => repair::run(RepairAction::Retry, arguments).await,
        OrderCommand::Resume(arguments) => repair::run(RepairAction::Resume, arguments).await,
        OrderCommand::Refund(arguments) => repair::run(RepairAction::Refund, arguments).await,
        OrderCommand::Skip(SkipArguments { name, namespace, reason, reach }) => {
            let arguments = RepairArguments { name, namespace, reason: Some(reason), reach };
            repair::run(RepairAction::Skip, arguments).await
        }
    }
}

fn write(events: &[HistoryEvent], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        return answer::json(&events);
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let rows: Vec<[String; 5]> = events
        .iter()
        .map(|event| {
            [
                event.at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
                event.sequence.map(|sequence| sequence.to_string()).unwrap_or_default(),
                event.event.clone(),
                text(&event.phase),
                text(&event.reason),
            ]
        })
        .collect();
    answer::table(["AT (UTC)", "SEQUENCE", "EVENT", "PHASE", "REASON"], &rows)
}
