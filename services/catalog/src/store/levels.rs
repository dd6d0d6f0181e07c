//! What was heard of stock.

use chassis::Transaction;
use events::StockLevel;
use sqlx::Error;

/// Keeps a level, unless a newer one is kept.
pub(crate) async fn keep_in_tx(transaction: &mut Transaction, level: &StockLevel) -> Result<(), Error> {
    let StockLevel { sku, on_hand: _, reserved: _, available, revision } = level;
    sqlx::query(
        "INSERT INTO levels (sku, available, revision) VALUES ($1, $2, $3)
         ON CONFLICT (sku) DO UPDATE SET available = EXCLUDED.available, revision = EXCLUDED.revision
         WHERE levels.revision < EXCLUDED.revision",
    )
    .bind(sku)
    .bind(available)
    .bind(revision)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
