//! What is done from time to time: keys are made ready, sessions of long ago forgotten.

use std::time::Duration;

use chassis::{Platform, Store, clock};

use crate::entrance::Entrance;
use crate::{guesses, sessions};

const EVERY: Duration = Duration::from_secs(60);

/// Goes on until the process is to stop.
///
/// # Errors
/// None in operation: failures are retried.
pub(crate) async fn keep(platform: Platform, store: Store, entrance: Entrance) -> anyhow::Result<()> {
    while !platform.stop.is_cancelled() {
        if let Err(error) = entrance.tokens().renew(clock::now()).await {
            tracing::warn!("failed to look after the keys that sign tokens, will retry: {error:#}");
        }
        if let Err(error) = guesses::sweep(store.pool(), clock::now()).await {
            tracing::warn!("failed to forget old failures to log in, will retry: {error}");
        }
        // More wait for the next time than one statement should delete.
        let wait = match sessions::store::sweep(store.pool()).await {
            Ok(true) => Duration::from_secs(1),
            Ok(false) => EVERY,
            Err(error) => {
                tracing::warn!("failed to forget old sessions, will retry: {error}");
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = platform.stop.cancelled() => {}
        }
    }
    Ok(())
}
