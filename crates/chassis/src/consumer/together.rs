//! Messages handled together: one transaction for all that are there, where a handler does little for each.
//!
//! A commit waits for the disk and costs more than what it commits. When one of the messages fails, nothing of the
//! transaction stays and each is handled by itself, as if they had come one by one.

use std::panic::AssertUnwindSafe;

use async_nats::jetstream::{self, AckKind};
use events::Attributes;
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;

use super::{Failure, HandleError, Handler, Message, Worker};
use crate::effect::effect_on_many;
use crate::trace::Chapter;
use crate::{clock, effect};

/// A message that can be handled with others.
struct Readable {
    incoming: jetstream::Message,
    message: Message,
    attributes: Attributes,
}

impl<H: Handler> Worker<H> {
    /// Tells each one's trace that it was handled.
    fn tell_of(&self, together: &[Readable], began: Timestamp) {
        let ended = clock::now();
        for Readable { attributes, message, .. } in together {
            let details = [("consumer", self.subscription.consumer), ("subject", &message.subject)];
            let handled =
                Chapter { order_id: &attributes.subject, name: "message", began, ended, details: &details };
            handled.tell_after(&attributes.trace);
        }
    }

    /// Handles all of them; what cannot be handled with the others, by itself.
    pub(super) async fn process_all(&self, all: Vec<jetstream::Message>) {
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for incoming in all {
            let message = Message::of(&incoming);
            match Attributes::read(message.headers.as_ref()) {
                Ok(attributes) if !self.is_for_another(&message) => {
                    together.push(Readable { incoming, message, attributes });
                }
                Ok(_) | Err(_) => alone.push(incoming),
            }
        }
        // Rows of one order are locked in one order, whoever else handles its messages.
        together.sort_by(|one, other| one.attributes.subject.cmp(&other.attributes.subject));
        let began = clock::now();
        let outcome = match together.len() {
            0 | 1 => Err(HandleError::Failed(anyhow::anyhow!("there are no others"))),
            _ => AssertUnwindSafe(self.handle_together(&together))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(HandleError::Failed(anyhow::anyhow!("the handler panicked")))),
        };
        match outcome {
            Ok(()) => {
                join_all(together.iter().map(|one| self.acknowledge(one))).await;
                self.tell_of(&together, began);
            }
            Err(error) if error.is_outage() => {
                // None of them is to blame, and by itself each would only wait for the same.
                for one in &together {
                    let id = &one.attributes.id;
                    let deliveries = one.incoming.info().map_or(1, |info| info.delivered);
                    let failure = Failure { error: &error, id, tries: 0, deliveries };
                    self.count("failed");
                    let order = &one.attributes.subject;
                    if let Err(error) = self.refuse(&one.incoming, &one.message, order, failure).await {
                        tracing::warn!("failed to refuse; the message will be delivered again: {error}");
                    }
                }
            }
            Err(error) => {
                if together.len() > 1 {
                    tracing::debug!("failed to handle messages together, each by itself: {error}");
                }
                alone.extend(together.into_iter().map(|one| one.incoming));
            }
        }
        let many = alone.len() > 1;
        for incoming in alone {
            // Those before it may have taken long.
            if many && let Err(error) = incoming.ack_with(AckKind::Progress).await {
                tracing::debug!("failed to ask for more time: {error}");
            }
            self.process(incoming).await;
        }
    }

    async fn handle_together(&self, all: &[Readable]) -> Result<(), HandleError> {
        let subjects = || all.iter().map(|one| one.attributes.subject.clone()).collect();
        effect_on_many(self.point("handle"), subjects, || async {
            let mut transaction = self.store.begin().await?;
            let consumer = self.subscription.consumer;
            let ids: Vec<&str> = all.iter().map(|one| one.attributes.id.as_str()).collect();
            let mut new = transaction.first_times(consumer, &ids).await?;
            for Readable { message, attributes, .. } in all {
                transaction.about(consumer, &attributes.subject);
                // A message may be among them twice.
                if new.remove(&attributes.id) {
                    self.handler.handle(message, &mut transaction).await?;
                } else {
                    self.handler.repeat(message, &mut transaction).await?;
                }
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn acknowledge(&self, Readable { incoming, attributes, .. }: &Readable) {
        self.count("handled");
        if let Err(error) = effect(self.point("ack"), &attributes.subject, || incoming.ack()).await {
            tracing::warn!("failed to acknowledge; the message will be delivered again: {error}");
        }
    }
}
