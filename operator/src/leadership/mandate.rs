//! Until when a leader may act, by its own monotonic clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Shared by all that acts for a leader: asked before each effect, so that a leader that was paused past its Lease, or is
/// cut off from the API server, begins nothing more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mandate(Arc<Mutex<Option<Instant>>>);

impl Mandate {
    /// From now on it holds until `until`.
    pub(super) fn extend(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// It is over.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When it is over, unless it is extended.
    pub(super) fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while this replica may act.
    pub(crate) fn holds(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mandate_holds_until_its_time_or_until_it_is_ended() {
        let mandate = Mandate::default();
        assert!(!mandate.holds());
        mandate.extend(Instant::now() + Duration::from_secs(60));
        assert!(mandate.holds());
        mandate.extend(Instant::now());
        assert!(!mandate.holds());
        mandate.extend(Instant::now() + Duration::from_secs(60));
        mandate.end();
        assert!(!mandate.holds());
    }
}
