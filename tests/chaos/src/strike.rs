//! Performing faults, each to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use testkit::{EventFaults, ProxyFaults};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::schedule::{AWAY, Dependency, Fault, Manner, Name, Strike};
use crate::shop::Shop;

/// What was struck how often, and how long it took until another operator led.
#[derive(Default)]
pub struct Record {
    /// By the kind of fault and what it struck.
    pub struck: Mutex<BTreeMap<String, u32>>,
    /// From the blow on the leader until another one led.
    pub handed_over: Mutex<Vec<Duration>>,
}

impl Record {
    fn count(&self, what: String) {
        *self.struck.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }
}

/// Strikes as the schedule says, and returns when the last fault has ended.
pub async fn strike_all(shop: Arc<Shop>, schedule: Vec<Strike>, record: Arc<Record>) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    for Strike { at, fault } in schedule {
        tokio::time::sleep_until(began + at).await;
        crate::say(&format!("{:>6.1} s  {fault:?}", at.as_secs_f32()));
        let (shop, record) = (shop.clone(), record.clone());
        under_way.spawn(async move {
            perform(&shop, &fault, &record).await.with_context(|| format!("{fault:?}"))
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.context("a fault panicked")??;
    }
    Ok(())
}

async fn perform(shop: &Shop, fault: &Fault, record: &Record) -> anyhow::Result<()> {
    match fault {
        Fault::Kill(name) => {
            record.count(format!("kill -9 {name}"));
            shop.supervisor.signal(name, Signal::KILL);
        }
        Fault::Away(all, manner) => {
            let names: Vec<Name> = all.iter().map(|one| one.name()).collect();
            record.count(format!("{} {manner:?}", names.join(" and ")));
            futures::future::try_join_all(all.iter().map(|one| away(shop, *one, *manner))).await?;
        }
        Fault::Watches(time) => {
            record.count("watches disturbed".into());
            let events = EventFaults {
                dropped: 80,
                repeated: 100,
                replayed: 60,
                delayed: 80,
                delay: Duration::from_millis(1500),
            };
            for proxy in shop.proxies.values() {
                proxy.set(ProxyFaults { events: events.clone(), lost_answers: 40, silent: false });
            }
            tokio::time::sleep(*time).await;
            for proxy in shop.proxies.values() {
                proxy.set(ProxyFaults::default());
            }
        }
        Fault::Sever => {
            record.count("connections to the API server severed".into());
            shop.proxies.values().for_each(testkit::ApiProxy::sever);
        }
        Fault::PauseLeader(time) => {
            let leader = shop.leader().await.unwrap_or("operator-1");
            record.count(format!("{leader} paused past its lease"));
            shop.supervisor.signal(leader, Signal::STOP);
            followed(shop, leader, *time, record).await;
            shop.supervisor.signal(leader, Signal::CONT);
        }
        Fault::CutOffLeader(time) => {
            let leader = shop.leader().await.unwrap_or("operator-1");
            record.count(format!("{leader} cut off from the API server"));
            let Some(proxy) = shop.proxies.get(leader) else { return Ok(()) };
            proxy.set(ProxyFaults { silent: true, ..ProxyFaults::default() });
            followed(shop, leader, *time, record).await;
            proxy.set(ProxyFaults::default());
        }
        Fault::EmptyNats => {
            record.count("nats loses its data".into());
            shop.supervisor.want("nats", false);
            gone(shop, "nats").await;
            // What is in it, not the folder: it may be a disk of its own.
            for entry in std::fs::read_dir(shop.state.join("nats")).context("failed to read NATS' folder")? {
                std::fs::remove_dir_all(entry?.path()).context("failed to empty NATS' folder")?;
            }
            shop.supervisor.want("nats", true);
        }
        Fault::ConnectionLimit(time) => {
            record.count("postgres at its connection limit".into());
            exhaust_connections(shop, *time).await?;
        }
        Fault::Clock(seconds) => {
            record.count(format!("the clock jumps by {seconds} s"));
            std::fs::write(&shop.clock, seconds.to_string()).context("failed to set the clock")?;
            tokio::time::sleep(fault.takes()).await;
            std::fs::write(&shop.clock, "0").context("failed to set the clock back")?;
        }
        Fault::DiskFull(name, time) => {
            record.count(format!("the disk of {name} is full"));
            crate::disk::fill(&shop.state, name, *time).await?;
        }
    }
    Ok(())
}

async fn gone(shop: &Shop, name: &str) {
    while shop.supervisor.pid(name).is_some() {
        shop.supervisor.signal(name, Signal::KILL);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn away(shop: &Shop, dependency: Dependency, manner: Manner) -> anyhow::Result<()> {
    match (dependency, manner) {
        (Dependency::Process(name), Manner::Paused) => {
            shop.supervisor.signal(name, Signal::STOP);
            tokio::time::sleep(AWAY).await;
            shop.supervisor.signal(name, Signal::CONT);
            Ok(())
        }
        (Dependency::Process(name), Manner::Stopped) => {
            shop.supervisor.stop(name).await;
            tokio::time::sleep(AWAY).await;
            shop.supervisor.want(name, true);
            Ok(())
        }
        (Dependency::Stripe, _) => server_away(shop, &shop.stack.addresses.stripe).await,
        (Dependency::Carrier, _) => server_away(shop, &shop.stack.addresses.carrier).await,
        (Dependency::Mail, _) => server_away(shop, &shop.stack.addresses.mailbox).await,
    }
}

async fn server_away(shop: &Shop, server: &str) -> anyhow::Result<()> {
    sandbox_faults(shop, server, &json!({"down": true})).await?;
    tokio::time::sleep(AWAY).await;
    sandbox_faults(shop, server, &json!({"down": false})).await
}

/// The sandbox may be struck itself at the moment; one that was started anew has no faults.
async fn sandbox_faults(shop: &Shop, server: &str, faults: &Value) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let request = shop.stack.http.post(format!("{server}/faults")).timeout(Duration::from_secs(2));
        match request.json(faults).send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the sandbox takes no faults");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Lets `time` pass, and notes when another operator leads.
async fn followed(shop: &Shop, leader: Name, time: Duration, record: &Record) {
    let struck = Instant::now();
    let other = if leader == "operator-1" { "operator-2" } else { "operator-1" };
    while struck.elapsed() < time {
        if shop.leads(other).await {
            let took = struck.elapsed();
            crate::say(&format!("{other} leads {:.1} s after the blow on {leader}", took.as_secs_f32()));
            record.handed_over.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(time.saturating_sub(struck.elapsed())).await;
}

/// Takes every connection that can be had, also those that the shop has. A connection counts before its user is known, so
/// greeting the server is enough to have one.
async fn exhaust_connections(shop: &Shop, time: Duration) -> anyhow::Result<()> {
    const ENOUGH: usize = 400;
    let options: PgConnectOptions = shop.stack.addresses.database.parse()?;
    let address = (options.get_host().to_owned(), options.get_port());
    let connecting = tokio::time::timeout(Duration::from_secs(20), PgConnection::connect_with(&options));
    // Struck itself at the moment: then there is no connection to be had anyway.
    let Ok(Ok(mut admin)) = connecting.await else { return Ok(()) };
    let began = Instant::now();
    let (mut taken, mut ended) = (Vec::new(), false);
    while began.elapsed() < time && taken.len() < ENOUGH {
        if let Ok(Some(connection)) = tokio::time::timeout(Duration::from_secs(1), greet(&address)).await {
            taken.push(connection);
            continue;
        }
        if !ended {
            // Those of the shop are ended, so that it needs new ones while there are none.
            ended = true;
            let ending = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                          WHERE application_name LIKE 'supercargo %'";
            let _ =
                tokio::time::timeout(Duration::from_secs(2), sqlx::query(ending).execute(&mut admin)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    crate::say(&format!("held {} connections of postgres, those of the shop ended: {ended}", taken.len()));
    tokio::time::sleep(time.saturating_sub(began.elapsed())).await;
    Ok(())
}

/// A connection on which the server has asked for the password; none when it has no more.
async fn greet(address: &(String, u16)) -> Option<TcpStream> {
    const PROTOCOL: u32 = 196_608;
    let mut connection = TcpStream::connect((address.0.as_str(), address.1)).await.ok()?;
    let names = b"user\0supercargo\0database\0supercargo\0\0";
    let length = u32::try_from(names.len() + 8).ok()?;
    let mut greeting = length.to_be_bytes().to_vec();
    greeting.extend(PROTOCOL.to_be_bytes());
    greeting.extend(names);
    connection.write_all(&greeting).await.ok()?;
    (connection.read_u8().await.ok()? == b'R').then_some(connection)
}
