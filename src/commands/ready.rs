//! `supercargo ready`.

use std::time::Duration;

use anyhow::Context as _;

use crate::answer;
use crate::cli::ReadyArguments;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks each of the addresses until it answers well, or the time is over.
pub async fn run(arguments: ReadyArguments) -> anyhow::Result<()> {
    let client =
        reqwest::Client::builder().timeout(PATIENCE).build().context("failed to make an HTTP client")?;
    let until = tokio::time::Instant::now() + Duration::from_secs(arguments.within);
    for url in &arguments.urls {
        while let Err(error) = ask(&client, url).await {
            if tokio::time::Instant::now() >= until {
                return Err(error.context(format!("{url} is not ready")));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        answer::text(&format!("{url} is ready\n"))?;
    }
    Ok(())
}

async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let answer = client.get(url).send().await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    anyhow::bail!("it answers {status}: {}", answer.text().await.unwrap_or_default().trim())
}
