//! The roles: each in a runtime of its own, which is dropped where the role dies, and started anew.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use chassis::effect::faults::Incarnation;
use chassis::{Health, Metrics, Platform, Role, Server, SettingError};
use clap::Parser;
use rest::Gate;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::webhooks;

/// What the roles are told by the environment, as `supercargo run` is.
#[derive(Parser, Clone)]
struct Settings {
    #[command(flatten)]
    common: chassis::Settings,
    #[command(flatten)]
    operator: operator::Settings,
    #[command(flatten)]
    payment: payment::Settings,
    #[command(flatten)]
    shipping: shipping::Settings,
    #[command(flatten)]
    notifications: notifications::Settings,
    #[command(flatten)]
    orders: orders::Settings,
}

const ROLES: [&str; 8] =
    ["operator", "inventory", "payment", "shipping", "notifications", "catalog", "accounts", "orders"];

/// All roles, until it is stopped.
pub struct World {
    deaths: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
}

impl World {
    /// Starts them all.
    pub async fn start() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut settings = Settings::try_parse_from(["crash"])?;
        // One that starts again leads on at once, instead of waiting for its own lease to run out.
        settings.operator.lease_identity = Some("crash".into());
        let metrics = chassis::start_telemetry(&settings.common, "supercargo")?;
        let (payment, shipping) = (testkit::free_address(), testkit::free_address());
        webhooks::forward(payment, shipping).await?;
        let deaths = Arc::new(AtomicU32::new(0));
        let over = Arc::new(AtomicBool::new(false));
        for name in ROLES {
            let mut settings = settings.clone();
            settings.common.http_addr = match name {
                "payment" => payment,
                "shipping" => shipping,
                _ => SocketAddr::from(([127, 0, 0, 1], 0)),
            };
            let (deaths, over, metrics) = (deaths.clone(), over.clone(), metrics.clone());
            std::thread::spawn(move || live_again_and_again(name, &settings, &metrics, &deaths, &over));
        }
        Ok(Self { deaths, over })
    }

    /// How often a role died.
    pub fn deaths(&self) -> u32 {
        self.deaths.load(Ordering::SeqCst)
    }

    /// Lets no role start again.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

fn live_again_and_again(
    name: &'static str,
    settings: &Settings,
    metrics: &Metrics,
    deaths: &AtomicU32,
    over: &AtomicBool,
) {
    let (died, mut deaths_of_this) = mpsc::unbounded_channel();
    while !over.load(Ordering::SeqCst) {
        let runtime = runtime(Incarnation::new(name, died.clone()));
        runtime.spawn(live(name, settings.clone(), metrics.clone()));
        let dead = deaths_of_this.blocking_recv();
        // No task of it goes on; what it held (connections, locks) goes as it does when a process is killed.
        runtime.shutdown_background();
        if dead.is_none() {
            return;
        }
        deaths.fetch_add(1, Ordering::SeqCst);
    }
}

fn runtime(life: Arc<Incarnation>) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || life.enter())
        .build()
        .unwrap()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a role that cannot start ends the test, in whichever runtime it lives"
)]
async fn live(name: &'static str, settings: Settings, metrics: Metrics) {
    loop {
        let outcome = run(name, settings.clone(), metrics.clone()).await;
        // Its predecessor may still hold the port for a moment.
        match outcome {
            Err(error) if error.is::<SettingError>() => {
                println!("{name} cannot start: {error:#}");
                std::process::exit(1);
            }
            Ok(()) => tracing::warn!(role = name, "ended, starts again"),
            Err(error) => tracing::warn!(role = name, "ended, starts again: {error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn run(name: &'static str, settings: Settings, metrics: Metrics) -> anyhow::Result<()> {
    let (health, stop) = (Health::default(), CancellationToken::new());
    let server = Server::listen(&settings.common, health.clone(), metrics, stop.clone()).await?;
    let platform = Platform::connect(settings.common.clone(), health, stop).await?;
    let role = start(name, settings, platform.clone()).await?;
    chassis::run(platform, server, vec![role]).await
}

async fn start(name: &'static str, settings: Settings, platform: Platform) -> anyhow::Result<Role> {
    let gate = Gate::open(&platform);
    match name {
        "operator" => operator::start(settings.operator, platform).await,
        "inventory" => inventory::start(platform, gate).await,
        "payment" => payment::start(settings.payment, platform, gate).await,
        "shipping" => shipping::start(settings.shipping, platform).await,
        "notifications" => notifications::start(settings.notifications, platform).await,
        "catalog" => catalog::start(catalog::Settings::default(), platform, gate).await,
        "accounts" => accounts::start(platform, gate, Default::default()).await,
        "orders" => orders::start(settings.orders, platform, gate, Vec::new()).await,
        other => anyhow::bail!("there is no role {other}"),
    }
}
