//! `order_views`, and `order_status` in the end, made anew from the history: `supercargo orders reproject`.
//!
//! In batches, each in a transaction of its own with how far it has come: whoever is broken off goes on there. Open orders come
//! first. Meanwhile events are recorded and read as ever: a batch holds the rows of its orders, and what arrives for them waits.
//!
//! # Guarantees
//! - The rows are the same, to the byte, as those that the events made one by one (`tests/reproject.rs`).

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::{Store, Transaction, to_database};
use events::questions::{Question, Reply};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Error, Row};

use crate::status;

/// How many orders a batch has.
const BATCH: i64 = 500;

/// Make the next batch anew; begins when none is under way.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Reproject {
    /// True: from the beginning, also when one is under way.
    pub restart: bool,
}

/// The answer to [`Reproject`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Orders done so far.
    pub done: i64,
    /// Orders that there were in the beginning.
    pub total: i64,
    /// True when all are done.
    pub finished: bool,
}

impl Question for Reproject {
    type Answer = Progress;
    const SUBJECT: &'static str = "orders.reproject";
}

/// Answers [`Reproject`].
#[derive(Clone)]
pub struct Reprojector(pub Store);

#[async_trait]
impl Answerer<Reproject, Progress> for Reprojector {
    async fn answer(&self, question: Reproject) -> Reply<Progress> {
        match next_batch(&self.0, question.restart, chassis::clock::now()).await {
            Ok(progress) => Reply::Answer(progress),
            Err(error) => Reply::Unavailable(format!("failed to make a batch of views anew: {error}")),
        }
    }
}

/// Makes the next batch anew, in one transaction with how far it has come.
///
/// # Errors
/// When the database fails; the batch is made by the next try.
pub async fn next_batch(store: &Store, restart: bool, now: Timestamp) -> Result<Progress, Error> {
    let mut tx = store.begin().await?;
    tx.about("reprojection", "views");
    if restart {
        sqlx::query("DELETE FROM reprojection").execute(&mut *tx).await?;
    }
    sqlx::query(
        "INSERT INTO reprojection (started_at, stage, total) SELECT $1, 'open', count(*) FROM orders_index
         ON CONFLICT DO NOTHING",
    )
    .bind(to_database(now))
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query("SELECT stage, after, done, total FROM reprojection FOR UPDATE")
        .fetch_one(&mut *tx)
        .await?;
    let (stage, after): (String, String) = (row.try_get("stage")?, row.try_get("after")?);
    let (done, total): (i64, i64) = (row.try_get("done")?, row.try_get("total")?);
    let orders = orders_after_in_tx(&mut tx, &stage, &after).await?;
    let progress = match (orders.last(), stage.as_str()) {
        (Some(last), _) => {
            rebuild_in_tx(&mut tx, &orders).await?;
            let done = done.saturating_add(i64::try_from(orders.len()).unwrap_or(i64::MAX));
            sqlx::query("UPDATE reprojection SET after = $1, done = $2")
                .bind(last)
                .bind(done)
                .execute(&mut *tx)
                .await?;
            Progress { done, total, finished: false }
        }
        (None, "open") => {
            sqlx::query("UPDATE reprojection SET stage = 'ended', after = ''").execute(&mut *tx).await?;
            Progress { done, total, finished: false }
        }
        (None, _) => {
            status::count_anew_in_tx(&mut tx).await?;
            sqlx::query("DELETE FROM reprojection").execute(&mut *tx).await?;
            Progress { done, total, finished: true }
        }
    };
    tx.commit().await?;
    Ok(progress)
}

async fn orders_after_in_tx(tx: &mut Transaction, stage: &str, after: &str) -> Result<Vec<String>, Error> {
    let statement = if stage == "open" {
        "SELECT order_id FROM orders_index
         WHERE (phase IS NULL OR phase NOT IN ('Completed', 'Rejected', 'Failed', 'Cancelled')) AND order_id > $1
         ORDER BY order_id LIMIT $2"
    } else {
        // Those that were open when they were done and have ended since are made once more, which changes nothing.
        "SELECT order_id FROM orders_index
         WHERE phase IN ('Completed', 'Rejected', 'Failed', 'Cancelled') AND order_id > $1 ORDER BY order_id LIMIT $2"
    };
    sqlx::query_scalar(statement).bind(after).bind(BATCH).fetch_all(&mut **tx).await
}

/// Makes the rows of `orders` anew, as [`crate::views`] would have from each of their events.
async fn rebuild_in_tx(tx: &mut Transaction, orders: &[String]) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO order_views (order_id, namespace, name, placed_at)
         SELECT order_id, namespace, name, first_seen FROM orders_index WHERE order_id = ANY($1)
         ON CONFLICT DO NOTHING",
    )
    .bind(orders)
    .execute(&mut **tx)
    .await?;
    // In a statement of its own: what is recorded by others until here is seen by the next one, what comes later waits.
    sqlx::query("SELECT 1 FROM order_views WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE")
        .bind(orders)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "WITH told AS (
             SELECT order_id, sequence, phase, at, data, event,
                    CASE WHEN sequence IS NULL THEN (data ->> 'revision')::bigint END AS revision
             FROM history
             WHERE order_id = ANY($1)
                 AND (sequence IS NOT NULL OR starts_with(event, 'payment.') OR starts_with(event, 'shipment.'))
         ), transitions AS (
             SELECT DISTINCT ON (order_id) * FROM told WHERE sequence IS NOT NULL ORDER BY order_id, sequence DESC
         ), payments AS (
             SELECT DISTINCT ON (order_id) * FROM told
             WHERE starts_with(event, 'payment.') AND revision > 0 ORDER BY order_id, revision DESC
         ), shipments AS (
             SELECT DISTINCT ON (order_id) * FROM told
             WHERE starts_with(event, 'shipment.') AND revision > 0 ORDER BY order_id, revision DESC
         ), firsts AS (
             SELECT order_id, min(at) AS at FROM told GROUP BY order_id
         )
         UPDATE order_views v SET
             user_id = COALESCE(t.data #>> '{customer,id}', p.user_id),
             placed_at = LEAST(f.at, p.asked_at, CASE WHEN f.at IS NULL AND p.asked_at IS NULL THEN i.first_seen END),
             sequence = COALESCE(t.sequence, 0), phase = t.phase, transition = t.data,
             payment_revision = COALESCE(m.revision, 0), payment = m.data,
             shipment_revision = COALESCE(s.revision, 0), shipment = s.data
         FROM orders_index i
             LEFT JOIN transitions t USING (order_id) LEFT JOIN payments m USING (order_id)
             LEFT JOIN shipments s USING (order_id) LEFT JOIN firsts f USING (order_id)
             LEFT JOIN placements p USING (order_id)
         WHERE i.order_id = v.order_id AND v.order_id = ANY($1)",
    )
    .bind(orders)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
