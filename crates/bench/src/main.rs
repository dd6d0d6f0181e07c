//! `make bench`: what an order costs and how many a second there can be, in one run on a stack of its own.
//!
//! Throughput (closed loop), latency (open loop), the cost of one more order while many rest, the API server's own limit,
//! and the audit in the end. The last line on stdout is one JSON object.
#![allow(clippy::print_stdout, reason = "its answer goes to stdout")]
#![allow(clippy::float_arithmetic, reason = "figures for people, no money")]

mod account;
mod limits;
mod load;
mod meters;
mod programs;
mod report;
mod rest;
mod shopper;
mod yardstick;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kube::ResourceExt;
use kube::api::ListParams;
use resources::{Order, OrderPhase};
use testkit::{Program, Stack, TestShop, policy};

use account::Account;
use load::Load;
use meters::{Meters, Reading};
use programs::{Logs, Running};
use report::{Summary, each, rounded, row};
use shopper::Shopper;

/// Measures a stack whose infrastructure runs: `make bench` starts one.
#[derive(Parser)]
struct Arguments {
    /// Orders of the throughput run.
    #[arg(long, default_value_t = 2000)]
    orders: usize,
    /// How many of them are in flight at once.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Seconds of the latency run, at five orders a second.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// How many orders rest in flight while the cost of one more is measured, one level after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 10_000])]
    resting: Vec<usize>,
    /// How many orders measure the cost at each level.
    #[arg(long, default_value_t = 300)]
    probes: usize,
    /// The state folder of the stack.
    #[arg(long, env = "SUPERCARGO_DEV_DIR")]
    state: PathBuf,
    /// NATS' monitoring.
    #[arg(long, env = "NATS_MONITORING_URL")]
    nats_monitoring: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let stack = Stack::from_env().await?;
    let logs = Logs(arguments.state.join("log"));
    let shop = stack.shop().await?;
    let account = Account::of_programs(&shop).await?;
    let kubeconfig = account.kubeconfig(&arguments.state)?;
    let services = Running::services(&stack, &logs, &kubeconfig).await?;
    let operator = Running::operator(&stack, &logs, &kubeconfig).await?;
    let ours = vec![services.pid()?, operator.pid()?];
    let meters = Meters::new(stack.clone(), arguments.state.clone(), arguments.nats_monitoring.clone(), ours);

    let mut articles = Vec::new();
    for _ in 0..50 {
        articles.push(shop.article("15.90", 1_000_000).await?);
    }
    let load = Load { shopper: Arc::new(Shopper::open(&shop).await?), articles };
    load.closed(100, 16).await.context("the warm-up failed")?;
    shop.set_policy(policy().with("ttlAfterFinished", "0s")).await?;
    limits::until_gone(&shop, 0).await.context("the warm-up failed")?;
    shop.set_policy(policy().with("ttlAfterFinished", "24h")).await?;

    let (throughput, used, memory) = throughput(&arguments, &load, &meters, &shop).await?;
    let latency = load.open(5, arguments.seconds).await?;
    print_rows("Latency at 5 orders a second", &report::load_rows(&latency));
    let rest = rest::measure(&stack, services.pid()?).await.context("the REST could not be measured")?;
    print_rows("The REST", &report::rest_rows(&rest));
    let levels = levels(&arguments, &load, &meters, &shop).await?;
    let operator_memory = meters::proportional_set_size(operator.pid()?)?;
    println!("{}", row("the operator's memory then", operator_memory, "MiB"));

    let status = completed_status(&load.shopper).await?;
    operator.stop().await?;
    let limits = limits::measure(&stack.kubernetes, &load.shopper.orders, &status).await?;
    print_rows("The API server alone", &report::limit_rows(&limits));
    let plain = yardstick::measure(&stack.kubernetes, &shop.namespace).await?;
    println!("{}", row("status PUTs of a plain kilobyte", plain, "a second"));
    let began = std::time::Instant::now();
    let operator = Running::operator(&stack, &logs, &kubeconfig).await?;
    load.closed(1, 1).await.context("the new operator drives no order")?;
    println!(
        "\n{}",
        row("a new operator, until the next order is completed", began.elapsed().as_secs_f64(), "s")
    );
    let audit = audit().await?;

    let orders = arguments.orders;
    let (first, last) = (levels.first().copied().unwrap_or(1.0), levels.last().copied().unwrap_or(1.0));
    let summary = Summary {
        completed_per_second: rounded(throughput),
        latency_p50_ms: rounded(latency.percentile(50)),
        latency_p99_ms: rounded(latency.percentile(99)),
        api_writes_per_order: rounded(each(used.writes.values().sum(), orders)),
        sql_transactions_per_order: rounded(each(u64::try_from(used.transactions).unwrap_or(0), orders)),
        nats_messages_per_order: rounded(each(used.messages, orders)),
        rss_mb: rounded(memory),
        operator_rss_mb_10k: rounded(operator_memory),
        cpu_ms_per_order_ours: rounded(each(used.ours, orders)),
        cpu_ms_per_order_api: rounded(each(used.others.get("kube-apiserver").copied().unwrap_or(0), orders)),
        raw_creates_per_second: rounded(limits.creates),
        raw_status_puts_per_second: rounded(limits.status_puts),
        raw_deletes_per_second: rounded(limits.deletes),
        cost_ratio_10k_to_100: rounded(last / first),
        browse_per_second_per_core: rounded(rest.browse_per_second_per_core),
        browse_p99_ms: rounded(rest.browse_p99),
        accepted_per_second: rounded(rest.accepted_per_second),
        stream_lag_ms: rounded(rest.stream_lag),
        stream_mb: rounded(rest.streams),
        audit,
    };
    operator.stop().await?;
    services.stop().await?;
    println!("{}", serde_json::to_string(&summary).context("failed to write the summary")?);
    Ok(())
}

fn print_rows(title: &str, rows: &[String]) {
    println!("\n{title}");
    for row in rows {
        println!("{row}");
    }
}

/// So many orders to their end, then into the archive; answers completed a second, what was used, and the most memory held.
async fn throughput(
    arguments: &Arguments,
    load: &Load,
    meters: &Meters,
    shop: &TestShop,
) -> anyhow::Result<(f64, Reading, f64)> {
    let before = meters.before().await?;
    let mut memory = meters.memory()?;
    let mut running = std::pin::pin!(load.closed(arguments.orders, arguments.in_flight));
    let carried = loop {
        tokio::select! {
            carried = &mut running => break carried?,
            () = tokio::time::sleep(Duration::from_secs(2)) => memory = memory.max(meters.memory()?),
        }
    };
    let title = format!("Throughput: {} orders, {} in flight", arguments.orders, arguments.in_flight);
    print_rows(&title, &report::load_rows(&carried));
    shop.set_policy(policy().with("ttlAfterFinished", "0s")).await?;
    let took = limits::until_gone(shop, 0).await?;
    println!("{}", row("archived and deleted, all of them, within", took.as_secs_f64(), "s"));
    memory = memory.max(meters.memory()?);
    let used = meters.after().await?.since(&before);
    let mut rows = report::request_rows(&used.writes, arguments.orders);
    rows.extend(report::request_rows(&used.reads, arguments.orders));
    rows.push(row("API writes", each(used.writes.values().sum(), arguments.orders), "an order"));
    let transactions = u64::try_from(used.transactions).unwrap_or(0);
    rows.push(row("SQL transactions", each(transactions, arguments.orders), "an order"));
    rows.push(row("NATS messages", each(used.messages, arguments.orders), "an order"));
    rows.extend(
        report::costs(&used, arguments.orders)
            .into_iter()
            .map(|(name, time)| row(&format!("processor time of {name}"), time, "ms an order")),
    );
    rows.push(row("our memory at most", memory, "MiB"));
    print_rows("What one order costs, from its create to its deletion", &rows);
    Ok((carried.rate(), used, memory))
}

/// The cost of one more order, in processor milliseconds of ours and the API server's, at each level of resting orders.
async fn levels(
    arguments: &Arguments,
    load: &Load,
    meters: &Meters,
    shop: &TestShop,
) -> anyhow::Result<Vec<f64>> {
    let mut costs = Vec::new();
    let mut resting = 0;
    for level in &arguments.resting {
        load.rest(level.saturating_sub(resting), arguments.in_flight).await?;
        resting = resting.max(*level);
        limits::until_gone(shop, resting).await?;
        load.closed(20, 8).await?;
        let before = meters.before().await?;
        let carried = load.closed(arguments.probes, 8).await?;
        limits::until_gone(shop, resting).await?;
        let used = meters.after().await?.since(&before);
        let api = used.others.get("kube-apiserver").copied().unwrap_or(0);
        let cost = each(used.ours + api, arguments.probes);
        let rows = [
            row("processor time, ours and the API server's", cost, "ms an order"),
            row("of it ours", each(used.ours, arguments.probes), "ms an order"),
            row("latency p50, 8 in flight", carried.percentile(50), "ms"),
        ];
        print_rows(&format!("One more order with {level} resting in flight"), &rows);
        costs.push(cost);
    }
    Ok(costs)
}

/// The status of an order that rests, for the raw writes: about as large as any.
async fn completed_status(shopper: &Shopper) -> anyhow::Result<resources::OrderStatus> {
    let some = shopper.orders.list(&ListParams::default().limit(1)).await.context("failed to list orders")?;
    let order: &Order = some.items.first().context("no order rests")?;
    let mut status = order.status.clone().with_context(|| format!("{} has no status", order.name_any()))?;
    status.order_id = None;
    status.phase = Some(OrderPhase::AwaitingPayment);
    Ok(status)
}

/// `clean`, or what the audit found.
async fn audit() -> anyhow::Result<String> {
    let ended = Program::supercargo(&["audit"]).run().await?;
    println!("\nAudit\n{}", ended.stdout.trim_end());
    Ok(match ended.code {
        Some(0) => "clean".to_owned(),
        code => format!("exit code {code:?}: {}", ended.stderr.lines().last().unwrap_or_default()),
    })
}
