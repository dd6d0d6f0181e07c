//! How long an order waits when the operator that leads is struck, with nothing else going on.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context as _;
use resources::Order;
use rustix::process::Signal;
use testkit::{ProxyFaults, TestShop, order};
use tokio::time::Instant;

use crate::load::{Articles, Customer, Story, Visit, Visits};
use crate::schedule::Name;
use crate::shop::Shop;

/// Another operator brings an order forward within this.
const WITHIN: Duration = Duration::from_secs(15);
/// One that is asked to stop lets go, and nobody waits for its lease.
const WITHIN_WHEN_ASKED: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_millis(50);

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Killed,
    AskedToStop,
    Paused,
    CutOff,
}

/// The times from each blow to the next progress, in words, and what was too slow.
pub async fn measure(
    shop: &Shop,
    shops: &[TestShop],
    articles: &Articles,
    visits: &Visits,
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut told, mut faults) = (Vec::new(), Vec::new());
    for blow in [Blow::AskedToStop, Blow::Killed, Blow::Paused, Blow::CutOff] {
        let first = shops.first().context("there is no shop")?;
        let took = strike(shop, first, articles, visits, blow).await.with_context(|| format!("{blow:?}"))?;
        let words = format!("{blow:?}: {:.1} s", took.as_secs_f32());
        crate::say(&format!("the leader is struck, and an order goes on after: {words}"));
        let bound = if blow == Blow::AskedToStop { WITHIN_WHEN_ASKED } else { WITHIN };
        if took > bound {
            faults.push(format!(
                "an order waited {took:.1?} for another leader ({blow:?}), not {bound:?} at most"
            ));
        }
        told.push(words);
    }
    Ok((told, faults))
}

async fn strike(
    shop: &Shop,
    first: &TestShop,
    articles: &Articles,
    visits: &Visits,
    blow: Blow,
) -> anyhow::Result<Duration> {
    let leader = one_leads(shop).await?;
    let proxy = shop.proxies.get(leader).context("an operator without a proxy")?;
    match blow {
        Blow::Killed => shop.supervisor.signal(leader, Signal::KILL),
        Blow::AskedToStop => shop.supervisor.signal(leader, Signal::TERM),
        Blow::Paused => shop.supervisor.signal(leader, Signal::STOP),
        Blow::CutOff => proxy.set(ProxyFaults { silent: true, ..ProxyFaults::default() }),
    }
    let struck = Instant::now();
    let placed = first.place(order().item(&articles.plenty, 1)).await?;
    let customer = Customer { at: Duration::ZERO, shop: 0, story: Story::Plain, hot: 0 };
    let visit = Visit { customer, placed: placed.clone() };
    visits.visits.lock().unwrap_or_else(PoisonError::into_inner).push(visit);
    let progress = async {
        loop {
            let order: Order = first.api().get(&placed.name).await?;
            if order.status.is_some_and(|status| status.phase.is_some()) {
                return anyhow::Ok(struck.elapsed());
            }
            tokio::time::sleep(TURN).await;
        }
    };
    let took = tokio::time::timeout(Duration::from_secs(60), progress).await;
    shop.supervisor.signal(leader, Signal::CONT);
    proxy.set(ProxyFaults::default());
    took.context("no operator brought the order forward within 60 s")?
}

/// The operator that leads, once it alone does and the other one stands by.
async fn one_leads(shop: &Shop) -> anyhow::Result<Name> {
    shop.ready(Duration::from_secs(30)).await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match (shop.leads("operator-1").await, shop.leads("operator-2").await) {
            (true, false) => return Ok("operator-1"),
            (false, true) => return Ok("operator-2"),
            both => anyhow::ensure!(Instant::now() < deadline, "they lead: {both:?}, not one of them"),
        }
        tokio::time::sleep(TURN).await;
    }
}
