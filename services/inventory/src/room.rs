//! Locking the levels that a decision is about, and taking goods from expired holds where there are too few.
//!
//! # Order of locks
//! Reservations before levels; of each the own first, then in the order of id and SKU. Only when goods run short between
//! looking and locking are reservations locked after levels; two who wait for each other then are told apart by the
//! database, and the one that loses is tried again.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{HandleError, Transaction};
use jiff::Timestamp;

use crate::expiry::choose;
use crate::ledger::{Level, Levels};
use crate::record::{Heard, Reservation};
use crate::reservation::expire;
use crate::settle::settle_in_tx;
use crate::store::levels::{self, Cause};
use crate::store::reservations;

/// Locks the levels of `skus` and expires the oldest expired holds of others on those of them that `short` says are
/// short (by how many pieces). Answers the levels as they are then, with those of whatever else was expired.
///
/// # Errors
/// When the database fails.
pub async fn make_room_in_tx(
    tx: &mut Transaction,
    own: Option<&str>,
    skus: &BTreeSet<String>,
    short: impl Fn(&str, &Level) -> i64 + Send + Sync,
    now: Timestamp,
) -> Result<Levels, HandleError> {
    if skus.is_empty() {
        return Ok(Levels::default());
    }
    let mut levels = levels::read(tx, skus).await?;
    let mut to_lock = skus.clone();
    let mut examined: BTreeSet<String> = own.into_iter().map(str::to_owned).collect();
    let mut expired: Vec<Reservation> = Vec::new();
    let mut locked = false;
    loop {
        let missing = missing(skus, &levels, &expired, &short);
        let chosen = if missing.is_empty() {
            BTreeSet::new()
        } else {
            let wanted: Vec<&str> = missing.keys().map(String::as_str).collect();
            choose(&missing, &reservations::expired_in_tx(tx, &wanted, &examined, now).await?)
        };
        if chosen.is_empty() && locked {
            break;
        }
        if !chosen.is_empty() {
            // One that was paid, freed or taken since it was seen is no longer expired.
            let still = reservations::lock_in_tx(tx, &chosen).await?;
            for hold in still.into_iter().filter(|hold| expire(&hold.state, now).is_some()) {
                to_lock.extend(hold.state.goods().skus().map(str::to_owned));
                expired.push(hold);
            }
            examined.extend(chosen);
        }
        levels = levels::lock_in_tx(tx, &to_lock).await?;
        locked = true;
    }
    let nobody = Heard { child: None, desired: None };
    for hold in expired {
        if let Some(decision) = expire(&hold.state, now) {
            metrics::counter!("supercargo_inventory_holds_expired_total", "by" => "demand").increment(1);
            let cause = Cause::order(&hold.order_id, "the hold expired and others needed the goods");
            let after = settle_in_tx(tx, &hold, nobody.clone(), decision, &mut levels, &cause, now).await?;
            tracing::info!(expired_order = after.order_id, "an expired hold gave its goods to others");
        }
    }
    Ok(levels)
}

/// What is missing once the holds in `expired` have given what they have.
fn missing(
    skus: &BTreeSet<String>,
    levels: &Levels,
    expired: &[Reservation],
    short: &impl Fn(&str, &Level) -> i64,
) -> BTreeMap<String, i64> {
    let freed = |sku: &str| -> i64 { expired.iter().map(|hold| hold.state.goods().of(sku)).sum() };
    skus.iter()
        // An article without a level is held by nobody.
        .filter_map(|sku| levels.0.get(sku).map(|level| (sku.clone(), short(sku, level) - freed(sku))))
        .filter(|(_, pieces)| *pieces > 0)
        .collect()
}
