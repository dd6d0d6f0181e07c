//! Turns to write statuses that may be overtaken.
//!
//! A status write costs the API server more than anything else in an order's life. When it is busy, orders whose next
//! transition may come any moment wait for a turn, and what overtakes them meanwhile is written along: the more there is to
//! write, the less is written for each order. On an idle cluster nobody waits.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many such writes are under way at once.
const AT_ONCE: usize = 2;
/// How long an order waits for its turn at most, counted from when its write was due.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How soon it asks again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(150);

/// The turns of one leader.
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Whether to write now.
pub(crate) enum Turn<'a> {
    /// Write; the turn ends when this is dropped.
    Mine(Option<SemaphorePermit<'a>>),
    /// Others write: ask again after [`ASK_AGAIN`].
    NotYet,
}

impl Turns {
    /// A turn for a write that has been due for `overdue`.
    pub(crate) fn take(&self, overdue: Duration) -> Turn<'_> {
        match self.0.try_acquire() {
            Ok(permit) => Turn::Mine(Some(permit)),
            Err(_) if overdue < PATIENCE => Turn::NotYet,
            Err(_) => Turn::Mine(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_has_a_turn_and_the_others_wait_but_not_for_ever() {
        let turns = Turns::default();
        let held: Vec<_> = (0..AT_ONCE).map(|_| turns.take(Duration::ZERO)).collect();
        assert!(held.iter().all(|turn| matches!(turn, Turn::Mine(Some(_)))));
        assert!(matches!(turns.take(Duration::ZERO), Turn::NotYet));
        assert!(matches!(turns.take(PATIENCE), Turn::Mine(None)));
        drop(held);
        assert!(matches!(turns.take(Duration::ZERO), Turn::Mine(Some(_))));
    }
}
