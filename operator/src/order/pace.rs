//! How long the writes of statuses take, as this leader has seen of late.
//!
//! A shop's `statusDelay` leaves out phases that are soon overtaken. On a busy API server each step takes longer than that, so
//! each phase would be written, and the step that follows would wait for the write: the slower the server, the more it would
//! be asked for. So a phase is given the time of some writes, where that is more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many writes are worth waiting for: about as many requests as lead from one phase to the next.
const WRITES: u32 = 4;
/// No phase is held back for longer.
const LONGEST: Duration = Duration::from_secs(1);
/// The weight of what was known, to that of one more write, which is one.
const KNOWN: u32 = 7;

/// The pace of the API server.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Duration>);

impl Pace {
    /// Takes note of a write that has taken so long.
    pub(crate) fn learn(&self, took: Duration) {
        let mut usual = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *usual = (*usual * KNOWN + took.min(LONGEST)) / (KNOWN + 1);
    }

    /// How long a phase waits to be overtaken, where the shop's policy says `delay`. A shop that waits for nothing does so here.
    pub(crate) fn wait(&self, delay: Duration) -> Duration {
        let usual = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if delay.is_zero() { delay } else { delay.max((usual * WRITES).min(LONGEST)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    fn after(writes: usize, milliseconds: u64) -> Pace {
        let pace = Pace::default();
        (0..writes).for_each(|_| pace.learn(Duration::from_millis(milliseconds)));
        pace
    }

    #[test]
    fn on_a_quick_api_server_a_phase_waits_as_the_policy_says() {
        assert_eq!(after(0, 0).wait(DELAY), DELAY);
        assert_eq!(after(100, 8).wait(DELAY), DELAY);
    }

    #[test]
    fn on_a_slow_one_it_waits_as_long_as_some_writes_take_and_a_second_at_most() {
        let wait = after(100, 100).wait(DELAY);
        assert!((Duration::from_millis(390)..=Duration::from_millis(400)).contains(&wait), "{wait:?}");
        assert_eq!(after(100, 60_000).wait(DELAY), LONGEST);
        assert_eq!(after(100, 100).wait(Duration::from_secs(10)), Duration::from_secs(10));
    }

    #[test]
    fn one_slow_write_changes_little_and_a_server_that_is_quick_again_is_believed() {
        let pace = after(100, 5);
        pace.learn(Duration::from_millis(80));
        assert!(pace.wait(DELAY) < DELAY * 2);
        let pace = after(100, 500);
        (0..40).for_each(|_| pace.learn(Duration::from_millis(5)));
        assert_eq!(pace.wait(DELAY), DELAY);
    }

    #[test]
    fn a_shop_that_wants_every_phase_gets_every_phase() {
        assert_eq!(after(100, 100).wait(Duration::ZERO), Duration::ZERO);
    }
}
