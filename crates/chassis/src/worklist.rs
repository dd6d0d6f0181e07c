//! A durable worklist: what has to be done outside a transaction (a provider, a carrier, a mail server, a timer), by key,
//! when it is due, until it is done.
//!
//! A handler schedules a key in its transaction; the worker takes due keys under a lease, so that replicas do not do the
//! same work at once, and a crash only delays it. Scheduling a key that is being worked on makes it due again afterwards.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row;
use tokio::sync::Semaphore;

use crate::{Backoff, Platform, Store, Transaction, to_database};

/// How long a key stays with a worker that gives no sign of life; renewed while it works.
const LEASE_SECONDS: i32 = 15;
const RENEW_EVERY: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(500), maximum: Duration::from_secs(60) };

/// What follows a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more to do for now.
    Done,
    /// Look again then.
    At(Timestamp),
}

/// Does the work.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// Does what `key` needs; `failures` tells how often it failed in a row. An error is retried with backoff, for ever:
    /// work that must give up decides so itself.
    async fn perform(&self, key: &str, failures: u32) -> anyhow::Result<Next>;
}

impl Transaction {
    /// Makes `key` due at `at`, or earlier when it is due earlier already.
    ///
    /// # Errors
    /// When the worklist cannot be written.
    pub async fn schedule(&mut self, key: &str, at: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO worklist (key, due_at) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET due_at = LEAST(worklist.due_at, excluded.due_at),
                 version = worklist.version + 1, attempts = 0",
        )
        .bind(key)
        .bind(to_database(at))
        .execute(&mut **self)
        .await?;
        self.scheduled_work = true;
        Ok(())
    }
}

/// Works until the process is to stop, then finishes what is under way.
///
/// # Errors
/// None in operation: failures are retried.
pub async fn work<W: Work>(
    platform: Platform,
    store: Store,
    concurrency: usize,
    worker: W,
) -> anyhow::Result<()> {
    let worker = Arc::new(worker);
    let slots = Arc::new(Semaphore::new(concurrency));
    let check = platform.health.check(&format!("{} worklist", store.service()));
    while !platform.stop.is_cancelled() {
        let free = slots.available_permits().max(1);
        let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
        drop(slot);
        let wait = match claim(&store, i64::try_from(free).unwrap_or(1)).await {
            Ok(tasks) => {
                check.ready();
                let busy = !tasks.is_empty();
                for task in tasks {
                    let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
                    let (worker, store) = (worker.clone(), store.clone());
                    tokio::spawn(async move {
                        perform(&store, &*worker, task).await;
                        // Another key may have become due meanwhile.
                        store.work_scheduled.notify_one();
                        drop(slot);
                    });
                }
                if busy { Duration::ZERO } else { until_due(&store).await }
            }
            Err(error) => {
                check.not_ready(&format!("{error:#}"));
                tracing::warn!(
                    service = store.service(),
                    "failed to read the worklist, will retry: {error:#}"
                );
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = store.work_scheduled.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = platform.stop.cancelled() => {}
        }
    }
    let _finished = slots.acquire_many(u32::try_from(concurrency).unwrap_or(u32::MAX)).await;
    Ok(())
}

struct Task {
    key: String,
    version: i64,
    attempts: i32,
}

async fn claim(store: &Store, limit: i64) -> anyhow::Result<Vec<Task>> {
    let rows = sqlx::query(
        "UPDATE worklist SET leased_until = now() + make_interval(secs => $2)
         WHERE key IN (SELECT key FROM worklist
                       WHERE due_at <= now() AND (leased_until IS NULL OR leased_until < now())
                       ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING key, version, attempts",
    )
    .bind(limit)
    .bind(f64::from(LEASE_SECONDS))
    .fetch_all(store.pool())
    .await
    .context("failed to claim work")?;
    Ok(rows
        .iter()
        .map(|row| Task { key: row.get("key"), version: row.get("version"), attempts: row.get("attempts") })
        .collect())
}

/// How long until the next key is due: at most a second, since other replicas schedule too.
async fn until_due(store: &Store) -> Duration {
    let milliseconds: Result<Option<i64>, sqlx::Error> = sqlx::query_scalar(
        "SELECT (EXTRACT(EPOCH FROM min(GREATEST(due_at, COALESCE(leased_until, due_at))) - now()) * 1000)::bigint
         FROM worklist",
    )
    .fetch_one(store.pool())
    .await;
    let milliseconds = milliseconds.ok().flatten().unwrap_or(1000).clamp(1, 1000);
    Duration::from_millis(milliseconds.unsigned_abs())
}

async fn perform<W: Work>(store: &Store, worker: &W, task: Task) {
    let failures = u32::try_from(task.attempts).unwrap_or(0);
    let outcome = while_renewing(store, &task, worker.perform(&task.key, failures)).await;
    let settled = match outcome {
        Ok(Next::Done) => settle_done(store, &task).await,
        Ok(Next::At(at)) => settle_later(store, &task, at, None).await,
        Err(error) => {
            let wait = BACKOFF.jittered(failures + 1);
            tracing::warn!(
                service = store.service(),
                key = task.key,
                failures,
                "work failed, next try in {wait:?}: {error:#}"
            );
            let at = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
            settle_later(store, &task, at, Some(format!("{error:#}"))).await
        }
    };
    if let Err(error) = settled {
        tracing::warn!(
            service = store.service(),
            key = task.key,
            "failed to settle work; it is done again: {error}"
        );
    }
}

/// Works, and keeps the lease meanwhile, so that a crash delays by little and slow work is not done twice.
async fn while_renewing<T>(store: &Store, task: &Task, working: impl Future<Output = T>) -> T {
    let mut working = std::pin::pin!(working);
    loop {
        tokio::select! {
            outcome = &mut working => return outcome,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        let renewed = sqlx::query(
            "UPDATE worklist SET leased_until = now() + make_interval(secs => $2) WHERE key = $1",
        )
        .bind(&task.key)
        .bind(f64::from(LEASE_SECONDS))
        .execute(store.pool())
        .await;
        if let Err(error) = renewed {
            tracing::warn!(service = store.service(), key = task.key, "failed to renew a lease: {error}");
        }
    }
}

/// Gone, unless it was scheduled again meanwhile.
async fn settle_done(store: &Store, task: &Task) -> Result<(), sqlx::Error> {
    let gone = sqlx::query("DELETE FROM worklist WHERE key = $1 AND version = $2")
        .bind(&task.key)
        .bind(task.version)
        .execute(store.pool())
        .await?;
    if gone.rows_affected() == 0 { release(store, task).await } else { Ok(()) }
}

async fn settle_later(
    store: &Store,
    task: &Task,
    at: Timestamp,
    error: Option<String>,
) -> Result<(), sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE worklist SET leased_until = NULL, due_at = $3, error = $4,
             attempts = CASE WHEN $4::text IS NULL THEN 0 ELSE attempts + 1 END
         WHERE key = $1 AND version = $2",
    )
    .bind(&task.key)
    .bind(task.version)
    .bind(to_database(at))
    .bind(error)
    .execute(store.pool())
    .await?;
    if moved.rows_affected() == 0 { release(store, task).await } else { Ok(()) }
}

async fn release(store: &Store, task: &Task) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE worklist SET leased_until = NULL WHERE key = $1")
        .bind(&task.key)
        .execute(store.pool())
        .await?;
    Ok(())
}
