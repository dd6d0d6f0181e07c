//! The REST under load: browsing, placing, and following.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Program, Stack, Visitor, unique};

use crate::load::{Carried, per_second};
use crate::meters::{processor_time, proportional_set_size};

const ARTICLES: usize = 10_000;
const BROWSED_FOR: Duration = Duration::from_secs(10);
/// Few: more than the processors can serve would measure the line in which they wait.
pub const BROWSERS: usize = 8;
const PLACED: usize = 500;
const PLACED_AT_ONCE: usize = 32;
const FOLLOWED: usize = 20;
const STREAMS: usize = 1000;

/// What the REST can do.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Reads of the catalog for each second of our processor time.
    pub browse_per_second_per_core: f64,
    /// What 99 of 100 reads did not exceed, in milliseconds.
    pub browse_p99: f64,
    /// Orders accepted a second.
    pub accepted_per_second: f64,
    /// What 99 of 100 transitions did not exceed from their decision to the reader, in milliseconds.
    pub stream_lag: f64,
    /// Memory for a thousand open streams, in MiB.
    pub streams: f64,
}

/// Measures the services of process `pid`.
///
/// # Errors
/// When a request is refused.
pub async fn measure(stack: &Stack, pid: u32) -> anyhow::Result<Figures> {
    let skus = stock_shelves().await?;
    let visitor = Visitor::signed_up(stack).await?;
    let (browse_per_second_per_core, browsed) = browse(&visitor, &skus, pid).await?;
    let sku = skus.first().context("no articles")?;
    let stream_lag = lag(&visitor, sku).await?;
    let streams = streams(&visitor, sku, pid).await?;
    let accepted_per_second = place(&visitor, sku).await?;
    let browse_p99 = browsed.percentile(99);
    Ok(Figures { browse_per_second_per_core, browse_p99, accepted_per_second, stream_lag, streams })
}

/// Ten thousand articles.
async fn stock_shelves() -> anyhow::Result<Vec<String>> {
    let prefix = unique("BENCH");
    let skus: Vec<String> = (0..ARTICLES).map(|number| format!("{prefix}-{number}")).collect();
    let words = ["kettle", "mug", "teapot", "strainer", "tray", "spoon", "saucer", "caddy"];
    let rows = skus.iter().enumerate().map(|(number, sku)| {
        let word = words.get(number % words.len()).copied().unwrap_or_default();
        format!("{sku},A {word} number {number},15.90,EUR,100000\n")
    });
    let text: String = std::iter::once("sku,name,price,currency,stock\n".to_owned()).chain(rows).collect();
    let file = std::env::temp_dir().join(format!("{prefix}.csv"));
    std::fs::write(&file, text).context("failed to write the articles")?;
    let imported = Program::supercargo(&["catalog", "import", &file.to_string_lossy()])
        .run_within(Duration::from_secs(300), "")
        .await;
    std::fs::remove_file(&file).context("failed to remove the articles' file")?;
    let imported = imported?;
    anyhow::ensure!(imported.code == Some(0), "the import failed: {}", imported.stderr);
    Ok(skus)
}

/// Pages, searches and articles in turn, by many at once.
async fn browse(visitor: &Visitor, skus: &[String], pid: u32) -> anyhow::Result<(f64, Carried)> {
    let before = processor_time(pid)?;
    let began = Instant::now();
    let browsers = (0..BROWSERS).map(|browser| async move {
        let mut latencies = Vec::new();
        let mut number = browser * 311;
        while began.elapsed() < BROWSED_FOR {
            number += 7919;
            let sku = skus.get(number % skus.len()).map_or("", String::as_str);
            let path = match number % 4 {
                0 => "/products?limit=20".to_owned(),
                1 => format!("/products?query=teapot%20{}", number % 100),
                _ => format!("/products/{sku}"),
            };
            let asked = Instant::now();
            let response = visitor.open("GET", &path, &[], None).await?;
            anyhow::ensure!(response.status().is_success(), "{path} answers {}", response.status());
            response.bytes().await.context("no body")?;
            latencies.push(asked.elapsed());
        }
        Ok(latencies)
    });
    let latencies = futures::future::try_join_all(browsers).await?;
    let took = began.elapsed();
    let used = Duration::from_millis(processor_time(pid)? - before);
    let mut latencies: Vec<Duration> = latencies.into_iter().flatten().collect();
    latencies.sort_unstable();
    Ok((per_second(latencies.len(), used), Carried { latencies, took }))
}

fn wish(sku: &str, method: Option<&str>) -> Value {
    let address =
        json!({ "name": "A. Shopper", "line1": "1 High Street", "city": "Berlin", "country": "DE" });
    let mut order = json!({ "items": [{ "sku": sku, "quantity": 1 }], "shippingAddress": address });
    if let Some(method) = method {
        order["payment"] = json!({ "method": method });
    }
    order
}

async fn placed(visitor: &Visitor, sku: &str, method: Option<&str>) -> anyhow::Result<String> {
    let answer = visitor.send("POST", "/orders", wish(sku, method)).await?;
    anyhow::ensure!(answer.status == 202, "POST /orders answers {}: {}", answer.status, answer.body);
    answer.text("/id")
}

/// How long after its decision a transition is read, one order after the other.
async fn lag(visitor: &Visitor, sku: &str) -> anyhow::Result<f64> {
    let mut latencies = Vec::new();
    for _ in 0..FOLLOWED {
        let id = placed(visitor, sku, Some("pm_card_visa")).await?;
        for told in visitor.follow(&id, None, "Completed").await? {
            let decided: Timestamp = told.data["at"].as_str().context("no time")?.parse()?;
            latencies.push(Duration::try_from(told.read_at.duration_since(decided)).unwrap_or_default());
        }
    }
    latencies.sort_unstable();
    Ok(Carried { latencies, took: Duration::ZERO }.percentile(99))
}

/// The memory that a thousand open streams take.
async fn streams(visitor: &Visitor, sku: &str, pid: u32) -> anyhow::Result<f64> {
    let id = placed(visitor, sku, None).await?;
    let before = proportional_set_size(pid)?;
    let path = format!("/orders/{id}/events");
    let open: Vec<reqwest::Response> = futures::stream::iter(0..STREAMS)
        .map(|_| visitor.open("GET", &path, &[], None))
        .buffer_unordered(PLACED_AT_ONCE)
        .try_collect()
        .await?;
    let refused = open.iter().filter(|response| !response.status().is_success()).count();
    anyhow::ensure!(refused == 0, "{refused} of {STREAMS} streams were refused");
    Ok(proportional_set_size(pid)? - before)
}

/// Orders that wait for a payment, as quickly as they are accepted.
async fn place(visitor: &Visitor, sku: &str) -> anyhow::Result<f64> {
    let began = Instant::now();
    let ids: Vec<String> = futures::stream::iter(0..PLACED)
        .map(|_| placed(visitor, sku, None))
        .buffer_unordered(PLACED_AT_ONCE)
        .try_collect()
        .await?;
    Ok(per_second(ids.len(), began.elapsed()))
}
