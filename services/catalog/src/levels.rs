//! What can be had of each article, as inventory tells it.

use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Subscription, Transaction};
use events::{EventType, StockLevel, streams};

use crate::store::levels;

/// Keeps the newest level of each article, in whatever order they are heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels;

#[async_trait]
impl Handler for Levels {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let event = message.event()?;
        if event.event_type != EventType::StockLevelChanged {
            tracing::debug!(event = event.event_type.name(), "not of interest");
            return Ok(());
        }
        let level: StockLevel = event
            .data()
            .map_err(|error| HandleError::Malformed(format!("{:#}", anyhow::Error::from(error))))?;
        levels::keep_in_tx(transaction, &level).await?;
        Ok(())
    }
}

/// The events of all levels.
pub(crate) fn subscription() -> Subscription {
    Subscription {
        stream: streams::EVENTS,
        consumer: "catalog-levels",
        subjects: vec![EventType::StockLevelChanged.subject().to_owned()],
        concurrency: 2,
        // A level is one small row: the commit would cost more than all it commits.
        together: 32,
    }
}
