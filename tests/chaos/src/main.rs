//! Chaos on the real stack: orders of every kind flow while processes are killed, dependencies go away, watches lie, NATS
//! forgets, Postgres has no room and the clock jumps; then everything must be right. `dev/chaos` runs it on a stack of its
//! own. The same seed makes the same customers and the same faults at the same times.

mod disk;
mod handover;
mod load;
mod processes;
mod rest;
mod schedule;
mod shop;
mod strike;
mod usage;
mod verdict;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use testkit::{TestShop, policy};

use crate::load::{Articles, HOT, Story, Visits};
use crate::rest::{Memory, Rest};
use crate::schedule::{Plan, schedule};
use crate::shop::Shop;
use crate::strike::Record;

/// Pieces of the article that there is enough of.
pub const PLENTY: i64 = 100_000;
/// How long after the last fault and the last customer everything is at rest: longer than the longest wait between tries.
const TO_REST: Duration = Duration::from_secs(150);

/// Faults of every kind on the stack whose environment is sourced, while orders flow.
#[derive(Parser, Debug)]
struct Arguments {
    /// How long faults strike, in seconds.
    #[arg(long, default_value_t = 150)]
    seconds: u64,
    /// All dice are thrown by it; another one each time when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many processes are killed.
    #[arg(long, default_value_t = 12)]
    kills: usize,
    /// How many orders are placed a minute.
    #[arg(long, default_value_t = 60)]
    orders_per_minute: u32,
    /// The program was built with the injected clock: it jumps too.
    #[arg(long)]
    clock: bool,
    /// The data of NATS and Postgres lie on small disks of their own: they are filled too.
    #[arg(long)]
    disks: bool,
    /// The state folder of the stack.
    #[arg(long, env = "SUPERCARGO_DEV_DIR")]
    state: PathBuf,
}

/// Says what happens, on standard error.
pub fn say(line: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "chaos: {line}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    say(&format!("seed {seed}, faults for {} s", arguments.seconds));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome =
        runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(&arguments, seed)));
    let faults = match outcome {
        Ok(faults) => faults,
        Err(error) => vec![format!("{error:#}")],
    };
    let mut out = std::io::stdout().lock();
    let written = if faults.is_empty() {
        writeln!(out, "all is right (seed {seed})")
    } else {
        writeln!(out, "\n{} faults with --seed {seed} --seconds {}:", faults.len(), arguments.seconds)
            .and_then(|()| faults.iter().try_for_each(|fault| writeln!(out, "- {fault}")))
    };
    if faults.is_empty() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(arguments: &Arguments, seed: u64) -> anyhow::Result<Vec<String>> {
    let state = arguments.state.canonicalize().context("failed to find the state folder of the stack")?;
    let shop = Arc::new(Shop::prepare(&state, seed).await?);
    let supervising = {
        let shop = shop.clone();
        tokio::spawn(async move { shop.supervisor.supervise().await })
    };
    let gateway = {
        let shop = shop.clone();
        tokio::spawn(async move { shop::pass_webhooks(&shop).await })
    };
    let judged = tokio::select! {
        judged = strike_and_judge(arguments, seed, &shop) => judged,
        ended = supervising => ended.context("the supervisor panicked")?.map(|()| Vec::new()),
        ended = gateway => ended.context("the gateway panicked")?.map(|()| Vec::new()),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    shop.supervisor.end();
    judged
}

async fn strike_and_judge(arguments: &Arguments, seed: u64, shop: &Arc<Shop>) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    shop.ready(Duration::from_secs(90)).await?;
    let length = Duration::from_secs(arguments.seconds);
    let customers = load::customers(seed, length, arguments.orders_per_minute);
    let shops = Arc::new(open_shops(shop).await?);
    let articles = Arc::new(stock(shop, &customers).await?);
    say(&format!("ready after {:.0} s; {} customers come", began.elapsed().as_secs_f32(), customers.len()));

    let plan = Plan { seed, length, kills: arguments.kills, clock: arguments.clock, disks: arguments.disks };
    let (record, visits, memory) =
        (Arc::new(Record::default()), Arc::new(Visits::default()), Memory::default());
    let mut faults = Vec::new();
    let (handovers, slow) = handover::measure(shop, &shops, &articles, &visits).await?;
    faults.extend(slow);
    say(&format!("{:.0} s: chaos begins", began.elapsed().as_secs_f32()));
    let serving = load::serve(shops.clone(), articles.clone(), customers, visits.clone());
    let striking = strike::strike_all(shop.clone(), schedule(plan), record.clone());
    let resting = async {
        let ((), struck) = tokio::join!(serving, striking);
        struck?;
        say(&format!("{:.0} s: calm", began.elapsed().as_secs_f32()));
        anyhow::Ok(verdict::rest(&shops, &visits, TO_REST).await)
    };
    let rested = tokio::select! {
        rested = resting => rested?,
        () = memory.sample(shop) => Ok(Duration::ZERO),
        () = load::pay_again(&shops, &visits) => Ok(Duration::ZERO),
    };
    match &rested {
        Ok(took) => say(&format!("all orders rest after {:.1} s", took.as_secs_f32())),
        Err(restless) => faults.extend(restless.iter().map(|one| format!("does not come to rest: {one}"))),
    }
    let visits_made = visits.visits.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if rested.is_ok() {
        faults.extend(verdict::faults(&shops, &articles, &visits_made).await);
        faults.extend(verdict::audit().await);
        say(&format!("{:.0} s: {} orders looked at", began.elapsed().as_secs_f32(), visits_made.len()));
    }
    let rest = Rest::look(shop).await;
    faults.extend(rest.faults());
    faults.extend(memory.faults());
    faults.extend(visits.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone());
    faults.extend(shop.supervisor.ends.lock().unwrap_or_else(PoisonError::into_inner).clone());
    faults.extend(panics(shop));
    report(&record, &handovers, &rest, &memory, shop, visits_made.len());
    Ok(faults)
}

/// One that takes the money at once, and one that takes it with the label.
async fn open_shops(shop: &Shop) -> anyhow::Result<Vec<TestShop>> {
    let at_once = shop.stack.shop_with(policy()).await?;
    let on_dispatch = shop.stack.shop_with(policy().with("capture", "OnDispatch")).await?;
    Ok(vec![at_once, on_dispatch])
}

async fn stock(shop: &Shop, customers: &[load::Customer]) -> anyhow::Result<Articles> {
    let hot = customers.iter().filter(|one| one.story == Story::Races).map(|one| one.hot + 1).max();
    let hot = futures::future::try_join_all((0..hot.unwrap_or(0)).map(|_| shop.stack.article("9.90", HOT.1)));
    Ok(Articles {
        plenty: shop.stack.article("12.50", PLENTY).await?,
        scarce: shop.stack.article("99.00", 1).await?,
        hot: hot.await?,
    })
}

/// Panics that the shop's logs tell of.
fn panics(shop: &Shop) -> Vec<String> {
    let logs = shop.addresses.keys().map(|name| (name, shop.state.join("log").join(format!("{name}.log"))));
    logs.filter_map(|(name, log)| {
        let text = std::fs::read(log).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| line.contains("panicked at"))?;
        Some(format!("{name} panicked: {line}"))
    })
    .collect()
}

fn report(record: &Record, handovers: &[String], rest: &Rest, memory: &Memory, shop: &Shop, orders: usize) {
    let mut out = std::io::stdout().lock();
    let mut line = |text: String| drop(writeln!(out, "{text}"));
    line(format!("{orders} orders; struck:"));
    for (what, times) in record.struck.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        line(format!("  {times:>4} x {what}"));
    }
    let disturbed: u64 = shop.proxies.values().map(|proxy| proxy.passed().disturbed_events).sum();
    let lost: u64 = shop.proxies.values().map(|proxy| proxy.passed().lost_answers).sum();
    line(format!(
        "  {disturbed} watch events dropped, repeated or late, {lost} answers of the API server lost"
    ));
    let handed: Vec<String> = record
        .handed_over
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .map(|took| format!("{:.1} s", took.as_secs_f32()))
        .collect();
    line(format!("an order went on after the leader was struck: {}", handovers.join(", ")));
    line(format!("under chaos another operator led after: {}", handed.join(", ")));
    line("process            most MB   MB at rest   CPU ms/s at rest".to_owned());
    let most = memory.most();
    for (name, spent) in &rest.cpu {
        let (most, now) = (most.get(name).copied().unwrap_or_default(), rest.memory.get(name).copied());
        line(format!("{name:<18} {most:>7} {:>12} {spent:>18}", now.unwrap_or_default()));
    }
    let (all, cpu): (u64, u64) = (rest.memory.values().sum(), rest.cpu.values().sum());
    line(format!("{:<18} {:>7} {all:>12} {cpu:>18}", "together", ""));
    line(format!("{} requests to the API server in {:?} at rest", rest.requests, rest::LOOK));
}
