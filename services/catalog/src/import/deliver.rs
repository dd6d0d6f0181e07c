//! Bringing the rows of a file to the catalog and the inventory.
//!
//! # Expected flow
//! 1. inventory is asked, without effect, whether it could take the counts;
//! 2. the catalog takes the articles, all with the last part;
//! 3. inventory takes the counts, all with the last part.
//!
//! # Guarantees
//! Each question is asked again under the same import id until it is answered, so that a lost answer does no harm.
//! When it fails before step 2 is complete nothing has changed; importing the file again is always safe.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use chassis::Backoff;
use chassis::questions::{AskError, ask};
use events::StockLine;
use events::questions::{Article, CountStock, ImportAnswer, ImportArticles, Question};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::Row;

const MOST_ROWS_IN_A_PART: usize = 500;
/// A message of NATS holds a megabyte.
const MOST_BYTES_IN_A_PART: usize = 300_000;
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// How long to wait for one answer before asking again.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a service that has not answered at all may take to come up.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// How long a service that is there may take: the last part of a large import takes a while.
const LATER_ANSWERS: Duration = Duration::from_secs(180);
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(200), maximum: Duration::from_secs(2) };

/// What an import has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many articles the file has.
    pub articles: u64,
    /// How many of them were new to the catalog.
    pub created: u64,
    /// How many of them the catalog had otherwise.
    pub changed: u64,
    /// Of how many the stock on hand was another.
    pub stock_changed: u64,
}

/// `12 articles: 3 new, 2 changed, 7 as they were; stock of 5 set`
impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { articles, created, changed, stock_changed } = self;
        let noun = if *articles == 1 { "article" } else { "articles" };
        let same = articles.saturating_sub(*created).saturating_sub(*changed);
        write!(
            formatter,
            "{articles} {noun}: {created} new, {changed} changed, {same} as before; stock of {stock_changed} set"
        )
    }
}

/// Imports `file`: all rows or none. Returns when the catalog and inventory both hold them.
///
/// # Errors
/// When the file cannot be read or has faults ([`super::ImportErrors`]), a service refuses, or one does not answer.
pub async fn run(nats: &async_nats::Client, file: &Path) -> anyhow::Result<Summary> {
    let text = read(file).await?;
    let rows = super::parse(file, &text)?;
    deliver(nats, rows).await.with_context(|| format!("failed to import {}", file.display()))
}

async fn read(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let size = tokio::fs::metadata(file)
        .await
        .with_context(|| format!("failed to find {shown}: name a YAML or CSV file that is there"))?
        .len();
    if size > LARGEST_FILE {
        bail!("{shown} has {size} bytes: split it into files of {LARGEST_FILE} at most");
    }
    let bytes = tokio::fs::read(file).await.with_context(|| format!("failed to read {shown}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{shown} is not UTF-8 text (byte {}): save it as UTF-8", place + 1)
    })
}

/// Who is asked; NATS, or a stand-in in tests.
#[async_trait]
trait Services: Sync {
    async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, AskError>;
}

#[async_trait]
impl Services for async_nats::Client {
    async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, AskError> {
        ask(self, question, ANSWER).await
    }
}

async fn deliver<S: Services>(services: &S, rows: Vec<Row>) -> anyhow::Result<Summary> {
    let import_id = Uuid::new_v4().to_string();
    let articles = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let (counts, wanted): (Vec<StockLine>, Vec<Article>) = rows
        .into_iter()
        .map(|Row { number: _, article, stock }| {
            (StockLine { sku: article.sku.clone(), quantity: stock }, article)
        })
        .unzip();
    let counted = |dry_run, id: &str| {
        numbered(parts(counts.clone()), |part, parts, counts| CountStock {
            import_id: id.to_owned(),
            part,
            parts,
            dry_run,
            counts,
            cause: format!("import {import_id}"),
        })
    };
    let mut inventory = Asker::new(services, "inventory");
    inventory.ask_all(&counted(true, &Uuid::new_v4().to_string())).await.context("nothing was changed")?;

    // The catalog holds all parts without effect; then inventory, which alone can still refuse (an order may have taken
    // stock meanwhile), takes its own; then the catalog is told to begin. So a refusal changes nothing anywhere.
    let mut catalog = Asker::new(services, "catalog");
    let mut with_closing = parts(wanted);
    with_closing.push(Vec::new());
    let import = numbered(with_closing, |part, parts, articles| ImportArticles {
        import_id: import_id.clone(),
        part,
        parts,
        articles,
    });
    let (closing, staged) = import.split_last().context("an import has no parts")?;
    catalog.ask_all(staged).await.context("nothing was changed")?;
    let stock =
        inventory.ask_until_complete(&counted(false, &import_id)).await.context("nothing was changed")?;
    let held = catalog
        .ask_until_complete(std::slice::from_ref(closing))
        .await
        .context("the stock is set, and the catalog does not hold the articles yet: import the file again")?;
    Ok(Summary {
        articles,
        created: held.created,
        changed: held.changed,
        stock_changed: stock.created + stock.changed,
    })
}

/// Asks one service, and asks again while it does not answer.
struct Asker<'a, S> {
    services: &'a S,
    name: &'static str,
    heard: bool,
}

impl<'a, S: Services> Asker<'a, S> {
    const fn new(services: &'a S, name: &'static str) -> Self {
        Self { services, name, heard: false }
    }

    /// The answer to the last of `questions`.
    async fn ask_all<Q: Question<Answer = ImportAnswer>>(
        &mut self,
        questions: &[Q],
    ) -> anyhow::Result<ImportAnswer> {
        let mut last = ImportAnswer { complete: false, created: 0, changed: 0 };
        for question in questions {
            last = self.ask(question).await?;
        }
        Ok(last)
    }

    async fn ask_until_complete<Q>(&mut self, questions: &[Q]) -> anyhow::Result<ImportAnswer>
    where
        Q: Question<Answer = ImportAnswer>,
    {
        let last = self.ask_all(questions).await?;
        if !last.complete {
            bail!("{} has not got every part and waits for more: import the file again", self.name);
        }
        Ok(last)
    }

    async fn ask<Q: Question>(&mut self, question: &Q) -> anyhow::Result<Q::Answer> {
        let name = self.name;
        let patience = if self.heard { LATER_ANSWERS } else { FIRST_ANSWER };
        let give_up = Instant::now() + patience;
        for failures in 1.. {
            let error = match self.services.ask(question).await {
                Ok(answer) => {
                    self.heard = true;
                    return Ok(answer);
                }
                Err(AskError::Invalid { subject: _, reason }) => bail!("{name} refuses: {reason}"),
                Err(error @ AskError::Unavailable { .. }) => error,
            };
            if Instant::now() >= give_up {
                return Err(error).with_context(|| {
                    format!(
                        "gave up after {} s: is {name} running on this NATS? start it with `make up` or \
                         `supercargo run {name}` and import the file again",
                        patience.as_secs()
                    )
                });
            }
            tracing::warn!("waiting for {name}: {error}");
            tokio::time::sleep(BACKOFF.jittered(failures)).await;
        }
        bail!("gave up waiting for {name}")
    }
}

/// Cut into pieces that messages can hold.
fn parts<T: Serialize>(rows: Vec<T>) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let size = serde_json::to_vec(&row).map_or(0, |text| text.len() + 1);
        match parts.last_mut() {
            Some(part) if part.len() < MOST_ROWS_IN_A_PART && bytes + size <= MOST_BYTES_IN_A_PART => {
                bytes += size;
                part.push(row);
            }
            Some(_) | None => {
                bytes = size;
                parts.push(vec![row]);
            }
        }
    }
    parts
}

/// A question for each part.
fn numbered<T, Q>(parts: Vec<Vec<T>>, question: impl Fn(u32, u32, Vec<T>) -> Q) -> Vec<Q> {
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    (0..).zip(parts).map(|(number, part)| question(number, count, part)).collect()
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
