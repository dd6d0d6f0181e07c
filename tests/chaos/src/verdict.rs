//! The end: every order at an end or waiting for a stated reason, and all books right.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt;
use kube::api::ListParams;
use resources::{Order, OrderPhase};
use testkit::{Level, Mails, Program, TestShop};
use tokio::time::Instant;

use crate::load::{Articles, HOT, Story, Visit, Visits};

const AT_ONCE: usize = 8;
const TURN: Duration = Duration::from_millis(500);

/// Waits until every order is at an end, gone, or waits for its customer with a reason; says which are not.
pub async fn rest(shops: &[TestShop], visits: &Visits, patience: Duration) -> Result<Duration, Vec<String>> {
    let began = Instant::now();
    loop {
        let restless = match restless(shops, visits).await {
            Ok(restless) if restless.is_empty() => return Ok(began.elapsed()),
            Ok(restless) => restless,
            Err(error) => vec![format!("{error:#}")],
        };
        if began.elapsed() > patience {
            return Err(restless);
        }
        tokio::time::sleep(TURN).await;
    }
}

async fn restless(shops: &[TestShop], visits: &Visits) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for shop in shops {
        let (api, all_of_them) = (shop.api::<Order>(), ListParams::default());
        let listing = tokio::time::timeout(Duration::from_secs(10), api.list(&all_of_them));
        let orders = listing.await.context("no list of orders within 10 s")??;
        for order in orders {
            let pays_again = visits.will_pay_again(&order);
            let phase = order.status.as_ref().and_then(|status| status.phase);
            let reason = order.status.as_ref().and_then(|status| status.reason.clone());
            let rests = match phase {
                Some(phase) if phase.is_finished() => order.metadata.deletion_timestamp.is_none(),
                Some(OrderPhase::AwaitingPayment) => {
                    reason.is_some() && !pays_again && order.metadata.deletion_timestamp.is_none()
                }
                Some(_) | None => false,
            };
            if !rests {
                let name = order.metadata.name.unwrap_or_default();
                let deleted = if order.metadata.deletion_timestamp.is_some() { ", deleted" } else { "" };
                all.push(format!("{name} is {phase:?} ({}){deleted}", reason.unwrap_or_default()));
            }
        }
    }
    Ok(all)
}

/// What is wrong with the orders and the stock; empty when nothing is.
pub async fn faults(shops: &[TestShop], articles: &Articles, visits: &[Visit]) -> Vec<String> {
    let checks = visits.iter().map(|visit| async move { (visit, check(shops, visit).await) });
    let checked: Vec<_> = futures::stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;
    let mut faults = Vec::new();
    let mut left: BTreeMap<String, i64> = BTreeMap::new();
    let mut sold: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for (visit, outcome) in checked {
        match outcome {
            Ok(Some(settled)) => {
                for (sku, quantity) in &settled.goods {
                    *left.entry(sku.clone()).or_default() += quantity;
                }
                let ends = visit.customer.story.ends();
                if !ends.contains(&settled.end.as_str()) {
                    faults.push(format!(
                        "{} of a customer who {:?} ended {}, not {}",
                        visit.placed.name,
                        visit.customer.story,
                        settled.end,
                        ends.join(" or ")
                    ));
                }
                if visit.customer.story == Story::Races && settled.end == "order.completed" {
                    *sold.entry((0, visit.customer.hot)).or_default() += 1;
                }
            }
            Ok(None) => {}
            Err(error) => {
                faults.push(format!("{} ({:?}): {error:#}", visit.placed.name, visit.customer.story))
            }
        }
    }
    for ((_, hot), count) in sold {
        let racers =
            visits.iter().filter(|one| one.customer.story == Story::Races && one.customer.hot == hot);
        let racers = i64::try_from(racers.count()).unwrap_or(i64::MAX);
        let expected = HOT.1.min(racers);
        if count != expected {
            faults.push(format!(
                "{count} of {expected} pieces of the hot article {hot} were sold to {racers} racers"
            ));
        }
    }
    let waiting = visits.iter().filter(|one| one.customer.story == Story::LeavesItThere).count();
    faults.extend(stock_faults(shops, articles, &left, i64::try_from(waiting).unwrap_or(i64::MAX)).await);
    faults
}

/// What `supercargo audit` finds, once nothing is under way.
pub async fn audit() -> Vec<String> {
    match Program::supercargo(&["audit"]).run().await {
        Ok(ended) if ended.code == Some(0) && !ended.stdout.contains("dead-letter") => {
            crate::say(&format!("the audit: {}", ended.stdout.lines().last().unwrap_or("clean")));
            Vec::new()
        }
        Ok(ended) => vec![format!("{} ({:?}):\n{}{}", ended.command, ended.code, ended.stdout, ended.stderr)],
        Err(error) => vec![format!("{error:#}")],
    }
}

/// Orders that wait for their customer keep a piece each of what there is plenty of.
async fn stock_faults(
    shops: &[TestShop],
    articles: &Articles,
    left: &BTreeMap<String, i64>,
    waiting: i64,
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(shop) = shops.first() else { return faults };
    let counted = [(&articles.plenty, crate::PLENTY), (&articles.scarce, 1)];
    for (sku, stock) in counted.into_iter().chain(articles.hot.iter().map(|sku| (sku, HOT.1))) {
        let gone = left.get(sku).copied().unwrap_or_default();
        let reserved = if *sku == articles.plenty { waiting } else { 0 };
        if let Err(error) = shop.stock_becomes(sku, Level::of(stock - gone, reserved)).await {
            faults.push(format!("{error:#}"));
        }
    }
    faults
}

async fn check(shops: &[TestShop], visit: &Visit) -> anyhow::Result<Option<testkit::Settled>> {
    let shop = shops.get(visit.customer.shop).context("there is no such shop")?;
    let order = &visit.placed;
    match visit.customer.story {
        Story::LeavesItThere => {
            let live = shop.api::<Order>().get(&order.name).await.context("an acknowledged order is lost")?;
            let status = live.status.context("it has no status")?;
            anyhow::ensure!(
                status.phase == Some(OrderPhase::AwaitingPayment) && status.reason.is_some(),
                "it is {:?} ({:?}), not AwaitingPayment for a reason",
                status.phase,
                status.reason
            );
            shop.money_becomes(order, 0, 0).await?;
            Ok(None)
        }
        Story::Deletes(_) if shop.history_of(order).await.is_err() => {
            // Deleted before it was quoted: nothing happened, and nothing may have.
            let gone = shop.api::<Order>().get_opt(&order.name).await?.is_none();
            anyhow::ensure!(gone, "it is there and orders does not know it");
            shop.money_becomes(order, 0, 0).await?;
            Ok(None)
        }
        Story::Plain
        | Story::Archived
        | Story::TooMuch
        | Story::DeclinedThenPays
        | Story::Confirms
        | Story::Silent
        | Story::Unavailable
        | Story::Undeliverable
        | Story::Lost
        | Story::Cancels(_)
        | Story::Deletes(_)
        | Story::Races => shop.settled_order(order, Mails::AtLeastOnce).await.map(Some),
    }
}
