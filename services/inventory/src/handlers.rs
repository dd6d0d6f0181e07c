//! What comes in on the streams: commands about reservations, and `order.shipped`.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Transaction};
use events::{Command, EventType, OrderTransition};
use jiff::Timestamp;
use resources::{ReservationDesired, StockReservationSpec, StockReservationStatus};

use crate::publisher;
use crate::record::{Heard, Reservation};
use crate::reservation::{Admission, Wish, admit, expire, intend};
use crate::room::make_room_in_tx;
use crate::settle::{settle_in_tx, watch_in_tx};
use crate::store::levels::Cause;
use crate::store::reservations;
use crate::wish;

/// Carries out commands. A repeated one goes the same way: the ledger knows what it has done, and a command of a child
/// that was replaced meanwhile is to be heard again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands;

#[async_trait]
impl Handler for Commands {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        apply_in_tx(transaction, &message.command()?, chassis::clock::now()).await.map(|_| ())
    }

    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        self.handle(message, transaction).await
    }
}

/// Books out the goods of orders that have left the house.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShippedOrders;

#[async_trait]
impl Handler for ShippedOrders {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let event = message.event()?;
        if event.event_type != EventType::OrderShipped {
            tracing::debug!(event = event.event_type.name(), "not of interest");
            return Ok(());
        }
        let shipped: OrderTransition = event
            .data()
            .map_err(|error| HandleError::Malformed(format!("{:#}", anyhow::Error::from(error))))?;
        ship_in_tx(transaction, &shipped.order_id, chassis::clock::now()).await
    }
}

/// Carries out a command, or recalls what it led to, and answers the status. With a child, it is reported too.
///
/// # Errors
/// [`HandleError::Malformed`] when it can never be done; else when the database fails.
pub async fn apply_in_tx(
    tx: &mut Transaction,
    command: &Command<StockReservationSpec>,
    now: Timestamp,
) -> Result<StockReservationStatus, HandleError> {
    let wish = wish::read(command).map_err(|error| HandleError::Malformed(error.to_string()))?;
    let child = wish::child(command);
    let order_id = &command.order_id;
    reservations::ensure_in_tx(tx, order_id, &command.namespace, &command.name).await?;
    let before = reservations::lock_one_in_tx(tx, order_id).await?.with_context(|| {
        format!("the reservation of order {order_id} is gone although it was made just now")
    })?;
    let after = match admit(before.child.as_ref(), child.as_ref()) {
        Admission::New => {
            let heard = Heard { child, desired: Some(command.spec.desired) };
            let reason = match command.spec.desired {
                ReservationDesired::Held => "the order asked for the goods",
                ReservationDesired::Committed => "the goods of the order were sent",
                ReservationDesired::Released => "the order gave the goods back",
            };
            decide_in_tx(tx, &before, heard, &wish, reason, now).await?
        }
        Admission::Known | Admission::Overtaken => {
            watch_in_tx(tx, &before).await?;
            before.clone()
        }
    };
    if after.revision == before.revision
        && let Some(uid) = &command.uid
    {
        tx.report(&publisher::report(&after, uid)?);
    }
    Ok(after.status())
}

/// Books out what is held for an order that was shipped; leaves alone what is unknown, booked out or given back.
///
/// # Errors
/// When the database fails.
pub async fn ship_in_tx(tx: &mut Transaction, order_id: &str, now: Timestamp) -> Result<(), HandleError> {
    let Some(before) = reservations::lock_one_in_tx(tx, order_id).await? else {
        tracing::debug!("an order was shipped that holds nothing here");
        return Ok(());
    };
    let goods = before.state.goods();
    if goods.is_empty() {
        return Ok(());
    }
    let heard = Heard { child: None, desired: Some(ReservationDesired::Committed) };
    decide_in_tx(tx, &before, heard, &Wish::Commit { goods }, "the order was shipped", now).await?;
    Ok(())
}

/// Expires the hold of an order when its time has passed, and answers the reservation; `None` when nothing is known.
///
/// # Errors
/// When the database fails.
pub async fn expire_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    now: Timestamp,
) -> Result<Option<Reservation>, HandleError> {
    let Some(before) = reservations::lock_one_in_tx(tx, order_id).await? else { return Ok(None) };
    let Some(decision) = expire(&before.state, now) else { return Ok(Some(before)) };
    metrics::counter!("supercargo_inventory_holds_expired_total", "by" => "time").increment(1);
    let skus = decision.movements.iter().map(|moved| moved.sku.clone()).collect();
    let mut levels = make_room_in_tx(tx, Some(order_id), &skus, |_, _| 0, now).await?;
    let nobody = Heard { child: None, desired: None };
    let cause = Cause::order(order_id, "the hold expired");
    settle_in_tx(tx, &before, nobody, decision, &mut levels, &cause, now).await.map(Some)
}

async fn decide_in_tx(
    tx: &mut Transaction,
    before: &Reservation,
    heard: Heard,
    wish: &Wish,
    reason: &str,
    now: Timestamp,
) -> Result<Reservation, HandleError> {
    let intent = intend(&before.state, wish, now);
    let order_id = &before.order_id;
    let short = |sku: &str, level: &crate::ledger::Level| intent.needs(sku) - level.available();
    let mut levels = make_room_in_tx(tx, Some(order_id), &intent.skus(), short, now).await?;
    let decision = intent.conclude(&levels);
    let cause = Cause::order(order_id, reason);
    let after = settle_in_tx(tx, before, heard, decision, &mut levels, &cause, now).await?;
    tracing::info!(phase = ?after.state.phase(), revision = after.revision, "{reason}");
    Ok(after)
}
