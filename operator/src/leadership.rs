//! Leadership by a Lease: one replica drives, the others stand by and take over within seconds.
//!
//! A Lease is no mutual exclusion: a paused leader may act late. So every status write carries the `resourceVersion` that it
//! was decided on, names of children are deterministic, and services keep tombstones (see `docs/decisions`).

use std::sync::Arc;
use std::time::Duration;

use kube_lease_manager::LeaseManagerBuilder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::controllers::{Scope, run};

const LEASE: &str = "supercargo-operator";
/// How long a lease holds without being renewed: a dead leader is followed after this at the latest.
const LEASE_SECONDS: u64 = 10;
/// How long before its end the lease is renewed.
const RENEW_BEFORE_SECONDS: u64 = 6;

/// Drives while leading, until the process is to stop.
pub(crate) async fn lead(
    platform: chassis::Platform,
    namespace: String,
    scopes: Arc<Vec<Scope>>,
    identity: String,
) -> anyhow::Result<()> {
    let check = platform.health.check("operator lease");
    let mut term: Option<Term> = None;
    metrics::gauge!("supercargo_operator_leading").set(0.0);
    while !platform.stop.is_cancelled() {
        let manager = LeaseManagerBuilder::new(platform.kubernetes.clone(), LEASE)
            .with_namespace(&namespace)
            .with_identity(&identity)
            .with_duration(LEASE_SECONDS)
            .with_grace(RENEW_BEFORE_SECONDS)
            .build()
            .await;
        let manager = match manager {
            Ok(manager) => manager,
            Err(error) => {
                check.not_ready(&format!("the Lease {namespace}/{LEASE} cannot be had: {error}"));
                tracing::warn!("waiting for the Lease {namespace}/{LEASE}: {error}");
                pause(&platform.stop).await;
                continue;
            }
        };
        loop {
            check.ready();
            let changed = tokio::select! {
                changed = manager.changed() => changed,
                () = ended_early(&mut term) => {
                    let _ = manager.release().await;
                    anyhow::bail!("the controllers ended although they lead: see the log before this for the reason");
                }
                () = platform.stop.cancelled() => break,
            };
            match changed {
                Ok(true) if term.is_none() => {
                    tracing::info!(identity, "leading");
                    term = Some(Term::begin(&platform, &scopes));
                }
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(identity, "another replica leads");
                    end(term.take()).await;
                }
                Err(error) => {
                    check.not_ready(&format!("the Lease {namespace}/{LEASE} cannot be renewed: {error}"));
                    tracing::warn!("failed to renew the Lease {namespace}/{LEASE}, standing by: {error}");
                    end(term.take()).await;
                    pause(&platform.stop).await;
                    break;
                }
            }
            metrics::gauge!("supercargo_operator_leading").set(if term.is_some() { 1.0 } else { 0.0 });
        }
        if platform.stop.is_cancelled() {
            end(term.take()).await;
            if let Err(error) = manager.release().await {
                tracing::warn!("failed to release the Lease; it runs out by itself: {error}");
            }
        }
    }
    end(term.take()).await;
    Ok(())
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
        () = stop.cancelled() => {}
    }
}

/// The time during which this replica drives.
struct Term {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Term {
    fn begin(platform: &chassis::Platform, scopes: &Arc<Vec<Scope>>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for index in 0..scopes.len() {
            let (platform, scopes, stop) = (platform.clone(), scopes.clone(), stop.clone());
            tasks.spawn(async move {
                if let Some(scope) = scopes.get(index) {
                    run(&platform, scope, stop).await;
                }
            });
        }
        Self { stop, tasks }
    }
}

async fn end(term: Option<Term>) {
    let Some(Term { stop, mut tasks }) = term else { return };
    stop.cancel();
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(15), ending).await.is_err() {
        tasks.shutdown().await;
    }
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
