//! Events are recorded, and the row of their order moved, in one transaction.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Transaction};
use jiff::Timestamp;

use crate::record::Record;
use crate::{store, views};

/// Records every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordEvents;

#[async_trait]
impl Handler for RecordEvents {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let record = Record::read(message).map_err(|error| HandleError::Malformed(chain(&error)))?;
        record_in_tx(transaction, &record, chassis::clock::now()).await?;
        Ok(())
    }

    /// The history itself knows what it has: an event that was handled and is not in it is recorded when it is told again.
    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        self.handle(message, transaction).await
    }
}

/// Records `record` and folds its transition; does nothing when it was recorded before.
///
/// The order's row is locked before all else is written, here and in the archive, so that no two wait for each other.
///
/// # Errors
/// When the database fails.
pub async fn record_in_tx(
    transaction: &mut Transaction,
    record: &Record,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Some(order) = &record.order else {
        store::append_in_tx(transaction, record).await?;
        return Ok(());
    };
    let summary = store::lock_order_in_tx(transaction, order, record.at).await?;
    if !store::append_in_tx(transaction, record).await? {
        return Ok(());
    }
    views::project_in_tx(transaction, record).await?;
    let Some(step) = &record.transition else { return Ok(()) };
    let recorded = if summary.needs_recorded(step) {
        store::sequences_in_tx(transaction, &order.order_id, summary.complete_to).await?
    } else {
        BTreeSet::new()
    };
    let had_gap = summary.gap_since.is_some();
    let summary = summary.with(step, &recorded, now);
    if !had_gap && summary.gap_since.is_some() {
        tracing::debug!(
            order = order.order_id,
            sequence = step.sequence,
            complete_to = summary.complete_to,
            "a transition arrived before one of its predecessors"
        );
        metrics::counter!("supercargo_orders_gaps_total").increment(1);
    }
    store::save_summary_in_tx(transaction, &order.order_id, &summary).await
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}
