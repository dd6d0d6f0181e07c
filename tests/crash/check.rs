//! The books, once an order has come to rest.

use anyhow::Context as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use testkit::{Mails, Placed, Settled, Stack, TestShop, eventually};

use crate::paths::Path;

/// The databases, read past their services.
pub struct Ledgers(PgPool);

impl Ledgers {
    /// Of the stack.
    pub async fn open(stack: &Stack) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(4).connect(&stack.addresses.database).await;
        Ok(Self(pool.context("failed to reach the databases")?))
    }

    /// How much of an order's goods was allocated, released and shipped.
    async fn goods(&self, order_id: &str) -> anyhow::Result<(i64, i64, i64)> {
        let row = sqlx::query(
            "SELECT coalesce(sum(quantity) FILTER (WHERE kind = 'allocated'), 0)::bigint AS allocated,
                    coalesce(sum(quantity) FILTER (WHERE kind = 'released'), 0)::bigint AS released,
                    coalesce(sum(quantity) FILTER (WHERE kind = 'shipped'), 0)::bigint AS shipped
             FROM inventory.movements WHERE order_id = $1",
        )
        .bind(order_id)
        .fetch_one(&self.0)
        .await?;
        Ok((row.get("allocated"), row.get("released"), row.get("shipped")))
    }

    /// What is left in the worklists, the outboxes and the stream of dead letters of the services.
    pub async fn leftovers(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for service in ["inventory", "payment", "shipping", "notifications"] {
            let tables = format!(
                "SELECT (SELECT count(*) FROM {service}.outbox WHERE published_at IS NULL) AS untold,
                        (SELECT count(*) FROM {service}.worklist WHERE due_at < now() + interval '1 hour') AS due,
                        (SELECT string_agg(key, ' ') FROM {service}.worklist) AS keys"
            );
            let row = sqlx::query(sqlx::AssertSqlSafe(tables)).fetch_one(&self.0).await?;
            let (untold, due): (i64, i64) = (row.get("untold"), row.get("due"));
            if untold > 0 || due > 0 {
                let keys: Option<String> = row.get("keys");
                left.push(format!("{service}: {untold} untold, {due} due of {keys:?}"));
            }
        }
        Ok(left)
    }
}

/// Checks the order against the outside world's books, its history and the stock ledger.
pub async fn books_are_right(
    shop: &TestShop,
    ledgers: &Ledgers,
    path: &Path,
    placed: &Placed,
    clean: bool,
) -> anyhow::Result<()> {
    let Settled { end, goods } = shop.settled_order(placed, Mails::AtLeastOnce).await?;
    let allowed = if clean { &path.ends[..1] } else { path.ends };
    anyhow::ensure!(allowed.contains(&end.as_str()), "it ended with {end}, not {allowed:?}");
    let gone: i64 = goods.iter().map(|(_, quantity)| quantity).sum();
    eventually("the stock ledger is right to the unit", || async {
        let (allocated, released, shipped) = ledgers.goods(&placed.id).await?;
        anyhow::ensure!(
            shipped == gone && allocated == released + shipped,
            "{allocated} were allocated, {released} released and {shipped} shipped; {gone} left the house"
        );
        Ok(())
    })
    .await
}
