//! The outbox relay of a service of this test's own, and telling again what may have been lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::{ChildKind, Health, MadeAnew, Platform, Settings, StatusReport, Store, questions::ask, relay};
use clap::Parser;
use events::questions::TellAgain;
use events::{Event, EventType, StockLevel};
use futures::StreamExt;
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use testkit::{ApiProxy, ProxyFaults, Stack, TestShop, eventually, order, unique};
use tokio_util::sync::CancellationToken;

use crate::Tested;

/// No tables but the chassis' own.
static NOTHING: Migrator = Migrator::DEFAULT;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// A platform whose API server is behind `proxy`.
async fn platform(stack: &Stack, proxy: &ApiProxy) -> anyhow::Result<Platform> {
    let config = kube::Config::new(format!("http://{}", proxy.address).parse()?);
    Ok(Platform {
        settings: Arc::new(Arguments::try_parse_from(["test"])?.settings),
        nats: stack.nats.clone(),
        jetstream: stack.jetstream.clone(),
        kubernetes: kube::Client::try_from(config)?,
        health: Health::default(),
        stop: CancellationToken::new(),
        made_anew: MadeAnew::never(),
    })
}

fn level(sku: &str) -> anyhow::Result<Event> {
    let data = StockLevel { sku: sku.to_owned(), on_hand: 1, reserved: 0, available: 1, revision: 1 };
    Ok(Event::new(
        EventType::StockLevelChanged,
        "tests",
        format!("{sku}/1"),
        sku,
        jiff::Timestamp::now(),
        &data,
    )?)
}

fn report(name: &str) -> StatusReport {
    StatusReport {
        kind: ChildKind::Payment,
        namespace: "default".into(),
        name: name.to_owned(),
        uid: "00000000-0000-0000-0000-000000000000".into(),
        status: json!({"revision": 1}),
    }
}

async fn unpublished(store: &Store, kind: &str) -> anyhow::Result<i64> {
    let count = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND kind = $1";
    Ok(sqlx::query_scalar(count).bind(kind).fetch_one(store.pool()).await?)
}

#[tokio::test]
async fn an_api_server_that_hangs_holds_back_no_event() -> Tested {
    let stack = Stack::from_env().await?;
    let proxy = ApiProxy::start(kube::Config::infer().await?, 1).await?;
    proxy.set(ProxyFaults { silent: true, ..ProxyFaults::default() });
    let platform = platform(&stack, &proxy).await?;
    let store = Store::connect(&stack.addresses.database, "test_outbox_hanging", 4, &NOTHING).await?;
    sqlx::query("TRUNCATE outbox").execute(store.pool()).await?;
    let mut transaction = store.begin().await?;
    for number in 0..20 {
        transaction.report(&report(&format!("nothing-{number}")));
    }
    let skus: Vec<String> = (0..3).map(|_| unique("sku")).collect();
    for sku in &skus {
        transaction.publish(&level(sku)?);
    }
    transaction.commit().await?;
    let relaying = tokio::spawn(relay(platform.clone(), store.clone()));
    let told = async {
        eventually("the events are told", || async {
            anyhow::ensure!(unpublished(&store, "event").await? == 0, "there are events untold");
            Ok(())
        })
        .await
    };
    // A request to an API server that hangs is given up after ten seconds: they did not wait for that.
    tokio::time::timeout(Duration::from_secs(8), told)
        .await
        .context("the events wait for the API server")??;
    assert!(unpublished(&store, "status").await? > 0, "the reports cannot be told yet");
    proxy.set(ProxyFaults::default());
    eventually("the reports are told once the API server answers", || async {
        anyhow::ensure!(unpublished(&store, "status").await? == 0, "there are reports untold");
        Ok(())
    })
    .await?;
    platform.stop.cancel();
    relaying.await??;
    Ok(())
}

#[tokio::test]
async fn what_is_kept_is_told_again_when_the_stream_was_made_anew() -> Tested {
    let stack = Stack::from_env().await?;
    let proxy = ApiProxy::start(kube::Config::infer().await?, 1).await?;
    let platform = platform(&stack, &proxy).await?;
    let store = Store::connect(&stack.addresses.database, "test_outbox_loss", 4, &NOTHING).await?;
    sqlx::query("TRUNCATE outbox, known_streams").execute(store.pool()).await?;
    let sku = unique("sku");
    let mut transaction = store.begin().await?;
    transaction.publish(&level(&sku)?);
    transaction.commit().await?;
    let relaying = tokio::spawn(relay(platform.clone(), store.clone()));
    let known = "SELECT count(*) FROM known_streams WHERE reader = 'outbox'";
    eventually("the event is told, and the stream known", || async {
        anyhow::ensure!(unpublished(&store, "event").await? == 0, "it is untold");
        let known: i64 = sqlx::query_scalar(known).fetch_one(store.pool()).await?;
        anyhow::ensure!(known == 1, "the stream is unknown");
        Ok(())
    })
    .await?;
    // The stream was made at another time than the one that is known: it is another stream.
    let mut copies = stack.nats.subscribe("supercargo.event.stock.level_changed").await?;
    sqlx::query("UPDATE known_streams SET made_at = 'before'").execute(store.pool()).await?;
    let again = async {
        while let Some(message) = copies.next().await {
            let subject = message.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
            if subject.is_some_and(|subject| subject.as_str() == sku) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.context("it is not told again")?;
    platform.stop.cancel();
    relaying.await??;
    Ok(())
}

#[tokio::test]
async fn the_operator_tells_the_transitions_of_an_order_again_when_it_is_asked() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    let completed = shop.completes(&placed).await?;
    shop.settled().await?;
    let count = completed.status.map_or(0, |status| status.sequence);
    let mut copies = shop.stack.nats.subscribe("supercargo.event.order.*").await?;
    let question = TellAgain { orders: Some(vec![placed.id.clone()]) };
    ask(&shop.stack.nats, &question, Duration::from_secs(10)).await?;
    let again = async {
        let mut told = std::collections::BTreeSet::new();
        while let Some(message) = copies.next().await {
            let id = message.headers.as_ref().and_then(|headers| headers.get("ce-id"));
            let id = id.map(|id| id.as_str().to_owned()).unwrap_or_default();
            if id.starts_with(&placed.id) {
                told.insert(id);
            }
            if i64::try_from(told.len()).is_ok_and(|told| told == count) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.context("not all are told again")?;
    // Whoever has heard it all before does nothing twice: mails, history and books are as they were.
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_begin_that_nobody_waits_for_any_more_leaves_no_transaction_open() -> Tested {
    let stack = Stack::from_env().await?;
    let store = Store::connect(&stack.addresses.database, "test_outbox_begin", 2, &NOTHING).await?;
    sqlx::query("TRUNCATE known_streams").execute(store.pool()).await?;
    let mut other = PgConnection::connect(&stack.addresses.database).await?;
    for number in 0..60_u64 {
        // Left off at one moment or another, as when the client of a webhook goes.
        let _ = tokio::time::timeout(Duration::from_micros(number * 40), store.begin()).await;
        let reader = format!("reader-{number}");
        sqlx::query("INSERT INTO known_streams VALUES ($1, 'now')")
            .bind(&reader)
            .execute(store.pool())
            .await?;
        let seen = "SELECT count(*) FROM test_outbox_begin.known_streams WHERE reader = $1";
        let seen: i64 = sqlx::query_scalar(seen).bind(&reader).fetch_one(&mut other).await?;
        assert_eq!(seen, 1, "what was written after begin {number} was left off is not there");
    }
    Ok(())
}
