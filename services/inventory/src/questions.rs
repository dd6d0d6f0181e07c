//! What is asked and answered at once: `inventory.apply`, `inventory.stock`, `inventory.count`.

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::trace::{join, within};
use chassis::{HandleError, Store, Transaction};
use events::questions::{CountStock, ImportAnswer, ReadStock, ReadStockAnswer, Reply};
use events::{Command, TraceParent};
use futures::future::BoxFuture;
use resources::{StockReservationSpec, StockReservationStatus};

use crate::handlers::apply_in_tx;
use crate::stocktake::count_in_tx;
use crate::store::levels;

const PAGE: usize = 1000;
/// How often a transaction is tried that the database ended because another one was in its way.
const TRIES: u32 = 5;

/// Answers every question of this service.
#[derive(Clone)]
pub struct Questions {
    /// Where the answers are.
    pub store: Store,
}

#[async_trait]
impl Answerer<Command<StockReservationSpec>, StockReservationStatus> for Questions {
    async fn answer(&self, question: Command<StockReservationSpec>) -> Reply<StockReservationStatus> {
        let trace = TraceParent::of_order(&question.order_id);
        let span = join(
            tracing::info_span!("apply", order = question.order_id, trace_id = trace.trace_id()),
            &trace,
        );
        let answered = self.in_transaction(&question, |tx, question| {
            Box::pin(apply_in_tx(tx, question, chassis::clock::now()))
        });
        reply(within(span, answered).await)
    }
}

#[async_trait]
impl Answerer<CountStock, ImportAnswer> for Questions {
    async fn answer(&self, question: CountStock) -> Reply<ImportAnswer> {
        let span = tracing::info_span!("count", import_id = question.import_id, part = question.part);
        let answered = self.in_transaction(&question, |tx, question| {
            Box::pin(count_in_tx(tx, question, chassis::clock::now()))
        });
        reply(within(span, answered).await)
    }
}

#[async_trait]
impl Answerer<ReadStock, ReadStockAnswer> for Questions {
    async fn answer(&self, question: ReadStock) -> Reply<ReadStockAnswer> {
        let ReadStock { skus, after } = question;
        // One more than a page tells whether there are more.
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX).saturating_add(1);
        match levels::page(self.store.pool(), &skus, after.as_deref(), limit, chassis::clock::now()).await {
            Ok(mut levels) => {
                let more = levels.len() > PAGE;
                levels.truncate(PAGE);
                Reply::Answer(ReadStockAnswer { levels, more })
            }
            Err(error) => reply(Err(error.into())),
        }
    }
}

impl Questions {
    /// Does `work` in a transaction of its own; again when another one was in its way.
    async fn in_transaction<Q: Sync, A>(
        &self,
        question: &Q,
        work: impl for<'a> Fn(&'a mut Transaction, &'a Q) -> BoxFuture<'a, Result<A, HandleError>> + Send + Sync,
    ) -> Result<A, HandleError> {
        let mut tries = 1;
        loop {
            let mut transaction = self.store.begin().await?;
            let done = match work(&mut transaction, question).await {
                Ok(answer) => transaction.commit().await.map(|()| answer).map_err(HandleError::from),
                Err(error) => Err(error),
            };
            match done {
                Err(HandleError::Database(error)) if tries < TRIES && was_in_the_way(&error) => tries += 1,
                Ok(_) | Err(_) => return done,
            }
        }
    }
}

/// Deadlock or serialization failure.
fn was_in_the_way(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|refusal| refusal.code()).is_some_and(|code| code.starts_with("40"))
}

fn reply<A>(answered: Result<A, HandleError>) -> Reply<A> {
    match answered {
        Ok(answer) => Reply::Answer(answer),
        Err(HandleError::Malformed(reason)) => Reply::Invalid(reason),
        Err(error @ (HandleError::Database(_) | HandleError::TooEarly(_) | HandleError::Failed(_))) => {
            tracing::warn!("failed to answer; the asker will ask again: {error}");
            Reply::Unavailable(error.to_string())
        }
    }
}
