//! A Stripe-compatible payment API: intents, refunds, charges, events, signed webhooks.
//!
//! A request is parsed ([`commands`]), executed against the books without changing them ([`execute`]), and committed as
//! one journal line: intent, refund, events and the key's answer together. Only then it is answered.

mod authenticate;
mod books;
mod commands;
mod errors;
mod execute;
mod form;
mod intents;
mod lists;
mod methods;
mod model;
mod refunds;
mod render;
mod routes;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::books::{Books, EventEntry};
use self::execute::Change;
use crate::common::{fresh_id, hmac_hex, lock, now_millis};
use crate::faults::FaultBox;
use crate::idempotency::{KEPT_MILLIS, Keys, SavedAnswer};
use crate::journal::{Batch, Journal, Put};
use crate::settings::Account;
use crate::webhook::{Courier, Parcel};

/// The payment API.
#[derive(Debug)]
pub(crate) struct Stripe {
    key: String,
    base: String,
    books: Mutex<Books>,
    journal: Arc<Journal>,
    keys: Keys,
    courier: Courier,
    faults: FaultBox,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Under which key, if any, an answer is kept.
#[derive(Debug)]
struct Keep {
    key: String,
    fingerprint: String,
}

impl Stripe {
    /// Opens the books and takes up what was under way: pending webhooks, late charges. `base` is where callers reach it.
    pub fn open(
        folder: &Path,
        account: Account,
        base: String,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> anyhow::Result<Arc<Stripe>> {
        let started = now_millis();
        let mut books = Books::default();
        let keys = Keys::default();
        let (mut intents, mut refunds, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let mut delivered = std::collections::HashSet::new();
        let visit = |put: Put| {
            match put.kind.as_str() {
                "intent" => intents.push(put.read::<model::Intent>()?),
                "refund" => refunds.push(put.read::<model::Refund>()?),
                "event" => {
                    let (id, span) = (put.id.clone(), put.span);
                    let model::StoredEvent { sequence, event_type, created, webhook, body: _ } =
                        put.read()?;
                    events.push((EventEntry { id, event_type, created, sequence, span }, webhook));
                }
                "heard" => books.put_first_heard(put.id.clone(), put.read()?),
                "answer" => {
                    let (key, span) = (put.id.clone(), put.span);
                    let answer = put.read::<SavedAnswer>()?;
                    if started - answer.at < KEPT_MILLIS {
                        keys.remember(&key, &answer, span);
                    }
                }
                "delivered" => drop(delivered.insert(put.id)),
                other => tracing::warn!(kind = other, "the stripe journal holds something unknown"),
            }
            Ok(())
        };
        let keep = |kind: &str, value: &Value| {
            kind != "answer" || value["at"].as_i64().is_some_and(|at| started - at < KEPT_MILLIS)
        };
        let journal = Arc::new(Journal::open(&folder.join("stripe.journal"), keep, visit)?);
        let faults = FaultBox::new(errors::injected);
        let key = account.key.clone();
        let courier =
            Courier::new(account, sign, faults.clone(), journal.clone(), stop.clone(), tasks.clone())?;
        intents.sort_by_key(|intent| intent.sequence);
        refunds.sort_by_key(|refund| refund.sequence);
        events.sort_by_key(|(event, _)| event.sequence);
        let late: Vec<_> = intents
            .iter()
            .filter_map(|intent| Some((intent.id.clone(), intent.settles_at_millis?)))
            .collect();
        let unsettled: Vec<_> = refunds
            .iter()
            .filter_map(|refund| Some((refund.id.clone(), refund.settles?.at_millis)))
            .collect();
        intents.into_iter().for_each(|intent| books.put_intent(intent));
        refunds.into_iter().for_each(|refund| books.put_refund(refund));
        for (event, webhook) in events {
            if webhook && courier.is_on() && !delivered.contains(&event.id) {
                let model::StoredEvent { body, .. } = journal.read(event.span, "event", &event.id)?;
                courier.send(Parcel { id: event.id.clone(), queue: event.id.clone(), body });
            }
            books.put_event(event);
        }
        let books = Mutex::new(books);
        let stripe = Arc::new(Stripe { key, base, books, journal, keys, courier, faults, stop, tasks });
        for (id, at) in late {
            stripe.settle_later(id, at);
        }
        for (id, at) in unsettled {
            stripe.settle_refund_later(id, at);
        }
        Ok(stripe)
    }

    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        routes::router(self).merge(authenticate::router(self)).merge(self.faults.routes())
    }

    /// Ends when the journal cannot be written any more.
    pub async fn broken(&self) -> anyhow::Error {
        self.journal.broken().await
    }

    /// Decides and commits under one lock: a journal line, the books, the events on their way. The caller then waits
    /// for [`Journal::durable`] before it answers; if it goes away meanwhile, everything still happens.
    fn commit(
        self: &Arc<Self>,
        keep: Option<&Keep>,
        now: i64,
        decide: impl FnOnce(&Books) -> Change,
    ) -> anyhow::Result<Change> {
        let mut books = lock(&self.books);
        let mut change = decide(&books);
        let mut batch = Batch::default();
        let mut parcels = Vec::new();
        let mut entries = Vec::new();
        if let Some(intent) = &mut change.intent {
            if intent.sequence == 0 {
                intent.sequence = books.next_sequence();
            }
            batch.put("intent", &intent.id, intent)?;
        }
        if let Some(refund) = &mut change.refund {
            if refund.sequence == 0 {
                refund.sequence = books.next_sequence();
            }
            batch.put("refund", &refund.id, refund)?;
        }
        if let Some((order, at)) = &change.first_heard {
            batch.put("heard", order, at)?;
        }
        for (happening, object) in &change.told {
            let (id, event_type) = (fresh_id("evt"), happening.event_type().to_owned());
            let key = keep.map(|keep| keep.key.as_str());
            let body = render::event(&id, &event_type, object, now / 1000, key).to_string();
            let event = model::StoredEvent {
                sequence: books.next_sequence(),
                event_type,
                created: now / 1000,
                webhook: self.courier.is_on(),
                body,
            };
            batch.put("event", &id, &event)?;
            let model::StoredEvent { sequence, event_type, created, webhook: _, body } = event;
            parcels.push(Parcel { id: id.clone(), queue: id.clone(), body });
            entries.push((id, event_type, created, sequence));
        }
        let saved = keep.filter(|_| change.executed).map(|keep| {
            let answer = SavedAnswer {
                fingerprint: keep.fingerprint.clone(),
                at: now,
                status: change.status,
                body: change.body.to_string(),
            };
            (keep.key.as_str(), answer)
        });
        if let Some((key, answer)) = &saved {
            batch.put("answer", key, answer)?;
        }
        // From here on nothing fails.
        let span = self.journal.append(batch);
        if let Some((key, answer)) = &saved {
            self.keys.remember(key, answer, span);
        }
        let settles =
            change.intent.as_ref().and_then(|intent| Some((intent.id.clone(), intent.settles_at_millis?)));
        let refund_settles =
            change.refund.as_ref().and_then(|refund| Some((refund.id.clone(), refund.settles?.at_millis)));
        if let Some(intent) = &change.intent {
            books.put_intent(intent.clone());
        }
        if let Some(refund) = &change.refund {
            books.put_refund(refund.clone());
        }
        if let Some((order, at)) = &change.first_heard {
            books.put_first_heard(order.clone(), *at);
        }
        for (id, event_type, created, sequence) in entries {
            books.put_event(EventEntry { id, event_type, created, sequence, span });
        }
        drop(books);
        parcels.into_iter().for_each(|parcel| self.courier.send(parcel));
        if let Some((id, at)) = settles {
            self.settle_later(id, at);
        }
        if let Some((id, at)) = refund_settles {
            self.settle_refund_later(id, at);
        }
        Ok(change)
    }

    fn settle_later(self: &Arc<Self>, id: String, at: i64) {
        self.later(at, move |stripe, now| {
            let settled = stripe.commit(None, now, |books| {
                let mut intent = books.intent(&id).map(|intent| intent.as_ref().clone());
                match intent.as_mut().and_then(|intent| intents::settle(intent, now)).zip(intent) {
                    Some((step, intent)) => Change::step(intent, step, &stripe.base),
                    None => Change::refusal(&errors::ApiError::unavailable(), &stripe.base),
                }
            });
            if let Err(fault) = settled {
                tracing::error!(intent = id, fault = format!("{fault:#}"), "failed to settle a late charge");
            }
        });
    }

    fn settle_refund_later(self: &Arc<Self>, id: String, at: i64) {
        self.later(at, move |stripe, now| {
            let settled = stripe.commit(None, now, |books| {
                execute::settle_refund(books, &id, now)
                    .unwrap_or_else(|| Change::refusal(&errors::ApiError::unavailable(), &stripe.base))
            });
            if let Err(fault) = settled {
                tracing::error!(refund = id, fault = format!("{fault:#}"), "failed to settle a refund");
            }
        });
    }

    fn later(self: &Arc<Self>, at: i64, happen: impl FnOnce(&Arc<Self>, i64) + Send + 'static) {
        let stripe = self.clone();
        self.tasks.spawn(async move {
            let pause = Duration::from_millis(u64::try_from(at - now_millis()).unwrap_or(0));
            tokio::select! {
                () = stripe.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => happen(&stripe, now_millis().max(at)),
            }
        });
    }
}

/// Stripe's signature scheme.
fn sign(secret: &str, body: &str, at: i64) -> Vec<(&'static str, String)> {
    vec![("Stripe-Signature", format!("t={at},v1={}", hmac_hex(secret, &format!("{at}.{body}"))))]
}
