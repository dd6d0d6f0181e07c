//! Making a decision come true: ledger, reservation, events, report and timer, in one transaction.

use std::collections::BTreeSet;

use chassis::{HandleError, Transaction};
use jiff::Timestamp;

use crate::ledger::Levels;
use crate::publisher;
use crate::record::{Heard, Reservation};
use crate::reservation::Decision;
use crate::store::levels::{self, Cause};
use crate::store::reservations::{self, phase_text};

/// Makes `decision` come true and answers the reservation after it. A child that was heard before gets a report when
/// the state is another; who has just asked gets one anyway, from who answers.
///
/// # Errors
/// When the database fails.
pub async fn settle_in_tx(
    tx: &mut Transaction,
    before: &Reservation,
    heard: Heard,
    decision: Decision,
    levels: &mut Levels,
    cause: &Cause,
    now: Timestamp,
) -> Result<Reservation, HandleError> {
    let Decision { next, movements } = decision;
    let after = before.after(heard, next);
    levels::record_in_tx(tx, levels, &BTreeSet::new(), &movements, cause, now).await?;
    reservations::save_in_tx(tx, before, &after, now).await?;
    if !after.state.tells_the_same_as(&before.state) {
        let phase = phase_text(after.state.phase());
        metrics::counter!("supercargo_inventory_reservations_total", "phase" => phase).increment(1);
        if let Some(event) = publisher::stock_changed(&after, now)? {
            tx.publish(&event);
        }
    }
    if after.revision != before.revision
        && let Some(child) = &after.child
    {
        tx.report(&publisher::report(&after, &child.uid)?);
    }
    watch_in_tx(tx, &after).await?;
    Ok(after)
}

/// Has the timer look at a hold when its time has passed.
///
/// # Errors
/// When the database fails.
pub async fn watch_in_tx(tx: &mut Transaction, reservation: &Reservation) -> Result<(), sqlx::Error> {
    match reservation.state.expires_at() {
        Some(expiry) => tx.schedule(&reservation.order_id, expiry).await,
        None => Ok(()),
    }
}
