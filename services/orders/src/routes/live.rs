//! `GET /orders/{id}/events`: an order as it moves, by server-sent events.
//!
//! # Guarantees
//! - Every transition is told once and in order, from the one after `Last-Event-ID` on, whichever replica is asked: what was
//!   recorded is read from the history, what happens now is heard on NATS, and where the two leave a gap the history is read again.
//! - The stream ends with the order, and with the caller's session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chassis::Platform;
use events::{EventType, OrderTransition};
use futures::StreamExt;
use rest::{Caller, Permission as _, Problem, Segments};
use tokio::sync::{broadcast, mpsc};

use super::seats::Seat;
use super::shown::LiveTransition;
use super::{Counter, OrdersRead, visible};
use crate::views;

/// The subjects of all transitions.
const SUBJECTS: &str = "supercargo.event.order.*";
/// How many transitions a slow reader may be behind before the history is read for it.
const BEHIND: usize = 32;
/// How soon the history is read again for what was heard too early.
const SOON: Duration = Duration::from_millis(50);
/// How often the history is looked into for what was not heard, and the session asked about.
const CHECKED_EVERY: Duration = Duration::from_secs(5);
const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(15);

type Listeners = HashMap<String, broadcast::Sender<Arc<OrderTransition>>>;

/// Who listens to which order, in this replica.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Listeners>>);

impl Live {
    fn listen(&self, order_id: &str) -> broadcast::Receiver<Arc<OrderTransition>> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = listeners.entry(order_id.to_owned()).or_insert_with(|| broadcast::channel(BEHIND).0);
        sender.subscribe()
    }

    /// Drops the channel of an order that nobody listens to any more.
    fn leave(&self, order_id: &str) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.get(order_id).is_some_and(|sender| sender.receiver_count() == 0) {
            listeners.remove(order_id);
        }
    }

    fn tell(&self, order_id: &str, read: impl FnOnce() -> Option<OrderTransition>) {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = listeners.get(order_id)
            && let Some(transition) = read()
        {
            // Who has just left hears nothing more.
            let _ = sender.send(Arc::new(transition));
        }
    }

    /// Hears transitions on core NATS until the process is to stop.
    ///
    /// # Errors
    /// When the subject cannot be subscribed to.
    pub async fn hear(self, platform: Platform) -> anyhow::Result<()> {
        let mut messages = platform.nats.subscribe(SUBJECTS).await?;
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = platform.stop.cancelled() => return Ok(()),
            };
            let Some(message) = message else {
                anyhow::ensure!(platform.stop.is_cancelled(), "the subscription to {SUBJECTS} ended");
                return Ok(());
            };
            // The archiving is no transition.
            if message.subject.as_str() == EventType::OrderArchived.subject() {
                continue;
            }
            let subject = message.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
            if let Some(order_id) = subject {
                self.tell(order_id.as_str(), || serde_json::from_slice(&message.payload).ok());
            }
        }
    }
}

/// Follows an order of the caller's.
pub(super) async fn follow_order(
    caller: Caller,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    State(counter): State<Counter>,
) -> Result<Response, Problem> {
    let view = visible(&counter, &caller, &id, OrdersRead::NAME).await?;
    let told = last_told(&headers)?;
    let newest = view.transition.as_ref();
    if newest.is_some_and(|newest| newest.phase.is_finished() && newest.sequence <= told) {
        // What makes a browser stop to connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let seat = counter.seats.take(caller.id())?;
    let (sender, receiver) = mpsc::channel(4);
    let order_id = view.order.order_id;
    let follower = Follower { counter, caller, headers, order_id, next: told + 1, sender, _seat: seat };
    tokio::spawn(follower.run());
    let stream = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|event| (Ok::<_, Infallible>(event), receiver))
    });
    let alive = KeepAlive::new().interval(KEPT_ALIVE_EVERY);
    Ok(([("x-accel-buffering", "no")], Sse::new(stream).keep_alive(alive)).into_response())
}

fn last_told(headers: &HeaderMap) -> Result<i64, Problem> {
    let Some(given) = headers.get("last-event-id") else { return Ok(0) };
    given
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse::<i64>().ok())
        .filter(|sequence| (0..i64::MAX).contains(sequence))
        .ok_or_else(|| Problem::unreadable("Last-Event-ID is no number of a transition: leave it out"))
}

/// One open stream.
struct Follower {
    counter: Counter,
    caller: Caller,
    headers: HeaderMap,
    order_id: String,
    /// The sequence that is told next.
    next: i64,
    sender: mpsc::Sender<Event>,
    _seat: Seat,
}

/// What ends a stream: the order has, or nobody reads.
struct Ended;

impl Follower {
    async fn run(mut self) {
        let mut heard = self.counter.live.listen(&self.order_id);
        let _ended = self.follow(&mut heard).await;
        drop(heard);
        self.counter.live.leave(&self.order_id);
    }

    async fn follow(&mut self, heard: &mut broadcast::Receiver<Arc<OrderTransition>>) -> Result<(), Ended> {
        let stop = self.counter.platform.stop.clone();
        let mut checked = tokio::time::interval(CHECKED_EVERY);
        checked.tick().await;
        loop {
            self.tell_recorded().await?;
            // A transition that came too early, for whose predecessors the history is read again soon.
            let mut early = false;
            while !early {
                tokio::select! {
                    transition = heard.recv() => match transition {
                        Ok(transition) if transition.sequence == self.next => {
                            self.tell(OrderTransition::clone(&transition)).await?;
                        }
                        Ok(transition) => early = transition.sequence > self.next,
                        Err(_) => early = true,
                    },
                    _ = checked.tick() => {
                        self.check_session().await?;
                        break;
                    }
                    () = self.sender.closed() => return Err(Ended),
                    () = stop.cancelled() => return Err(Ended),
                }
            }
            if early {
                tokio::time::sleep(SOON).await;
            }
        }
    }

    async fn tell_recorded(&mut self) -> Result<(), Ended> {
        let pool = self.counter.desk.store.pool();
        match views::transitions(pool, &self.order_id, self.next).await {
            Ok(recorded) => {
                for transition in recorded {
                    // One that is missing is waited for.
                    if transition.sequence == self.next {
                        self.tell(transition).await?;
                    }
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(
                    order = self.order_id,
                    "failed to read for a live stream, will retry: {error}"
                );
                Ok(())
            }
        }
    }

    async fn tell(&mut self, transition: OrderTransition) -> Result<(), Ended> {
        let name = EventType::of_phase(transition.phase).name();
        let finished = transition.phase.is_finished();
        let live = LiveTransition::from(transition);
        let event = Event::default().id(live.sequence.to_string()).event(name);
        let event = event.json_data(&live).map_err(|_| Ended)?;
        self.sender.send(event).await.map_err(|_| Ended)?;
        self.next += 1;
        if finished { Err(Ended) } else { Ok(()) }
    }

    /// A stream lives no longer than its session.
    async fn check_session(&self) -> Result<(), Ended> {
        match self.counter.gate.admit_headers(&self.headers).await {
            Ok(caller) if caller.id() == self.caller.id() => Ok(()),
            Err(problem) if problem.status().is_server_error() => Ok(()),
            Ok(_) | Err(_) => Err(Ended),
        }
    }
}
