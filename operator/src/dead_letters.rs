//! Messages that could not be handled, by their orders: the stream `DEAD_LETTERS` as a leader last saw it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream;
use chassis::{Letter, Letters};
use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::{ObjectRef, Store};
use resources::Order;
use tokio_util::sync::CancellationToken;

/// How often the stream is asked whether something has changed: one small request.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A message about an order that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number in the stream.
    pub id: u64,
    /// The order id.
    pub order: String,
    /// The consumer that could not handle it.
    pub consumer: String,
    /// Why.
    pub error: String,
    /// The business key of the message.
    pub key: String,
}

impl DeadLetter {
    fn of(letter: Letter) -> Self {
        let Letter { id, about, consumer, error, key, .. } = letter;
        Self { id, order: about, consumer, error, key }
    }

    /// True of a command for that generation of a child.
    #[must_use]
    pub fn is_of(&self, uid: &str, generation: i64) -> bool {
        self.key.ends_with(&format!("/{uid}/{generation}"))
    }
}

/// The dead letters of all orders, oldest first for each.
#[derive(Default)]
pub(crate) struct DeadLetters(Mutex<HashMap<String, Vec<DeadLetter>>>);

impl DeadLetters {
    /// Those about one order.
    pub(crate) fn of_order(&self, id: &str) -> Vec<DeadLetter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned().unwrap_or_default()
    }

    /// True when the command for that generation of a child of the order is among them.
    pub(crate) fn hold(&self, order: &str, uid: &str, generation: i64) -> bool {
        self.of_order(order).iter().any(|letter| letter.is_of(uid, generation))
    }

    /// Takes them over and answers the ids of the orders whose letters are others now.
    fn replace(&self, letters: &BTreeMap<u64, DeadLetter>) -> Vec<String> {
        let mut by_order: HashMap<String, Vec<DeadLetter>> = HashMap::new();
        for letter in letters.values().filter(|letter| !letter.order.is_empty()) {
            by_order.entry(letter.order.clone()).or_default().push(letter.clone());
        }
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = present.keys().filter(|order| !by_order.contains_key(*order));
        let other = by_order.iter().filter(|(order, letters)| present.get(*order) != Some(letters));
        let changed = gone.cloned().chain(other.map(|(order, _)| order.clone())).collect();
        *present = by_order;
        changed
    }
}

/// Follows the stream until `stop` is cancelled, and wakes the orders whose letters change.
pub(crate) async fn follow(
    jetstream: &jetstream::Context,
    dead_letters: &DeadLetters,
    orders: &Store<Order>,
    wake: &UnboundedSender<ObjectRef<Order>>,
    stop: &CancellationToken,
) {
    let mut seen = Seen::default();
    loop {
        match seen.look(jetstream).await {
            Ok(false) => {}
            Ok(true) => {
                for id in dead_letters.replace(&seen.letters) {
                    let order = orders.find(|order| resources::order_id(order).as_deref() == Some(&id));
                    // Nobody listens once the controllers stop.
                    let _ = order.map(|order| wake.unbounded_send(ObjectRef::from_obj(order.as_ref())));
                }
            }
            Err(error) => tracing::debug!("failed to look at the dead letters, will retry: {error:#}"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What was seen of the stream.
#[derive(Default)]
struct Seen {
    stream: Option<Letters>,
    state: Option<(u64, u64, u64)>,
    letters: BTreeMap<u64, DeadLetter>,
}

impl Seen {
    /// Looks at the stream; true when something has changed.
    async fn look(&mut self, jetstream: &jetstream::Context) -> anyhow::Result<bool> {
        let stream = match &self.stream {
            Some(stream) => stream.clone(),
            None => self.stream.insert(Letters::open(jetstream).await?).clone(),
        };
        let state = stream.state().await?;
        let now = (state.first_sequence, state.last_sequence, state.messages);
        if self.state == Some(now) {
            return Ok(false);
        }
        // Only new ones came: the rest is known. Otherwise some were removed, or the stream is another.
        let grown = self.state.is_some_and(|(_, last, messages)| {
            now.1 >= last && now.2 >= messages && now.2 - messages == now.1 - last
        });
        let from = if grown { self.state.map_or(0, |(_, last, _)| last) + 1 } else { 1 };
        let read = stream.read(from, true).await?;
        if !grown {
            self.letters.clear();
        }
        self.letters.extend(read.into_iter().map(|letter| (letter.id, DeadLetter::of(letter))));
        // More may have come, or gone, while they were read: then it is looked at again.
        let counted = u64::try_from(self.letters.len()).unwrap_or(u64::MAX);
        self.state = (counted == now.2).then_some(now);
        Ok(true)
    }
}
