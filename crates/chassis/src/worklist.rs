//! A durable worklist: what has to be done outside a transaction (a provider, a carrier, a mail server, a timer), by key,
//! when it is due, until it is done.
//!
//! A handler schedules a key in its transaction; the worker takes due keys under a lease, so that replicas do not do the
//! same work at once, and a crash only delays it. Scheduling a key that is being worked on makes it due again afterwards.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::Row;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::clock::Steps;
use crate::effect::{effect_on_many, paced};
use crate::{Backoff, Platform, Point, Store, Transaction, clock, effect};

/// How long a key stays with a worker that gives no sign of life; renewed while it works.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Ten years: what is due later is looked at by then.
const LONGEST_MILLISECONDS: i64 = 10 * 365 * 24 * 3_600_000;
/// What is due and cannot be taken is locked by a transaction that will end: asked for no more often than this.
const LOCKED_MILLISECONDS: i64 = 25;
/// Among so many of the soonest keys is one that no worker has: more than all workers together have at a time.
const SOONEST: i64 = 500;
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
            "INSERT INTO worklist (key, due_at) VALUES ($1, now() + make_interval(secs => $2::double precision / 1000))
             ON CONFLICT (key) DO UPDATE SET due_at = LEAST(worklist.due_at, excluded.due_at),
                 version = worklist.version + 1, attempts = 0",
        )
        .bind(key)
        .bind(milliseconds_until(at))
        .execute(&mut **self)
        .await?;
        self.concerns.note(key);
        self.scheduled_work = true;
        Ok(())
    }
}

/// How far `at` is from now, on the clock that it was made by: the database adds it to its own, so that what is due at once
/// is so whatever our clock says.
fn milliseconds_until(at: Timestamp) -> i64 {
    let milliseconds = at.duration_since(clock::now()).as_millis();
    i64::try_from(milliseconds)
        .unwrap_or(i64::MAX)
        .clamp(0, LONGEST_MILLISECONDS)
        .saturating_add(clock::skipped())
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
    let mut steps = Steps::since(clock::now(), clock::instant());
    while !platform.stop.is_cancelled() {
        if let Some(step) = steps.look(clock::now(), clock::instant()) {
            follow_the_clock(&store, step).await;
        }
        let free = slots.available_permits().max(1);
        let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
        drop(slot);
        let wait = match claim(&store, free).await {
            Ok(Claim { tasks, next_within }) => {
                check.ready();
                for task in tasks {
                    let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
                    let (worker, store) = (worker.clone(), store.clone());
                    tokio::spawn(async move {
                        let look_again = perform(&store, &*worker, task).await;
                        drop(slot);
                        if look_again {
                            store.work_scheduled.notify_one();
                        }
                    });
                }
                next_within
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

/// Kept up until it is written: what a wrong clock has put off by an hour would wait for that hour.
async fn follow_the_clock(store: &Store, step: SignedDuration) {
    let service = store.service();
    let mut failures = 0;
    loop {
        match make_all_due(store).await {
            Ok(keys) => {
                tracing::warn!(service, keys, "the clock was set by {step:#}: what waits is looked at now");
                return;
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(service, "failed to follow a clock that was set, will retry: {error}");
                tokio::time::sleep(BACKOFF.jittered(failures)).await;
            }
        }
    }
}

/// Makes everything due now, also what is being worked on once that is done; answers how many keys that are. When each is due
/// was computed by a clock, which may have been wrong.
///
/// # Errors
/// When the worklist cannot be written.
pub async fn make_all_due(store: &Store) -> Result<u64, sqlx::Error> {
    let made = sqlx::query(
        "UPDATE worklist SET due_at = LEAST(due_at, now()), version = version + 1
         WHERE due_at > now() OR leased_until > now()",
    );
    Ok(made.execute(store.pool()).await?.rows_affected())
}

struct Task {
    key: String,
    version: i64,
    attempts: i32,
    /// Which taking this is: the key may be another worker's by now.
    lease: Uuid,
}

/// What was taken.
struct Claim {
    tasks: Vec<Task>,
    /// When to look again.
    next_within: Duration,
}

/// Takes at most `limit` keys that are due, and says when the next will be: one statement for both, as it is asked all the time.
async fn claim(store: &Store, limit: usize) -> anyhow::Result<Claim> {
    let rows = sqlx::query(
        "WITH claimed AS (
             UPDATE worklist SET leased_until = now() + make_interval(secs => $2::double precision / 1000),
                 lease = gen_random_uuid()
             WHERE key = ANY(ARRAY(SELECT key FROM worklist
                           WHERE due_at <= now() + make_interval(secs => $3::double precision / 1000)
                             AND (leased_until IS NULL OR leased_until < now())
                           ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED))
             RETURNING key, version, attempts, lease),
         soonest AS (SELECT key, due_at, leased_until FROM worklist ORDER BY due_at LIMIT $4)
         SELECT key, version, attempts, lease, NULL::bigint AS milliseconds FROM claimed
         UNION ALL
         SELECT NULL, NULL, NULL, NULL,
             (EXTRACT(EPOCH FROM min(GREATEST(due_at - make_interval(secs => $3::double precision / 1000),
                 COALESCE(leased_until, '-infinity'))) - now()) * 1000)::bigint
         FROM soonest WHERE key NOT IN (SELECT key FROM claimed)",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(lease_milliseconds())
    .bind(clock::skipped())
    .bind(SOONEST)
    .fetch_all(store.pool())
    .await
    .context("failed to claim work")?;
    let mut tasks = Vec::new();
    let mut milliseconds = None;
    for row in rows {
        match row.get::<Option<String>, _>("key") {
            Some(key) => tasks.push(Task {
                key,
                version: row.get("version"),
                attempts: row.get("attempts"),
                lease: row.get("lease"),
            }),
            None => milliseconds = row.get::<Option<i64>, _>("milliseconds"),
        }
    }
    // At most a second, since other replicas schedule too.
    let soonest = if tasks.is_empty() { LOCKED_MILLISECONDS } else { 1 };
    let milliseconds = milliseconds.unwrap_or(1000).clamp(soonest, 1000).unsigned_abs();
    let next_within = if tasks.len() < limit { Duration::from_millis(milliseconds) } else { Duration::ZERO };
    // Known only now whose work it is: what can go wrong is that nobody hears of the claim.
    let keys = || tasks.iter().map(|task| task.key.clone()).collect();
    effect_on_many(Point::new(store.service(), "worklist", "claim"), keys, || async { anyhow::Ok(()) })
        .await?;
    Ok(Claim { tasks, next_within })
}

fn lease_milliseconds() -> i64 {
    i64::try_from(paced(LEASE).as_millis()).unwrap_or(i64::MAX)
}

/// Works, and says whether the key may be due again soon.
async fn perform<W: Work>(store: &Store, worker: &W, task: Task) -> bool {
    let failures = u32::try_from(task.attempts).unwrap_or(0);
    let point = |action| Point::new(store.service(), "worklist", action);
    let working = effect(point("perform"), &task.key, || worker.perform(&task.key, failures));
    let Some(outcome) = while_renewing(store, &task, working).await else {
        tracing::warn!(
            service = store.service(),
            key = task.key,
            "the lease was lost; another worker goes on with it"
        );
        return true;
    };
    if let Err(error) = &outcome {
        tracing::warn!(
            service = store.service(),
            key = task.key,
            failures,
            "work failed, next try in at most {:?}: {error:#}",
            BACKOFF.wait(failures + 1)
        );
    }
    let settled = effect(point("settle"), &task.key, || async {
        match &outcome {
            Ok(Next::Done) => settle_done(store, &task).await,
            Ok(Next::At(at)) => settle_later(store, &task, *at, None).await.map(|()| true),
            Err(error) => {
                let wait = BACKOFF.jittered(failures + 1);
                let at = clock::now().checked_add(wait).unwrap_or(Timestamp::MAX);
                settle_later(store, &task, at, Some(format!("{error:#}"))).await.map(|()| true)
            }
        }
    })
    .await;
    settled.unwrap_or_else(|error| {
        tracing::warn!(
            service = store.service(),
            key = task.key,
            "failed to settle work; it is done again: {error}"
        );
        true
    })
}

/// Works, and keeps the lease meanwhile, so that a crash delays by little and slow work is not done twice. Leaves off when
/// the lease is another's: as a crash would, at a point where work can be taken up again.
async fn while_renewing<T>(store: &Store, task: &Task, working: impl Future<Output = T>) -> Option<T> {
    unless_lost(working, paced(RENEW_EVERY), || renew(store, task)).await
}

/// Works until it is done, or until `still_ours`, asked time and again, answers no. The work goes on while that is asked: it
/// may hold the very connection that the question waits for.
async fn unless_lost<T, F: Future<Output = bool>>(
    working: impl Future<Output = T>,
    every: Duration,
    still_ours: impl Fn() -> F,
) -> Option<T> {
    let renewing = async {
        loop {
            tokio::time::sleep(every).await;
            if !still_ours().await {
                return;
            }
        }
    };
    tokio::select! {
        outcome = working => Some(outcome),
        () = renewing => None,
    }
}

/// Prolongs the lease; false when it is another's.
async fn renew(store: &Store, task: &Task) -> bool {
    let renewed = effect(Point::new(store.service(), "worklist", "renew"), &task.key, || {
        sqlx::query(
            "UPDATE worklist SET leased_until = now() + make_interval(secs => $3::double precision / 1000)
             WHERE key = $1 AND lease = $2",
        )
        .bind(&task.key)
        .bind(task.lease)
        .bind(lease_milliseconds())
        .execute(store.pool())
    })
    .await;
    match renewed {
        Ok(renewed) => renewed.rows_affected() > 0,
        Err(error) => {
            tracing::warn!(service = store.service(), key = task.key, "failed to renew a lease: {error}");
            true
        }
    }
}

/// Gone, unless it was scheduled again meanwhile: answers whether it was.
async fn settle_done(store: &Store, task: &Task) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query("DELETE FROM worklist WHERE key = $1 AND version = $2 AND lease = $3")
        .bind(&task.key)
        .bind(task.version)
        .bind(task.lease)
        .execute(store.pool())
        .await?;
    if gone.rows_affected() > 0 {
        return Ok(false);
    }
    release(store, task).await?;
    Ok(true)
}

async fn settle_later(
    store: &Store,
    task: &Task,
    at: Timestamp,
    error: Option<String>,
) -> Result<(), sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE worklist SET leased_until = NULL, due_at = now() + make_interval(secs => $4::double precision / 1000),
             error = $5, attempts = CASE WHEN $5::text IS NULL THEN 0 ELSE attempts + 1 END
         WHERE key = $1 AND version = $2 AND lease = $3",
    )
    .bind(&task.key)
    .bind(task.version)
    .bind(task.lease)
    .bind(milliseconds_until(at))
    .bind(error)
    .execute(store.pool())
    .await?;
    if moved.rows_affected() == 0 { release(store, task).await } else { Ok(()) }
}

/// Scheduled again meanwhile: due at once for whoever comes first, unless another worker has it already.
async fn release(store: &Store, task: &Task) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE worklist SET leased_until = NULL WHERE key = $1 AND lease = $2")
        .bind(&task.key)
        .bind(task.lease)
        .execute(store.pool())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const EVERY: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn work_that_holds_the_connection_of_its_own_renewal_goes_on() {
        let pool = Semaphore::new(1);
        let working = async {
            let _connection = pool.acquire().await;
            tokio::time::sleep(4 * EVERY).await;
            "done"
        };
        let renewing = || async { pool.acquire().await.is_ok() };
        let outcome =
            tokio::time::timeout(Duration::from_secs(10), unless_lost(working, EVERY, renewing)).await;
        assert_eq!(outcome, Ok(Some("done")), "the two wait for each other");
    }

    #[tokio::test]
    async fn work_whose_lease_is_another_s_is_left_off() {
        let asked = AtomicU32::new(0);
        let renewing = || async { asked.fetch_add(1, Ordering::SeqCst) == 0 };
        assert_eq!(unless_lost(std::future::pending::<()>(), EVERY, renewing).await, None);
        assert_eq!(asked.into_inner(), 2, "renewed once, then lost");
    }
}
