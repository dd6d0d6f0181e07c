//! What follows when NATS is there again: a server that has lost its data needs its streams back, and its consumers.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use events::streams;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::Backoff;
use crate::platform::ensure_streams;

const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_secs(2) };

/// Counts how often the streams were found to have been made anew; whoever reads them begins anew too.
#[derive(Clone, Debug)]
pub struct MadeAnew(watch::Receiver<u64>);

impl MadeAnew {
    /// Streams that nobody watches over.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(0).1)
    }

    /// From now on: what was made anew before is no news.
    #[must_use]
    pub fn from_now_on(&self) -> Self {
        let mut seen = self.0.clone();
        seen.mark_unchanged();
        Self(seen)
    }

    /// Resolves when the streams are made anew after the last call.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Watches over the streams until `stop`: each time that `connected` says so they are ensured.
pub(crate) fn watch_over_streams(
    jetstream: jetstream::Context,
    replicas: usize,
    connected: Arc<Notify>,
    stop: CancellationToken,
) -> MadeAnew {
    let (made_anew, seen) = watch::channel(0);
    tokio::spawn(async move {
        let mut known = made_at(&jetstream).await;
        loop {
            tokio::select! {
                () = connected.notified() => {}
                () = stop.cancelled() => return,
            }
            for failures in 1.. {
                let ensured = ensure_streams(&jetstream, replicas).await;
                let Err(error) = ensured else { break };
                tracing::warn!("failed to ensure the streams, will retry: {error:#}");
                tokio::select! {
                    () = tokio::time::sleep(BACKOFF.jittered(failures)) => {}
                    () = stop.cancelled() => return,
                }
            }
            let now = made_at(&jetstream).await;
            if now.is_some() && now != known {
                tracing::warn!("the streams were made anew: NATS has lost what was in them");
                known = now;
                made_anew.send_modify(|count| *count += 1);
            }
        }
    });
    MadeAnew(seen)
}

/// When the stream of events was made, in nanoseconds; none when it cannot be told now.
async fn made_at(jetstream: &jetstream::Context) -> Option<i128> {
    let stream = jetstream.get_stream(streams::EVENTS).await.ok()?;
    Some(stream.cached_info().created.unix_timestamp_nanos())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_loss_is_news_once_and_not_to_whoever_comes_after_it() {
        let (sender, receiver) = watch::channel(0);
        let mut early = MadeAnew(receiver.clone()).from_now_on();
        assert_eq!(early.changed().now_or_never(), None);
        sender.send_modify(|count| *count += 1);
        assert_eq!(early.changed().now_or_never(), Some(()));
        assert_eq!(early.changed().now_or_never(), None);
        assert_eq!(MadeAnew(receiver).from_now_on().changed().now_or_never(), None);
        assert_eq!(MadeAnew::never().changed().now_or_never(), None);
    }
}
