//! Open carts are held against the catalog from time to time, so that what is shown when the catalog is away is not old, and what
//! was told of a price while nobody listened is made up for.

use std::time::Duration;

use anyhow::Context as _;
use chassis::{Platform, Store};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::catalog;
use crate::line::{Line, Lookup};
use crate::store::{self, Rounds, later};
use crate::validate::looked_up;

/// How often carts are looked for that are due.
const EVERY: Duration = Duration::from_secs(60);
/// How often a cart is validated.
const DUE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// When it is tried again after a failure.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Carts that their shoppers have not changed for so long are left alone.
const LEFT_ALONE_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many carts are validated together.
const BATCH: i64 = 50;
/// How long the catalog may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Validates open carts that are due, until the process is to stop.
///
/// # Errors
/// None in operation: failures are retried.
pub(crate) async fn keep_validating(platform: Platform, store: Store) -> anyhow::Result<()> {
    while !platform.stop.is_cancelled() {
        let more = match validate_some(&platform.nats, &store).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!("failed to validate carts, will retry: {error:#}");
                false
            }
        };
        if !more {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = platform.stop.cancelled() => {}
            }
        }
    }
    Ok(())
}

/// Validates a batch; true when there may be more.
async fn validate_some(nats: &async_nats::Client, store: &Store) -> anyhow::Result<bool> {
    let due = take_due(store, chassis::clock::now()).await.context("failed to read which carts are due")?;
    let lookup = catalog::look_up(nats, due.skus, PATIENCE).await.context("failed to look articles up")?;
    note_seen(store, &due.carts, &lookup, chassis::clock::now())
        .await
        .context("failed to write what the catalog said")?;
    Ok(due.more)
}

/// Carts that are to be validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The carts.
    pub carts: Vec<Uuid>,
    /// The articles in them, each once.
    pub skus: Vec<String>,
    /// True when there may be more.
    pub more: bool,
}

/// Takes a batch of carts that are due, for a while: those that are not noted by then are due again.
///
/// # Errors
/// When the database fails.
pub async fn take_due(store: &Store, now: Timestamp) -> Result<Due, sqlx::Error> {
    let rounds = Rounds {
        changed_since: later(now, -LEFT_ALONE_AFTER),
        lease_until: later(now, AGAIN_AFTER),
        limit: BATCH,
    };
    let mut connection = store.pool().acquire().await?;
    let (carts, taken) = store::take_due(&mut connection, rounds, now).await?;
    let skus = store::lines::skus_of(&mut connection, &carts).await?;
    Ok(Due { carts, skus, more: taken == BATCH })
}

/// Writes what the catalog said into those of `carts` that are still open: shoppers are told by the difference to what they were
/// told before.
///
/// # Errors
/// When the database fails.
pub async fn note_seen(
    store: &Store,
    carts: &[Uuid],
    lookup: &Lookup,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut transaction = store.begin().await?;
    let open = store::lock_many_in_tx(&mut transaction, carts).await?;
    for cart in &open {
        transaction.about("validation", &cart.to_string());
    }
    let lines = store::lines::of_carts(&mut transaction, &open, None).await?;
    let changed: Vec<(Uuid, Line)> = lines
        .into_iter()
        .filter_map(|(cart, line)| {
            let seen = looked_up(&line, lookup);
            (seen != line).then_some((cart, seen))
        })
        .collect();
    if !changed.is_empty() {
        store::lines::write_in_tx(&mut transaction, &changed).await?;
    }
    store::validate_again_in_tx(&mut transaction, &open, later(now, DUE_AFTER)).await?;
    transaction.commit().await
}
