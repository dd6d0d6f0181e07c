//! Load: so many orders at once, or so many a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use resources::OrderPhase;
use testkit::{OrderBuilder, order};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::shopper::Shopper;

/// What a load came to.
#[derive(Debug)]
pub struct Carried {
    /// How long each order took, shortest first.
    pub latencies: Vec<Duration>,
    /// From the first create to the last end.
    pub took: Duration,
}

impl Carried {
    /// The latency that so many per cent of the orders did not exceed, in milliseconds.
    #[must_use]
    pub fn percentile(&self, per_cent: usize) -> f64 {
        let rank = (self.latencies.len() * per_cent).div_ceil(100).max(1) - 1;
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }

    /// Orders a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        per_second(self.latencies.len(), self.took)
    }
}

/// So many of something in so long, a second.
#[must_use]
pub fn per_second(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

/// Places orders of the articles in turn.
pub struct Load {
    /// Who places them.
    pub shopper: Arc<Shopper>,
    /// The articles.
    pub articles: Vec<String>,
}

impl Load {
    fn order(&self, number: usize) -> OrderBuilder {
        let article = self.articles.get(number % self.articles.len().max(1)).map_or("", String::as_str);
        order().item(article, 1)
    }

    /// Carries `count` orders to Completed, never more than `in_flight` at once.
    ///
    /// # Errors
    /// When one does not get there.
    pub async fn closed(&self, count: usize, in_flight: usize) -> anyhow::Result<Carried> {
        self.run(count, in_flight, OrderPhase::Completed, |number| self.order(number)).await
    }

    /// Places `count` orders that rest in `AwaitingPayment`.
    ///
    /// # Errors
    /// As [`Load::closed`].
    pub async fn rest(&self, count: usize, in_flight: usize) -> anyhow::Result<Carried> {
        let resting = |number| self.order(number).without_method();
        self.run(count, in_flight, OrderPhase::AwaitingPayment, resting).await
    }

    async fn run(
        &self,
        count: usize,
        in_flight: usize,
        phase: OrderPhase,
        order: impl Fn(usize) -> OrderBuilder,
    ) -> anyhow::Result<Carried> {
        let slots = Arc::new(Semaphore::new(in_flight));
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for number in 0..count {
            let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
            let (shopper, order) = (self.shopper.clone(), order(number));
            tasks.spawn(async move {
                let latency = shopper.carry(order, phase).await;
                drop(slot);
                latency
            });
        }
        finish(tasks, began).await
    }

    /// Places `per_second` orders a second for so many seconds, whatever becomes of them, and carries them to Completed.
    ///
    /// # Errors
    /// As [`Load::closed`].
    pub async fn open(&self, per_second: u32, seconds: u32) -> anyhow::Result<Carried> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for number in 0..per_second * seconds {
            ticks.tick().await;
            let order = self.order(usize::try_from(number).unwrap_or(0));
            let shopper = self.shopper.clone();
            tasks.spawn(async move { shopper.carry(order, OrderPhase::Completed).await });
        }
        finish(tasks, began).await
    }
}

async fn finish(mut tasks: JoinSet<anyhow::Result<Duration>>, began: Instant) -> anyhow::Result<Carried> {
    let mut latencies = Vec::with_capacity(tasks.len());
    while let Some(latency) = tasks.join_next().await {
        latencies.push(latency.context("a task of the load failed")??);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Ok(Carried { latencies, took })
}
