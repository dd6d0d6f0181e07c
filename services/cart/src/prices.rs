//! Changed prices reach the lines of open carts: each change is noted when it is heard, and carried to the carts in batches.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Store, Transaction};
use events::PriceChanged;
use uuid::Uuid;

use crate::jobs::Job;
use crate::line::Line;
use crate::store;
use crate::validate::repriced;

/// The durable consumer of `price.changed`.
pub const PRICES_CONSUMER: &str = "cart-prices";

/// How many carts share a transaction.
const BATCH: i64 = 200;

/// Notes changes of prices.
#[derive(Clone, Copy, Debug)]
pub struct PriceChanges;

#[async_trait]
impl Handler for PriceChanges {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let change: PriceChanged = message
            .event()?
            .data()
            .map_err(|error| HandleError::Malformed(format!("{:#}", anyhow::Error::from(error))))?;
        let newest = store::prices::note_in_tx(transaction, &change).await?;
        if newest && store::prices::is_in_a_cart_in_tx(transaction, &change.sku).await? {
            transaction.schedule(&Job::Reprice(change.sku).key(), chassis::clock::now()).await?;
        }
        Ok(())
    }
}

/// Carries the newest price of an article to all open carts that have it. Shoppers are told by the difference to what they were
/// told before.
///
/// # Errors
/// When the database fails; the same again finishes it.
pub async fn reprice(store: &Store, sku: &str) -> anyhow::Result<()> {
    let failed = || format!("failed to carry the price of {sku} to the carts");
    let mut after = Uuid::nil();
    loop {
        let mut transaction = store.begin().await.with_context(failed)?;
        transaction.about("prices", sku);
        let carts =
            store::lines::carts_with(&mut transaction, sku, after, BATCH).await.with_context(failed)?;
        let Some(last) = carts.last() else { return Ok(()) };
        after = *last;
        let open = store::lock_many_in_tx(&mut transaction, &carts).await.with_context(failed)?;
        // Read anew for each batch: a newer one that comes meanwhile is carried to all carts once more.
        let price = store::prices::newest(&mut transaction, sku).await.with_context(failed)?;
        let Some(price) = price else { return Ok(()) };
        let lines = store::lines::of_carts(&mut transaction, &open, Some(sku)).await.with_context(failed)?;
        let changed: Vec<(Uuid, Line)> = lines
            .into_iter()
            .filter(|(_, line)| line.price != price)
            .map(|(cart, line)| (cart, repriced(&line, price)))
            .collect();
        if !changed.is_empty() {
            store::lines::write_in_tx(&mut transaction, &changed).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
        }
    }
}
