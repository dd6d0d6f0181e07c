//! `supercargo stock`.

use anyhow::Context as _;
use chassis::questions::ask;
use events::StockLevel;
use events::questions::ReadStock;

use super::{PATIENCE, connect};
use crate::answer;
use crate::cli::{Output, StockArguments};

pub async fn run(arguments: StockArguments) -> anyhow::Result<()> {
    let nats = connect(&arguments.reach).await?;
    let mut levels: Vec<StockLevel> = Vec::new();
    loop {
        let after = levels.last().map(|level| level.sku.clone());
        let question = ReadStock { skus: arguments.skus.clone(), after };
        let page =
            ask(&nats, &question, PATIENCE).await.context("failed to ask inventory: is it running?")?;
        levels.extend(page.levels);
        if !page.more {
            break;
        }
    }
    let missing: Vec<&String> =
        arguments.skus.iter().filter(|sku| !levels.iter().any(|level| level.sku == **sku)).collect();
    write(&levels, arguments.output)?;
    anyhow::ensure!(
        missing.is_empty(),
        "inventory does not know {missing:?}: load articles with supercargo catalog import FILE"
    );
    Ok(())
}

fn write(levels: &[StockLevel], output: Output) -> anyhow::Result<()> {
    match output {
        Output::Json => {
            let levels: Vec<_> = levels
                .iter()
                .map(|level| {
                    serde_json::json!({"sku": level.sku, "onHand": level.on_hand, "reserved": level.reserved,
                        "available": level.available})
                })
                .collect();
            answer::json(&levels)
        }
        Output::Table => {
            let rows: Vec<[String; 4]> = levels
                .iter()
                .map(|level| {
                    [
                        level.sku.clone(),
                        level.on_hand.to_string(),
                        level.reserved.to_string(),
                        level.available.to_string(),
                    ]
                })
                .collect();
            answer::table(["SKU", "ON HAND", "RESERVED", "AVAILABLE"], &rows)
        }
    }
}
