//! The question `shipping.apply`: a wish without a resource, answered with the status as it is now.

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::trace::{join, within};
use chassis::{HandleError, Store};
use events::Command;
use events::questions::Reply;
use resources::{ShipmentSpec, ShipmentStatus};

use crate::handlers::apply_in_tx;

/// Answers `shipping.apply`.
#[derive(Clone)]
pub struct Apply {
    store: Store,
}

impl Apply {
    /// On `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    async fn apply(&self, command: &Command<ShipmentSpec>) -> Result<ShipmentStatus, HandleError> {
        let mut transaction = self.store.begin().await?;
        transaction.about("apply", &command.order_id);
        let status = apply_in_tx(&mut transaction, command, chassis::clock::now()).await?;
        transaction.commit().await?;
        Ok(status)
    }
}

#[async_trait]
impl Answerer<Command<ShipmentSpec>, ShipmentStatus> for Apply {
    async fn answer(&self, command: Command<ShipmentSpec>) -> Reply<ShipmentStatus> {
        let trace = events::TraceParent::of_order(&command.order_id);
        let span = join(
            tracing::info_span!("question", order = command.order_id, trace_id = trace.trace_id()),
            &trace,
        );
        let answering = async {
            match self.apply(&command).await {
                Ok(status) => Reply::Answer(status),
                Err(HandleError::Malformed(reason)) => Reply::Invalid(reason),
                Err(
                    error @ (HandleError::Database(_) | HandleError::TooEarly(_) | HandleError::Failed(_)),
                ) => {
                    tracing::warn!("failed to take in a wish; the asker will ask again: {error}");
                    Reply::Unavailable(error.to_string())
                }
            }
        };
        within(span, answering).await
    }
}
