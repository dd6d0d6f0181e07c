//! Consumers of the streams: each message is handled in one transaction, once for each business key.

mod message;
mod together;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, AckKind};
use async_trait::async_trait;
use events::Attributes;
use futures::{FutureExt, StreamExt};
use tokio::sync::Semaphore;

pub use self::message::{HandleError, Message};
use self::message::{TRIES, chain};
use crate::dead_letter::{Buried, bury};
use crate::effect::paced;
use crate::gauges::watch_consumer;
use crate::letters::REDRIVEN_FOR;
use crate::platform::ensure_streams;
use crate::trace::{join, within};
use crate::{Backoff, Platform, Point, Store, Transaction, effect};

/// After this a message that nobody has answered for is delivered again; handling is one short transaction.
const ACK_WAIT: Duration = Duration::from_secs(15);
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_secs(10) };

/// What is consumed, and as whom.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The stream.
    pub stream: &'static str,
    /// The durable consumer's name, the same in every replica: they share the work.
    pub consumer: &'static str,
    /// The subjects.
    pub subjects: Vec<String>,
    /// How many transactions there are at the same time.
    pub concurrency: usize,
    /// How many messages share a transaction, when that many are there.
    pub together: usize,
}

/// Handles messages.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles a message that was not handled before, within `transaction`; it is committed when this returns `Ok`.
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError>;

    /// Handles a message whose key was handled before: a command's answer is reported again. Does nothing by default.
    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let _ = (message, transaction);
        Ok(())
    }
}

/// Consumes until the process is to stop, then finishes what is being handled.
///
/// # Errors
/// None in operation: failures are retried.
pub async fn consume<H: Handler>(
    platform: Platform,
    store: Store,
    subscription: Subscription,
    handler: H,
) -> anyhow::Result<()> {
    let check = platform.health.check(&format!("consumer {}", subscription.consumer));
    let watching = tokio::spawn(watch_consumer(platform.clone(), subscription.stream, subscription.consumer));
    let worker = Arc::new(Worker { platform: platform.clone(), store, subscription, handler });
    let slots = Arc::new(Semaphore::new(worker.subscription.concurrency));
    let mut failures = 0;
    while !platform.stop.is_cancelled() {
        match worker.clone().pull(&slots, &check).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                check.not_ready(&format!("{error:#}"));
                tracing::warn!(
                    consumer = worker.subscription.consumer,
                    "failed to consume, will retry: {error:#}"
                );
                // A server that lost its data has no streams: publishers and consumers need them back.
                let replicas = usize::from(platform.settings.nats_replicas);
                if let Err(error) = ensure_streams(&platform.jetstream, replicas).await {
                    tracing::warn!("failed to ensure the streams, will retry: {error:#}");
                }
                tokio::select! {
                    () = tokio::time::sleep(Backoff { initial: BACKOFF.initial, maximum: Duration::from_secs(2) }.jittered(failures)) => {}
                    () = platform.stop.cancelled() => {}
                }
            }
        }
    }
    let all = u32::try_from(worker.subscription.concurrency).unwrap_or(u32::MAX);
    let _finished = slots.acquire_many(all).await;
    watching.abort();
    Ok(())
}

/// A message that was not handled this time.
struct Failure<'a> {
    error: &'a HandleError,
    /// Its business key.
    id: &'a str,
    /// How often it has failed for a reason of its own.
    tries: i64,
    /// How often it was delivered.
    deliveries: i64,
}

struct Worker<H> {
    platform: Platform,
    store: Store,
    subscription: Subscription,
    handler: H,
}

impl<H: Handler> Worker<H> {
    async fn pull(self: Arc<Self>, slots: &Arc<Semaphore>, check: &crate::HealthCheck) -> anyhow::Result<()> {
        let Subscription { stream, consumer, subjects, concurrency, together } = &self.subscription;
        let mut made_anew = self.platform.made_anew.from_now_on();
        let config = pull::Config {
            durable_name: Some((*consumer).to_owned()),
            filter_subjects: subjects.clone(),
            ack_policy: AckPolicy::Explicit,
            deliver_policy: DeliverPolicy::All,
            ack_wait: paced(ACK_WAIT),
            max_ack_pending: 1000,
            ..pull::Config::default()
        };
        let durable = self
            .platform
            .jetstream
            .create_consumer_on_stream(config, *stream)
            .await
            .with_context(|| format!("failed to ensure the consumer {consumer} of {stream}"))?;
        let mut messages = durable
            .stream()
            .max_messages_per_batch((*concurrency).max(*together))
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(5))
            .messages()
            .await
            .with_context(|| format!("failed to pull for {consumer}"))?;
        check.ready();
        loop {
            let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
            let next = tokio::select! {
                next = messages.next() => next,
                // A consumer of a stream that is gone hears nothing; waiting for its silence to be noticed takes long.
                () = made_anew.changed() => return Ok(()),
                () = self.platform.stop.cancelled() => return Ok(()),
            };
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    return Err(error).with_context(|| format!("failed to pull for {consumer}"));
                }
                None => return Ok(()),
            };
            let mut all = vec![message];
            // A failed pull shows again with the next message that is waited for.
            while all.len() < *together
                && let Some(Some(Ok(message))) = messages.next().now_or_never()
            {
                all.push(message);
            }
            let worker = self.clone();
            tokio::spawn(async move {
                match <[_; 1]>::try_from(all) {
                    Ok([message]) => worker.process(message).await,
                    Err(all) => worker.process_all(all).await,
                }
                drop(slot);
            });
        }
    }

    async fn process(&self, incoming: jetstream::Message) {
        let consumer = self.subscription.consumer;
        let deliveries = incoming.info().map_or(1, |info| info.delivered);
        let message = Message::of(&incoming);
        let attributes = Attributes::read(message.headers.as_ref());
        let order = attributes.as_ref().map_or("", |attributes| attributes.subject.as_str()).to_owned();
        let span = match &attributes {
            Ok(Attributes { trace, .. }) => {
                let (subject, trace_id) = (&message.subject, trace.trace_id());
                join(tracing::info_span!("message", consumer, subject, order, trace_id), trace)
            }
            Err(_) => tracing::info_span!("message", consumer, subject = message.subject),
        };
        let handling = async {
            if self.is_for_another(&message) {
                if let Err(error) = incoming.ack().await {
                    tracing::warn!(
                        "failed to acknowledge what is for another; it will be delivered again: {error}"
                    );
                }
                return;
            }
            let outcome = match &attributes {
                // A panic is a failure of the message: it is tried again, then kept as a dead letter.
                Ok(attributes) => AssertUnwindSafe(self.handle_once_or_more(&message, attributes))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(HandleError::Failed(anyhow::anyhow!("its handler panicked")))),
                Err(error) => Err(HandleError::Malformed(chain(error))),
            };
            let label = if outcome.is_ok() { "handled" } else { "failed" };
            self.count(label);
            let acknowledged = match outcome {
                Ok(()) => effect(self.point("ack"), &order, || incoming.ack()).await,
                Err(error) => {
                    let id = attributes.as_ref().map_or("", |attributes| attributes.id.as_str());
                    let tries = self.tries(&error, id).await;
                    let failure = Failure { error: &error, id, tries, deliveries };
                    self.refuse(&incoming, &message, &order, failure).await
                }
            };
            if let Err(error) = acknowledged {
                tracing::warn!("failed to acknowledge; the message will be delivered again: {error}");
            }
        };
        within(span, handling).await;
    }

    fn count(&self, outcome: &'static str) {
        let consumer = self.subscription.consumer;
        metrics::counter!("supercargo_messages_total", "consumer" => consumer, "outcome" => outcome)
            .increment(1);
    }

    /// Where what is done with a message passes.
    fn point(&self, action: &'static str) -> Point {
        Point::new(self.store.service(), self.subscription.consumer, action)
    }

    async fn handle_once_or_more(
        &self,
        message: &Message,
        attributes: &Attributes,
    ) -> Result<(), HandleError> {
        let handle = || self.handle_in_transaction(message, attributes);
        effect(self.point("handle"), &attributes.subject, handle).await
    }

    async fn handle_in_transaction(
        &self,
        message: &Message,
        attributes: &Attributes,
    ) -> Result<(), HandleError> {
        let mut transaction = self.store.begin().await?;
        transaction.about(self.subscription.consumer, &attributes.subject);
        if transaction.first_time(self.subscription.consumer, &attributes.id).await? {
            self.handler.handle(message, &mut transaction).await?;
        } else {
            self.handler.repeat(message, &mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// True of a message that is delivered again for a service that could not handle it: this one could, or never had to.
    fn is_for_another(&self, message: &Message) -> bool {
        let redriven = message.headers.as_ref().and_then(|headers| headers.get(REDRIVEN_FOR));
        redriven.is_some_and(|consumer| {
            consumer.as_str().split('-').next().is_some_and(|service| service != self.store.service())
        })
    }

    /// How often the message failed for a reason of its own. An outage does not count, however long it lasts.
    async fn tries(&self, error: &HandleError, id: &str) -> i64 {
        if error.is_outage() {
            return 0;
        }
        match self.store.count_failure(self.subscription.consumer, id).await {
            Ok(tries) => tries,
            Err(error) => {
                tracing::warn!("failed to count a failure, as if it had not happened: {error}");
                0
            }
        }
    }

    async fn refuse(
        &self,
        incoming: &jetstream::Message,
        message: &Message,
        order: &str,
        failure: Failure<'_>,
    ) -> Result<(), async_nats::Error> {
        let Failure { error, id, tries, deliveries } = failure;
        let hopeless = tries >= error.most_tries();
        let wait = BACKOFF.jittered(u32::try_from(tries.max(deliveries.min(TRIES))).unwrap_or(u32::MAX));
        if !hopeless {
            tracing::warn!(tries, deliveries, "failed to handle, next try in {wait:?}: {error}");
            return effect(self.point("refuse"), order, || incoming.ack_with(AckKind::Nak(Some(wait)))).await;
        }
        tracing::error!(tries, deliveries, "cannot be handled, goes to the dead letters: {error}");
        let letter = Buried {
            subject: &message.subject,
            headers: message.headers.as_ref(),
            payload: &message.payload,
            error: &error.to_string(),
            deliveries: tries.max(1),
        };
        let Subscription { stream, consumer, .. } = &self.subscription;
        let jetstream = &self.platform.jetstream;
        let kept = effect(self.point("bury"), order, || bury(jetstream, stream, consumer, letter)).await;
        match kept {
            Ok(()) => {
                if let Err(error) = self.store.forget_failures(consumer, id).await {
                    tracing::warn!("failed to forget the failures of a dead letter: {error}");
                }
                effect(self.point("end"), order, || incoming.ack_with(AckKind::Term)).await
            }
            Err(error) => {
                tracing::warn!("failed to keep a dead letter, will retry: {error:#}");
                effect(self.point("refuse"), order, || incoming.ack_with(AckKind::Nak(Some(wait)))).await
            }
        }
    }
}
