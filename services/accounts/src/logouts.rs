//! The broadcast that makes every process ask again which sessions are alive.

use std::time::Duration;

use futures::StreamExt;
use rest::{Gate, LOGOUT, Problem};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(3);

/// Tells all processes that a session has ended, or that somebody may more or less than before.
#[derive(Clone)]
pub(crate) struct Logouts {
    nats: async_nats::Client,
    gate: Gate,
}

/// Nobody may have heard it. Repeating is safe.
#[derive(Debug, thiserror::Error)]
#[error("the logout could not be told to all services: {0}")]
pub(crate) struct BroadcastError(String);

impl From<BroadcastError> for Problem {
    fn from(error: BroadcastError) -> Self {
        tracing::warn!("{error}");
        Self::unavailable(
            "it is done, but not all services have heard of it yet: send the same request again in a moment",
        )
    }
}

impl Logouts {
    pub(crate) const fn new(nats: async_nats::Client, gate: Gate) -> Self {
        Self { nats, gate }
    }

    /// Returns once the server has passed it on: it is heard here too. A flush alone would say no more than that it was sent.
    ///
    /// # Errors
    /// When it is not heard in time.
    pub(crate) async fn broadcast(&self) -> Result<(), BroadcastError> {
        // This process need not hear it from others: whoever is answered next asks anew.
        self.gate.forget_sessions();
        tokio::time::timeout(PATIENCE, self.until_heard())
            .await
            .map_err(|_| BroadcastError(format!("it was not heard within {PATIENCE:?}")))?
    }

    async fn until_heard(&self) -> Result<(), BroadcastError> {
        let failed = |error: &dyn std::fmt::Display| BroadcastError(error.to_string());
        let mark = Uuid::new_v4().simple().to_string().into_bytes();
        let mut heard = self.nats.subscribe(LOGOUT).await.map_err(|error| failed(&error))?;
        self.nats.publish(LOGOUT, mark.clone().into()).await.map_err(|error| failed(&error))?;
        self.nats.flush().await.map_err(|error| failed(&error))?;
        while let Some(message) = heard.next().await {
            if message.payload == mark {
                return Ok(());
            }
        }
        Err(BroadcastError("the connection to NATS has ended".to_owned()))
    }
}
