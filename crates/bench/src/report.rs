//! What is printed: a table for people, and one line of JSON for machines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::Limits;
use crate::load::Carried;
use crate::meters::Reading;
use crate::rest::Figures;

/// The last line of the output.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are the documentation: see docs/performance.md")]
pub struct Summary {
    pub completed_per_second: f64,
    pub latency_p50_ms: f64,
    pub latency_p99_ms: f64,
    pub api_writes_per_order: f64,
    pub sql_transactions_per_order: f64,
    pub nats_messages_per_order: f64,
    pub rss_mb: f64,
    pub operator_rss_mb_10k: f64,
    pub cpu_ms_per_order_ours: f64,
    pub cpu_ms_per_order_api: f64,
    pub raw_creates_per_second: f64,
    pub raw_status_puts_per_second: f64,
    pub raw_deletes_per_second: f64,
    pub cost_ratio_10k_to_100: f64,
    pub browse_per_second_per_core: f64,
    pub browse_p99_ms: f64,
    pub accepted_per_second: f64,
    pub stream_lag_ms: f64,
    pub stream_mb: f64,
    pub audit: String,
}

/// One decimal more than anyone trusts.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// `count` for each of `orders`.
#[must_use]
pub fn each(count: u64, orders: usize) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(count) / number(orders.try_into().unwrap_or(u64::MAX)).max(1.0)
}

/// The cost of one order in processor milliseconds, and what it is made of.
#[must_use]
pub fn costs(reading: &Reading, orders: usize) -> Vec<(String, f64)> {
    let others = reading.others.iter().map(|(name, time)| ((*name).to_owned(), each(*time, orders)));
    std::iter::once(("supercargo".to_owned(), each(reading.ours, orders))).chain(others).collect()
}

/// A line of a table.
#[must_use]
pub fn row(what: &str, value: f64, unit: &str) -> String {
    format!("  {what:<44} {value:>10.2} {unit}")
}

/// The requests for one order, each kind on a line.
#[must_use]
pub fn request_rows(writes: &BTreeMap<String, u64>, orders: usize) -> Vec<String> {
    writes.iter().map(|(what, count)| row(what, each(*count, orders), "an order")).collect()
}

/// A load as lines.
#[must_use]
pub fn load_rows(carried: &Carried) -> Vec<String> {
    vec![
        row("orders", each(carried.latencies.len().try_into().unwrap_or(0), 1), ""),
        row("completed", carried.rate(), "a second"),
        row("latency p50", carried.percentile(50), "ms"),
        row("latency p99", carried.percentile(99), "ms"),
    ]
}

/// What the REST can do, as lines.
#[must_use]
pub fn rest_rows(figures: &Figures) -> Vec<String> {
    let Figures { browse_per_second_per_core, browse_p99, accepted_per_second, stream_lag, streams } =
        figures;
    vec![
        row("browsing, for each second of our processor time", *browse_per_second_per_core, "requests"),
        row(&format!("browsing p99, {} at once", crate::rest::BROWSERS), *browse_p99, "ms"),
        row("orders accepted, 32 at once", *accepted_per_second, "a second"),
        row("live stream p99, from decision to reader", *stream_lag, "ms"),
        row("memory for 1,000 open streams", *streams, "MiB"),
    ]
}

/// The API server's own limits as lines.
#[must_use]
pub fn limit_rows(limits: &Limits) -> Vec<String> {
    vec![
        row("creates", limits.creates, "a second"),
        row("status PUTs", limits.status_puts, "a second"),
        row("deletes", limits.deletes, "a second"),
    ]
}
