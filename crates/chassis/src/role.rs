//! Roles, and the process that carries them.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Platform, Server};

/// How long the roles may take to finish what they hold once they are told to stop.
const GRACE: Duration = Duration::from_secs(25);

/// What stands in front of the routes of all roles of the process.
type Front = Box<dyn FnOnce(Router) -> Router + Send>;

/// A started service or operator: what it serves and what it keeps doing.
pub struct Role {
    name: &'static str,
    router: Router,
    front: Option<Front>,
    tasks: Vec<(&'static str, BoxFuture<'static, anyhow::Result<()>>)>,
}

impl Role {
    /// A role that does nothing yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, router: Router::new(), front: None, tasks: Vec::new() }
    }

    /// Serves `router` besides `/health`, `/ready` and `/metrics`.
    #[must_use]
    pub fn serving(mut self, router: Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Stands in front of the routes of all roles of the process: a gateway. One role may.
    #[must_use]
    pub fn in_front(mut self, front: impl FnOnce(Router) -> Router + Send + 'static) -> Self {
        self.front = Some(Box::new(front));
        self
    }

    /// Keeps doing `task`. It ends well when the platform's `stop` is cancelled; ending earlier, or with an error, stops
    /// the process, so that whoever runs it starts it again.
    #[must_use]
    pub fn doing<F>(mut self, name: &'static str, task: F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.push((name, Box::pin(task)));
        self
    }
}

/// Carries `roles` until the platform's `stop` is cancelled, then lets them finish.
///
/// # Errors
/// When a task of a role fails.
pub async fn run(platform: Platform, server: Server, roles: Vec<Role>) -> anyhow::Result<()> {
    let mut router = Router::new();
    let mut tasks = JoinSet::new();
    let names: Vec<&str> = roles.iter().map(|role| role.name).collect();
    let mut front: Option<Front> = None;
    for role in roles {
        router = router.merge(role.router);
        front = front.or(role.front);
        for (name, task) in role.tasks {
            let label = format!("{} {name}", role.name);
            tasks.spawn(async move { (label, task.await) });
        }
    }
    let router = match front {
        Some(front) => front(router),
        None => router,
    };
    let stop = platform.stop.clone();
    tasks.spawn(async move { ("http".to_owned(), server.with(router).await) });
    tracing::info!(address = %platform.settings.http_addr, roles = names.join(" "), "started");

    let mut outcome = Ok(());
    let mut grace = std::pin::pin!(grace_over(stop.clone()));
    loop {
        let joined = tokio::select! {
            joined = tasks.join_next() => joined,
            () = &mut grace => {
                tracing::warn!("some tasks did not finish within {GRACE:?}; what they held is delivered again");
                tasks.shutdown().await;
                break;
            }
        };
        let ended: anyhow::Result<()> = match joined {
            None => break,
            Some(Ok((label, Ok(())))) if stop.is_cancelled() => {
                tracing::debug!(task = label, "stopped");
                continue;
            }
            Some(Ok((label, Ok(())))) => Err(anyhow::anyhow!("{label} ended although it was not told to")),
            Some(Ok((label, Err(error)))) => Err(error.context(format!("{label} failed"))),
            Some(Err(error)) => Err(error).context("a task panicked"),
        };
        if let Err(error) = ended {
            tracing::error!("{error:#}");
            if outcome.is_ok() {
                outcome = Err(error);
            }
        }
        stop.cancel();
    }
    outcome
}

/// Resolves when the time to finish is over.
async fn grace_over(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
