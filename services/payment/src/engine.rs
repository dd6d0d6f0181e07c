//! Asks the provider for what the machine says is next, and stores each answer with its entries in the ledger, its events
//! and its report in one transaction.
//!
//! A crash between the two leaves the question to be asked again, under the same key. An answer to a question that was
//! asked of an older version of the attempt is dropped: another worker has stored a newer one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::trace::{join, within};
use chassis::worklist::{Next, Work};
use chassis::{Point, Store, effect};
use events::TraceParent;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::machine::{Act, Attempt, Call, Observation, Payment, Step, apply, next_step, settle};
use crate::provider::{Keys, NewIntent, NewPart, Provider, ProviderError};
use crate::{publisher, store};

/// How many calls one payment may make, and for how long it may begin new ones, before others have their turn: with the
/// longest call it stays below the lease of the work.
const CALLS_AT_ONCE: usize = 16;
const TURN: Duration = Duration::from_secs(20);

/// Works on payments.
pub struct Engine {
    store: Store,
    provider: Arc<dyn Provider>,
    stop: CancellationToken,
}

#[async_trait]
impl Work for Engine {
    async fn perform(&self, key: &str, _failures: u32) -> anyhow::Result<Next> {
        let trace = TraceParent::of_order(key);
        let span = tracing::info_span!("payment", order = key, trace_id = trace.trace_id());
        within(join(span, &trace), self.carry(key)).await
    }
}

impl Engine {
    /// Works with `provider`, and leaves off between two calls when `stop` is cancelled.
    #[must_use]
    pub fn new(store: Store, provider: Arc<dyn Provider>, stop: CancellationToken) -> Self {
        Self { store, provider, stop }
    }

    /// Carries the payment of an order as far as it goes now.
    async fn carry(&self, order_id: &str) -> anyhow::Result<Next> {
        let mut connection = self.store.pool().acquire().await.context("failed to get a connection")?;
        let read = store::read(&mut connection, order_id).await.context("failed to read the payment")?;
        drop(connection);
        let Some(mut payment) = read else { return Ok(Next::Done) };
        let started = chassis::clock::instant();
        for _ in 0..CALLS_AT_ONCE {
            let over = self.stop.is_cancelled()
                || chassis::clock::instant().saturating_duration_since(started) > TURN;
            let act = match next_step(&payment, chassis::clock::now()) {
                Step::Nothing => return Ok(Next::Done),
                Step::WaitUntil(at) => return Ok(Next::At(jittered(at))),
                Step::Do(_) if over => return Ok(Next::At(chassis::clock::now())),
                Step::Do(act) => act,
            };
            let Some(attempt) = payment.attempt(act.attempt) else { return Ok(Next::Done) };
            let observation = self.ask(&payment, attempt, act.call).await;
            payment = self.keep(&payment, attempt, act, observation).await?;
        }
        Ok(Next::At(chassis::clock::now()))
    }

    async fn ask(&self, payment: &Payment, attempt: &Attempt, call: Call) -> Observation {
        let started = Instant::now();
        let point = Point::new("payment", "provider", call.as_str());
        let calling = effect(point, &payment.order_id, || self.call(payment, attempt, call));
        let observation = calling.await.unwrap_or_else(Observation::from);
        let outcome = match &observation {
            Observation::Intent(_)
            | Observation::Found(_)
            | Observation::NoIntent
            | Observation::Refund(_) => "answered",
            Observation::Error(error) => error.category(),
        };
        let labels = [("call", call.as_str()), ("outcome", outcome)];
        metrics::histogram!("supercargo_payment_provider_seconds", &labels)
            .record(started.elapsed().as_secs_f64());
        if let Observation::Error(error) = &observation {
            let attempt = attempt.number;
            match error {
                ProviderError::Declined { .. } => tracing::info!(attempt, call = call.as_str(), "{error}"),
                ProviderError::Refused { .. }
                | ProviderError::KeyTaken(_)
                | ProviderError::Unavailable(_)
                | ProviderError::Interrupted(_)
                | ProviderError::Unknown(_) => {
                    tracing::warn!(attempt, call = call.as_str(), "the provider: {error}")
                }
            }
        }
        observation
    }

    async fn call(
        &self,
        payment: &Payment,
        attempt: &Attempt,
        call: Call,
    ) -> Result<Observation, ProviderError> {
        let keys = Keys { order_id: &payment.order_id, attempt: attempt.number };
        // The machine asks for these only once there is an intent.
        let intent = attempt.intent.as_deref().unwrap_or_default();
        Ok(match call {
            Call::Create => {
                let new = NewIntent {
                    key: keys.create(),
                    order_id: payment.order_id.clone(),
                    attempt: attempt.number,
                    order: format!("{}/{}", payment.namespace, payment.name),
                    amount: attempt.amount,
                    method: attempt.method.clone(),
                    capture: attempt.capture,
                };
                Observation::Intent(self.provider.create(&new).await?)
            }
            Call::Search => Observation::Found(self.provider.find(&payment.order_id, attempt.number).await?),
            Call::Confirm => Observation::Intent(self.provider.confirm(intent, &keys.confirm()).await?),
            Call::Capture => Observation::Intent(self.provider.capture(intent, &keys.capture()).await?),
            Call::Cancel => Observation::Intent(self.provider.cancel(intent).await?),
            Call::Retrieve => Observation::Intent(self.provider.retrieve(intent).await?),
            Call::Refund => {
                let key = keys.refund(attempt.refund_refusals);
                Observation::Refund(self.provider.refund(intent, &key).await?)
            }
            Call::RetrieveRefund => {
                let refund = attempt.refund.as_deref().unwrap_or_default();
                Observation::Refund(self.provider.retrieve_refund(refund).await?)
            }
            Call::RefundPart(number) => {
                let Some(part) = payment.part(number) else { return Ok(Observation::NoIntent) };
                let look_first = part.may_be_forgotten(chassis::clock::now());
                let new = NewPart { key: keys.part(number), minor_units: part.amount, look_first };
                Observation::Refund(self.provider.refund_part(intent, &new).await?)
            }
            Call::RetrievePart(number) => {
                let refund = payment.part(number).and_then(|part| part.refund.as_deref()).unwrap_or_default();
                Observation::Refund(self.provider.retrieve_refund(refund).await?)
            }
            Call::Void => Observation::NoIntent,
        })
    }

    /// Stores what was observed and answers the state that it led to.
    async fn keep(
        &self,
        asked: &Payment,
        attempt: &Attempt,
        act: Act,
        observation: Observation,
    ) -> anyhow::Result<Payment> {
        let now = chassis::clock::now();
        let mut tx = self.store.begin().await.context("failed to begin")?;
        tx.about("answer", &asked.order_id);
        let before = store::lock_in_tx(&mut tx, &asked.order_id)
            .await
            .context("failed to read the payment")?
            .context("the payment is gone: were rows deleted by hand?")?;
        if before.attempt(act.attempt).is_none_or(|present| present.version != attempt.version) {
            tracing::info!(attempt = act.attempt, call = act.call.as_str(), "another worker was faster");
            return Ok(before);
        }
        let mut payment = before.clone();
        let entries = apply(&mut payment, act, observation, asked.asked_about(act), now);
        let telling = settle(&mut payment, Some(&before), false, now);
        store::save_in_tx(&mut tx, &before, &payment).await.context("failed to write the payment")?;
        store::book_in_tx(&mut tx, &payment.order_id, &entries, now)
            .await
            .context("failed to write the ledger")?;
        publisher::tell_in_tx(&mut tx, &payment, telling, now).await?;
        tx.commit().await.context("failed to commit the provider's answer")?;
        Ok(payment)
    }
}

/// A little later than `at`, up to an eighth of the wait, so that many do not come as one.
fn jittered(at: Timestamp) -> Timestamp {
    let now = chassis::clock::now();
    let wait = if at > now { at.duration_since(now).unsigned_abs() } else { Duration::ZERO };
    let thousandths = now.subsec_nanosecond().unsigned_abs() % 1000;
    at.checked_add(wait / 8000 * thousandths).unwrap_or(at)
}
