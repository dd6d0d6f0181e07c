//! The question `payment.apply`: the same wish as by command, answered at once with the present state.

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::{HandleError, Store};
use events::Command;
use events::questions::Reply;
use resources::{PaymentSpec, PaymentStatus};

use crate::handlers;

/// Answers `payment.apply`. What the provider is to be asked for comes after the answer: the asker asks again.
pub struct ApplyPayment {
    store: Store,
}

impl ApplyPayment {
    /// Answers from `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    async fn apply(&self, command: &Command<PaymentSpec>) -> Result<PaymentStatus, HandleError> {
        let mut tx = self.store.begin().await?;
        tx.about("apply", &command.order_id);
        let status = handlers::take_in_tx(&mut tx, command, chassis::clock::now()).await?;
        tx.commit().await?;
        Ok(status)
    }
}

#[async_trait]
impl Answerer<Command<PaymentSpec>, PaymentStatus> for ApplyPayment {
    async fn answer(&self, question: Command<PaymentSpec>) -> Reply<PaymentStatus> {
        match self.apply(&question).await {
            Ok(status) => Reply::Answer(status),
            Err(HandleError::Malformed(reason)) => Reply::Invalid(reason),
            Err(error @ (HandleError::Database(_) | HandleError::TooEarly(_) | HandleError::Failed(_))) => {
                tracing::warn!(order = question.order_id, "failed to apply, will be asked again: {error}");
                Reply::Unavailable(error.to_string())
            }
        }
    }
}
