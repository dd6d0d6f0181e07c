//! Waiting for conditions: bounded, without sleeping where the API can be watched.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::Resource;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;

/// How long a condition may take: far more than it needs, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(100);

/// What ended a watch of one object.
pub(crate) enum Watched<K> {
    /// The condition holds; the object, unless it is gone.
    Holds(Option<K>),
    /// Time is over; the object as it was last seen.
    Late(Option<K>),
}

/// Watches one object until `condition` holds of it (`None`: it is gone), at most `patience`.
pub(crate) async fn watch_until<K>(
    api: Api<K>,
    name: &str,
    patience: Duration,
    condition: impl Fn(Option<&K>) -> bool,
) -> Watched<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut last = None;
    let looking = async {
        let mut states = Box::pin(watcher::watch_object(api, name).default_backoff());
        while let Some(state) = states.next().await {
            // A failed watch is begun anew by the library.
            let Ok(state) = state else { continue };
            last = state;
            if condition(last.as_ref()) {
                return true;
            }
        }
        false
    };
    let holds = tokio::time::timeout(patience, looking).await.unwrap_or(false);
    if holds { Watched::Holds(last) } else { Watched::Late(last) }
}

/// Asks again, in short turns, until the answer is `Ok`, for what cannot be watched: books, mails, ledgers.
///
/// # Errors
/// The last answer, when it is still not `Ok` after [`PATIENCE`].
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        turns.tick().await;
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if tokio::time::Instant::now() < deadline => drop(error),
            Err(error) => {
                return Err(error.context(format!("after {PATIENCE:?} it still does not hold that {what}")));
            }
        }
    }
}
