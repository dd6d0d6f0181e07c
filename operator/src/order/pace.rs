//! How long the phases last that a successor may overtake, as this leader has seen of late.
//!
//! A shop's `statusDelay` leaves out phases that are soon overtaken. On a busy cluster each step takes longer than that, so
//! each phase would be written, and the step that follows would wait for the write: the slower the cluster, the more it would
//! be asked for. So a phase is given twice the time that it takes here and now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use resources::OrderPhase;

/// Phases that take longer are shown meanwhile: people look at them.
const QUICK: Duration = Duration::from_millis(500);
/// A phase that lasted longer counts as this, so that quick ones are soon believed again.
const LONGEST: Duration = Duration::from_secs(4);
/// The weight of what was known, to that of one more, which is one.
const KNOWN: u32 = 7;

/// The pace of one leader.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<OrderPhase, Duration>>);

impl Pace {
    /// Takes note of a phase that has lasted so long.
    pub(crate) fn learn(&self, phase: OrderPhase, lasted: Duration) {
        let lasted = lasted.min(LONGEST);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(phase)
            .and_modify(|usual| *usual = (*usual * KNOWN + lasted) / (KNOWN + 1))
            .or_insert(lasted);
    }

    /// How long a phase waits to be overtaken, where the shop's policy says `delay`. A shop that waits for nothing does so here.
    pub(crate) fn wait(&self, phase: Option<OrderPhase>, delay: Duration) -> Duration {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match phase.and_then(|phase| known.get(&phase)) {
            Some(usual) if *usual <= QUICK && !delay.is_zero() => delay.max(*usual * 2),
            Some(_) | None => delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);
    const PAID: Option<OrderPhase> = Some(OrderPhase::Paid);

    fn lasting(milliseconds: &[u64]) -> Pace {
        let pace = Pace::default();
        for lasted in milliseconds {
            pace.learn(OrderPhase::Paid, Duration::from_millis(*lasted));
        }
        pace
    }

    #[test]
    fn a_phase_waits_twice_as_long_as_it_takes_of_late() {
        assert_eq!(lasting(&[]).wait(PAID, DELAY), DELAY);
        assert_eq!(lasting(&[10]).wait(PAID, DELAY), DELAY, "never less than the policy says");
        assert_eq!(lasting(&[200]).wait(PAID, DELAY), Duration::from_millis(400));
        assert_eq!(lasting(&[200]).wait(Some(OrderPhase::Placed), DELAY), DELAY);
        assert_eq!(lasting(&[200]).wait(None, DELAY), DELAY);
    }

    #[test]
    fn a_phase_that_lasts_is_shown_and_one_slow_order_changes_little() {
        assert_eq!(lasting(&[3_600_000; 3]).wait(PAID, DELAY), DELAY);
        assert!(lasting(&[100, 100, 3_000]).wait(PAID, DELAY) > DELAY);
        let quick_again = lasting(&[[3_600_000; 3].as_slice(), &[20; 20]].concat());
        assert!(quick_again.wait(PAID, DELAY) > DELAY);
    }

    #[test]
    fn a_shop_that_wants_every_phase_gets_every_phase() {
        assert_eq!(lasting(&[200]).wait(PAID, Duration::ZERO), Duration::ZERO);
    }
}
