//! A carrier, EasyPost-shaped: shipments, labels, trackers, signed tracking webhooks.
//!
//! Where a parcel is follows from when it was booked ([`tracking`]); nothing moves it. A timer for each parcel only tells
//! its steps by webhook, in order, each once it is due, and what was told is journaled with the event.

mod errors;
mod execute;
mod model;
mod render;
mod routes;
mod tracking;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::execute::{Change, Command};
use self::model::{Books, Shipment, StoredEvent};
use crate::common::{fresh_id, hmac_hex, lock, now_millis};
use crate::faults::FaultBox;
use crate::idempotency::{KEPT_MILLIS, Keys, SavedAnswer};
use crate::journal::{Batch, Journal, Put};
use crate::settings::Account;
use crate::webhook::{Courier, Parcel};

/// The carrier API.
#[derive(Debug)]
pub(crate) struct Carrier {
    key: String,
    base: String,
    delivery_millis: i64,
    books: Mutex<Books>,
    journal: Arc<Journal>,
    keys: Keys,
    courier: Courier,
    faults: FaultBox,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Carrier {
    /// Opens the books and takes up what was under way: pending webhooks, parcels on their way.
    pub fn open(
        folder: &Path,
        account: Account,
        base: String,
        delivery: Duration,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> anyhow::Result<Arc<Carrier>> {
        let started = now_millis();
        let (mut shipments, mut events) = (Vec::new(), Vec::new());
        let keys = Keys::default();
        let mut delivered = std::collections::HashSet::new();
        let visit = |put: Put| {
            match put.kind.as_str() {
                "shipment" => shipments.push(put.read::<Shipment>()?),
                "event" => events.push((put.id.clone(), put.read::<StoredEvent>()?)),
                "answer" => {
                    let (key, span) = (put.id.clone(), put.span);
                    let answer = put.read::<SavedAnswer>()?;
                    if started - answer.at < KEPT_MILLIS {
                        keys.remember(&key, &answer, span);
                    }
                }
                "delivered" => drop(delivered.insert(put.id)),
                other => tracing::warn!(kind = other, "the carrier journal holds something unknown"),
            }
            Ok(())
        };
        let keep = |kind: &str, value: &Value| {
            kind != "answer" || value["at"].as_i64().is_some_and(|at| started - at < KEPT_MILLIS)
        };
        let journal = Arc::new(Journal::open(&folder.join("carrier.journal"), keep, visit)?);
        let faults = FaultBox::new(errors::injected);
        let key = account.key.clone();
        let courier =
            Courier::new(account, sign, faults.clone(), journal.clone(), stop.clone(), tasks.clone())?;
        shipments.sort_by_key(|shipment| shipment.sequence);
        let booked: Vec<String> = shipments
            .iter()
            .filter(|shipment| shipment.announced + 1 < shipment.way().len())
            .map(|shipment| shipment.id.clone())
            .collect();
        let mut books = Books::default();
        shipments.into_iter().for_each(|shipment| books.put(shipment));
        events.retain(|(id, _)| !delivered.contains(id));
        events.sort_by_key(|(_, event)| event.number);
        for (id, event) in events {
            courier.send(Parcel { id, queue: event.tracker, body: event.body });
        }
        let carrier = Arc::new(Carrier {
            key,
            base,
            delivery_millis: i64::try_from(delivery.as_millis())?,
            books: Mutex::new(books),
            journal,
            keys,
            courier,
            faults,
            stop,
            tasks,
        });
        booked.into_iter().for_each(|id| carrier.tell_steps(id));
        Ok(carrier)
    }

    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        routes::router(self).merge(self.faults.routes())
    }

    /// Ends when the journal cannot be written any more.
    pub async fn broken(&self) -> anyhow::Error {
        self.journal.broken().await
    }

    /// Decides and commits under one lock; the answer is the status and the body.
    fn commit(
        self: &Arc<Self>,
        keep: Option<(&str, &str)>,
        command: Command,
    ) -> anyhow::Result<(u16, String)> {
        let mut books = lock(&self.books);
        // Read under the lock: a label cannot be refunded before a step that was told already.
        let now = now_millis();
        let decided = execute::execute(&books, command, now, self.delivery_millis);
        let mut batch = Batch::default();
        let (status, body, executed, changed) = match decided {
            Ok(Change { status, mut shipment, changed }) => {
                if shipment.sequence == 0 {
                    shipment.sequence = books.next_sequence();
                }
                let body = render::shipment(&shipment, now, &self.base).to_string();
                (status, body, true, changed.then_some(shipment))
            }
            Err(error) => (error.status, error.body().to_string(), error.executed, None),
        };
        if let Some(shipment) = &changed {
            batch.put("shipment", &shipment.id, shipment)?;
        }
        let saved = keep.filter(|_| executed).map(|(key, fingerprint)| {
            (key, SavedAnswer { fingerprint: fingerprint.to_owned(), at: now, status, body: body.clone() })
        });
        if let Some((key, answer)) = &saved {
            batch.put("answer", key, answer)?;
        }
        let span = self.journal.append(batch);
        if let Some((key, answer)) = &saved {
            self.keys.remember(key, answer, span);
        }
        if let Some(shipment) = changed {
            let (id, booked) = (shipment.id.clone(), shipment.booking.is_some());
            books.put(shipment);
            drop(books);
            if booked {
                self.tell_steps(id);
            }
        }
        Ok((status, body))
    }

    /// Tells a parcel's steps as they come due, until its way is told.
    fn tell_steps(self: &Arc<Self>, id: String) {
        if !self.courier.is_on() {
            return;
        }
        let carrier = self.clone();
        self.tasks.spawn(async move {
            loop {
                let next = match carrier.tell_due(&id) {
                    Ok(next) => next,
                    Err(fault) => {
                        tracing::error!(shipment = id, fault = format!("{fault:#}"), "failed to tell a step");
                        return;
                    }
                };
                let Some(at) = next else { return };
                let pause = Duration::from_millis(u64::try_from(at - now_millis()).unwrap_or(0));
                tokio::select! {
                    () = carrier.stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
    }

    /// Tells the steps that are due and not told; answers when the next one is.
    fn tell_due(&self, id: &str) -> anyhow::Result<Option<i64>> {
        let mut books = lock(&self.books);
        let now = now_millis();
        let Some(mut shipment) = books.find(id).cloned() else { return Ok(None) };
        let Some(booking) = shipment.booking.clone() else { return Ok(None) };
        let way = shipment.way();
        let mut batch = Batch::default();
        let mut parcels = Vec::new();
        let told = shipment.announced;
        for index in told + 1..way.len() {
            if way[index].at > now {
                break;
            }
            let tracker = render::tracker(&shipment, &booking, &way[..=index], &self.base);
            let id = fresh_id("evt");
            let body = render::event(&id, &tracker, now).to_string();
            let event = StoredEvent { tracker: booking.tracker_id.clone(), number: index, body };
            batch.put("event", &id, &event)?;
            parcels.push(Parcel { id, queue: event.tracker, body: event.body });
            shipment.announced = index;
        }
        let next = way.get(shipment.announced + 1).map(|step| step.at);
        if shipment.announced > told {
            batch.put("shipment", &shipment.id, &shipment)?;
            self.journal.append(batch);
            books.put(shipment);
            // Under the lock, so that two tellers cannot swap a tracker's steps.
            parcels.into_iter().for_each(|parcel| self.courier.send(parcel));
        }
        Ok(next)
    }
}

/// EasyPost's header, with the timestamp in the signed text.
fn sign(secret: &str, body: &str, at: i64) -> Vec<(&'static str, String)> {
    let signature = format!("hmac-sha256-hex={}", hmac_hex(secret, &format!("{at}.{body}")));
    vec![("X-Timestamp", at.to_string()), ("X-Hmac-Signature", signature)]
}
