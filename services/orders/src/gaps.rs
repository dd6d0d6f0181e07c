//! Watches for transitions that never arrived, and asks the operator to tell them again.

use std::time::Duration;

use chassis::questions::ask;
use chassis::{Platform, Store, clock, new_stream};
use events::questions::TellAgain;
use jiff::{SignedDuration, Timestamp};

use crate::store;

const EVERY: Duration = Duration::from_secs(5);
/// Neighbours overtake each other for a moment; after this long one is missing.
const OVERDUE: SignedDuration = SignedDuration::from_secs(15);
/// How long the operator may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who looks for a loss of the stream here.
const READER: &str = "history";

/// Exports how many orders miss a transition, and has them told again, until the process is to stop. What their resources
/// tell no longer is filled in when they are archived.
///
/// # Errors
/// None in operation: failures are retried.
pub(crate) async fn watch(platform: Platform, orders: Store) -> anyhow::Result<()> {
    let mut known = 0;
    let mut asked = None;
    while !platform.stop.is_cancelled() {
        match look(&platform, &orders, known).await {
            Ok(count) => known = count,
            Err(error) => tracing::warn!("failed to look for missing transitions, will retry: {error:#}"),
        }
        if let Err(error) = look_for_a_loss(&platform, &orders, &mut asked).await {
            tracing::warn!("failed to have the orders told again, will retry: {error:#}");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = platform.stop.cancelled() => {}
        }
    }
    Ok(())
}

/// How many orders miss a transition; the longest of them are asked for.
async fn look(platform: &Platform, orders: &Store, known: i64) -> anyhow::Result<i64> {
    let before = clock::now().checked_sub(OVERDUE).unwrap_or(Timestamp::MIN);
    let (count, some) = store::orders_with_gaps(orders.pool(), before).await?;
    metrics::gauge!("supercargo_orders_with_gaps").set(f64::from(i32::try_from(count).unwrap_or(i32::MAX)));
    if count > known {
        tracing::warn!(count, orders = some.join(" "), "orders miss a transition; the operator is asked");
    }
    if !some.is_empty() {
        let answer = ask(&platform.nats, &TellAgain { orders: Some(some) }, PATIENCE).await?;
        tracing::debug!(found = answer.found, "missing transitions are told again");
    }
    Ok(count)
}

/// The stream of events was made anew: what nobody had read is gone, the last transitions of orders too, which leave no gap.
///
/// It is over only when the leader that was `asked` has told them all: one that dies meanwhile takes with it what it was asked.
async fn look_for_a_loss(
    platform: &Platform,
    orders: &Store,
    asked: &mut Option<String>,
) -> anyhow::Result<()> {
    let Some(new) = new_stream(platform, orders, READER).await? else { return Ok(()) };
    let Some(leader) = asked.take() else {
        let answer = ask(&platform.nats, &TellAgain { orders: None }, PATIENCE).await?;
        tracing::warn!(
            orders = answer.found,
            "the stream of events was made anew: all orders are told again"
        );
        *asked = Some(answer.leader);
        return Ok(());
    };
    let answer = ask(&platform.nats, &TellAgain { orders: Some(Vec::new()) }, PATIENCE).await?;
    if answer.leader != leader {
        return Ok(());
    }
    if answer.left > 0 {
        *asked = Some(leader);
        return Ok(());
    }
    let mut transaction = orders.begin().await?;
    new.note(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}
