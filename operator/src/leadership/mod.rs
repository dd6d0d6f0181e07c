//! Leadership by a Lease: one replica drives, the others stand by and take over within seconds.
//!
//! A Lease is no mutual exclusion: what a paused leader had sent may arrive late. So every status write carries the
//! `resourceVersion` that it was decided on, names of children are deterministic, and services keep tombstones (see
//! `docs/decisions`). The [`Mandate`] keeps that rare: a leader that is not renewed stops before anybody else may begin.

mod claim;
mod lease;
mod mandate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::claim::{CUT_OFF, LOOK_EVERY, MANDATE, RENEW_EVERY};
use self::lease::Access;
pub(crate) use self::mandate::Mandate;
use crate::controllers::{Scope, run};

/// How soon the API server is asked again after it did not answer.
const RETRY_EVERY: Duration = Duration::from_millis(300);

/// Drives while leading, until the process is to stop.
pub(crate) async fn lead(
    platform: chassis::Platform,
    namespace: String,
    scopes: Arc<Vec<Scope>>,
    identity: String,
) -> anyhow::Result<()> {
    let check = platform.health.check("operator lease");
    let name = claim::name(&scopes.iter().map(|scope| scope.namespace.clone()).collect::<Vec<_>>());
    // A client of its own: the others wait in patience where a leader must not.
    let client = platform.impatient_kubernetes().await?;
    let mut access = Access::new(client, &namespace, name.clone(), identity.clone());
    let mandate = Mandate::default();
    let mut term: Option<Term> = None;
    metrics::gauge!("supercargo_operator_leading").set(0.0);
    while !platform.stop.is_cancelled() {
        if term.is_some() && !mandate.holds() {
            tracing::warn!(identity, "the Lease {namespace}/{name} was not renewed in time: driving no more");
            metrics::gauge!("supercargo_operator_leading").set(0.0);
            end(term.take(), &mandate).await;
        }
        let asked = Instant::now();
        let claimed = tokio::select! {
            claimed = access.claim() => claimed,
            () = over(&mandate), if term.is_some() => continue,
            () = platform.stop.cancelled() => break,
        };
        let wait = match claimed {
            Ok(true) => {
                check.ready();
                mandate.extend(asked + MANDATE);
                if term.is_none() {
                    tracing::info!(identity, "leading");
                    term = Some(Term::begin(&platform, &scopes, &mandate));
                }
                // From when it was asked, so that a slow answer costs no time.
                RENEW_EVERY.saturating_sub(asked.elapsed())
            }
            Ok(false) => {
                check.ready();
                if term.is_some() {
                    tracing::warn!(identity, "another replica leads");
                    mandate.end();
                    end(term.take(), &mandate).await;
                }
                LOOK_EVERY
            }
            Err(error) => {
                check.not_ready(&format!("the Lease {namespace}/{name} cannot be had: {error:#}"));
                tracing::warn!("the Lease {namespace}/{name} cannot be had, will retry: {error:#}");
                RETRY_EVERY
            }
        };
        metrics::gauge!("supercargo_operator_leading").set(if term.is_some() { 1.0 } else { 0.0 });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = over(&mandate), if term.is_some() => {}
            () = ended_early(&mut term) => {
                let _ = access.release().await;
                anyhow::bail!("the controllers ended although they lead: see the log before this for the reason");
            }
            () = platform.stop.cancelled() => {}
        }
    }
    if term.is_some() {
        end(term.take(), &mandate).await;
        metrics::gauge!("supercargo_operator_leading").set(0.0);
        match access.release().await {
            Ok(()) => tracing::info!(identity, "let go of the Lease {namespace}/{name}"),
            Err(error) => tracing::warn!("failed to release the Lease; it runs out by itself: {error:#}"),
        }
    }
    Ok(())
}

/// Resolves when the mandate is over.
async fn over(mandate: &Mandate) {
    while let Some(until) = mandate.until().filter(|until| *until > Instant::now()) {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// The time during which this replica drives.
struct Term {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Term {
    fn begin(platform: &chassis::Platform, scopes: &Arc<Vec<Scope>>, mandate: &Mandate) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for index in 0..scopes.len() {
            let (platform, scopes, stop) = (platform.clone(), scopes.clone(), stop.clone());
            let mandate = mandate.clone();
            tasks.spawn(async move {
                if let Some(scope) = scopes.get(index) {
                    run(&platform, scope, mandate, stop).await;
                }
            });
        }
        Self { stop, tasks }
    }
}

/// Finishes what is under way while there is time, and cuts it off before anybody else may lead.
async fn end(term: Option<Term>, mandate: &Mandate) {
    let Some(Term { stop, mut tasks }) = term else { return };
    stop.cancel();
    let renewed = mandate.until().and_then(|until| until.checked_sub(MANDATE));
    let left = renewed.map_or(Duration::ZERO, |at| (at + CUT_OFF).saturating_duration_since(Instant::now()));
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(left, ending).await.is_err() {
        tasks.shutdown().await;
    }
    mandate.end();
}

/// Resolves when the controllers of a term end although nobody told them to: a leader that drives nothing must not lead.
async fn ended_early(term: &mut Option<Term>) {
    match term {
        Some(term) => {
            let _ = term.tasks.join_next().await;
        }
        None => std::future::pending().await,
    }
}
