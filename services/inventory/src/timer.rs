//! Expires holds soon after their time has passed; the key is the order id.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::Store;
use chassis::trace::{join, within};
use chassis::worklist::{Next, Work};
use events::TraceParent;
use jiff::Timestamp;

use crate::handlers::expire_in_tx;

/// Expires holds.
pub struct ExpiryTimer {
    /// Where they are.
    pub store: Store,
}

#[async_trait]
impl Work for ExpiryTimer {
    async fn perform(&self, order_id: &str, _failures: u32) -> anyhow::Result<Next> {
        let trace = TraceParent::of_order(order_id);
        let span = join(tracing::info_span!("expiry", order = order_id, trace_id = trace.trace_id()), &trace);
        within(span, self.expire(order_id, chassis::clock::now())).await
    }
}

impl ExpiryTimer {
    async fn expire(&self, order_id: &str, now: Timestamp) -> anyhow::Result<Next> {
        let failed = || format!("failed to expire the hold of order {order_id}");
        let mut transaction = self.store.begin().await.with_context(failed)?;
        transaction.about("expiry", order_id);
        let reservation = expire_in_tx(&mut transaction, order_id, now).await.with_context(failed)?;
        transaction.commit().await.with_context(failed)?;
        // A hold that was prolonged, or the database's clock being ahead of ours.
        let soonest = now.checked_add(Duration::from_millis(100)).unwrap_or(now);
        let expiry = reservation.and_then(|reservation| reservation.state.expires_at());
        Ok(expiry.map_or(Next::Done, |expiry| Next::At(expiry.max(soonest))))
    }
}
