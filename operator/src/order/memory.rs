//! What a leader remembers of the orders it drives: never needed to be right, only to be quick.
//!
//! A status that is decided and not written yet is the one to go on from, so that a transition keeps its number and time.
//! When the memory is lost transitions are found again from what is observed: nobody was told of those that were not written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use resources::{HistoryEntry, OrderStatus, Payment, Shipment, StockReservation};

use super::made::MadeChildren;
use super::plan::{Tell, Transition};

/// How long the events of an order that was let go may lag behind.
const ECHO: SignedDuration = SignedDuration::from_mins(2);

/// The memory of one leader.
#[derive(Default)]
pub(crate) struct Memory {
    orders: Mutex<HashMap<String, Recollection>>,
    /// Orders that were let go, and when: the event of their deletion comes before that of their end, and asks for nothing.
    released: Mutex<HashMap<String, Timestamp>>,
}

/// What is remembered of one order.
#[derive(Clone, Default)]
pub(crate) struct Recollection {
    /// The newest status decided.
    pub(crate) status: Option<OrderStatus>,
    /// Transitions decided whose events wait until the resource tells them.
    pub(crate) untold: Vec<Transition>,
    /// The events of the transitions up to this number are told.
    pub(crate) announced: i64,
    /// All that the resource tells is told again, whatever was told before.
    pub(crate) tells_again: bool,
    /// What people were told outside a transition since the last write: a decision that waits to be written is made again.
    pub(crate) said: Vec<Tell>,
    /// Since when the resource lacks something of it.
    pub(crate) unwritten_since: Option<Timestamp>,
    /// The `resourceVersion` that our last write replaced: an order that still shows it is stale.
    pub(crate) replaced: Option<String>,
    /// Answers that services gave directly, where the child cannot be created any more.
    pub(crate) direct: DirectAnswers,
    /// Children that were made a moment ago.
    pub(crate) made: MadeChildren,
    /// How often in a row the services could not be asked.
    pub(crate) unanswered: u32,
    /// How often in a row it was decided on a stale object.
    pub(crate) conflicts: u32,
    /// Since when the cache is behind our own write.
    pub(crate) behind_since: Option<Instant>,
}

/// Children that exist at their service alone, since their namespace is going.
#[derive(Clone, Default)]
pub(crate) struct DirectAnswers {
    pub(crate) reservation: Option<StockReservation>,
    pub(crate) payment: Option<Payment>,
    pub(crate) shipment: Option<Shipment>,
}

impl Memory {
    pub(crate) fn recall(&self, uid: &str) -> Recollection {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned().unwrap_or_default()
    }

    pub(crate) fn keep(&self, uid: &str, mut recollection: Recollection) {
        let mut all = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = all.get(uid).filter(|before| before.tells_again) {
            // Asked for while the order was driven.
            (recollection.tells_again, recollection.announced) = (true, before.announced);
        }
        all.insert(uid.to_owned(), recollection);
    }

    pub(crate) fn change(&self, uid: &str, change: impl FnOnce(&mut Recollection)) {
        change(self.orders.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.to_owned()).or_default());
    }

    /// Notes that the order is archived and its finalizer gone.
    pub(crate) fn release(&self, uid: &str, now: Timestamp) {
        self.forget(uid);
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        if released.len() == released.capacity() {
            released.retain(|_, at| now.duration_since(*at) < ECHO);
        }
        released.insert(uid.to_owned(), now);
    }

    /// True of an order that was let go a moment ago.
    pub(crate) fn is_released(&self, uid: &str) -> bool {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uid)
    }

    /// How many orders are still to be told again.
    pub(crate) fn telling_again(&self) -> u64 {
        let all = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|memory| memory.tells_again).fold(0, |count, _| count + 1)
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

impl Recollection {
    /// The status to go on from.
    pub(crate) fn newest(&self, written: Option<&OrderStatus>) -> OrderStatus {
        let written_sequence = written.map_or(0, |status| status.sequence);
        match &self.status {
            Some(remembered) if remembered.sequence > written_sequence && continues(remembered, written) => {
                remembered.clone()
            }
            Some(_) | None => written.cloned().unwrap_or_default(),
        }
    }

    /// The number of the last transition whose event is told for certain.
    pub(crate) fn announced(&self, written: &OrderStatus) -> i64 {
        if self.tells_again {
            return self.announced;
        }
        self.announced.max(written.announced_sequence.unwrap_or(0))
    }

    /// The transitions that the resource tells and nobody was told of, oldest first, each with what was decided about it,
    /// where that is remembered: another leader may have decided the same number otherwise.
    pub(crate) fn news<'a>(
        &'a self,
        written: &'a OrderStatus,
    ) -> impl Iterator<Item = (&'a HistoryEntry, Option<&'a Transition>)> {
        let announced = self.announced(written);
        written.history.iter().filter(move |entry| entry.sequence > announced).map(|entry| {
            let decided = self.untold.iter().find(|transition| {
                let data = &transition.data;
                data.sequence == entry.sequence && data.phase == entry.phase && data.at == entry.at.0
            });
            (entry, decided)
        })
    }

    /// The resource lacks something from now on, unless it did before. A transition restarts the wait, since only a phase that
    /// lasts is written; so does a clock that was ahead and is not any more.
    pub(crate) fn wait_to_write(&mut self, now: Timestamp, transition_is_new: bool) {
        if self.unwritten_since.is_none_or(|since| transition_is_new || since > now) {
            self.unwritten_since = Some(now);
        }
    }

    /// When what is unwritten has to be written.
    pub(crate) fn write_due(&self, delay: Duration) -> Timestamp {
        self.unwritten_since.and_then(|since| since.checked_add(delay).ok()).unwrap_or(Timestamp::MIN)
    }
}

/// True when `remembered` goes on from what is written: another leader may have gone another way meanwhile.
fn continues(remembered: &OrderStatus, written: Option<&OrderStatus>) -> bool {
    written.and_then(|status| status.history.last()).is_none_or(|last| {
        remembered.history.iter().any(|entry| entry.sequence == last.sequence && entry.phase == last.phase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn what_is_unwritten_waits_once_and_a_transition_begins_the_wait_anew() {
        let mut memory = Recollection::default();
        memory.wait_to_write(at(1000), true);
        memory.wait_to_write(at(1040), false);
        assert_eq!(memory.write_due(DELAY), at(1050));
        memory.wait_to_write(at(1045), true);
        assert_eq!(memory.write_due(DELAY), at(1095));
    }

    #[test]
    fn a_clock_that_steps_back_delays_a_write_by_no_more_than_the_wait() {
        let mut memory = Recollection::default();
        memory.wait_to_write(at(3_600_000), true);
        memory.wait_to_write(at(1000), false);
        assert_eq!(memory.write_due(DELAY), at(1050));
        memory.wait_to_write(at(1050), false);
        assert!(memory.write_due(DELAY) <= at(1050), "it is not put off for ever");
    }
}
