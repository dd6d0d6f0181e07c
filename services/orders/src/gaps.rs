//! Watches for transitions that never arrived.

use std::time::Duration;

use chassis::{Platform, Store};
use jiff::{SignedDuration, Timestamp};

use crate::store;

const EVERY: Duration = Duration::from_secs(15);
/// Neighbours overtake each other for a moment; after this long one is missing.
const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// Exports how many orders miss a transition until the process is to stop. Archiving fills them in.
///
/// # Errors
/// None in operation: failures are retried.
pub(crate) async fn watch(platform: Platform, orders: Store) -> anyhow::Result<()> {
    let mut known = 0;
    while !platform.stop.is_cancelled() {
        let before = chassis::clock::now().checked_sub(OVERDUE).unwrap_or(Timestamp::MIN);
        match store::orders_with_gaps(orders.pool(), before).await {
            Ok((count, some)) => {
                metrics::gauge!("supercargo_orders_with_gaps")
                    .set(f64::from(i32::try_from(count).unwrap_or(i32::MAX)));
                if count > known {
                    tracing::warn!(
                        count,
                        orders = some.join(" "),
                        "orders miss a transition; they are filled in when the orders are archived"
                    );
                }
                known = count;
            }
            Err(error) => tracing::warn!("failed to look for missing transitions, will retry: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = platform.stop.cancelled() => {}
        }
    }
    Ok(())
}
