//! `supercargo catalog`.

use super::connect;
use crate::answer;
use crate::cli::CatalogCommand;

pub async fn run(command: CatalogCommand) -> anyhow::Result<()> {
    match command {
        CatalogCommand::Import { file, reach } => {
            let nats = connect(&reach).await?;
            let summary = catalog::import::run(&nats, &file).await?;
            answer::text(&format!("{summary}\n"))
        }
    }
}
