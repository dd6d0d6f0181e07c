//! How long to wait before the next try.

use std::time::Duration;

use rand::Rng;

/// Waits that double from `initial` to `maximum`, with a fifth of jitter so that many do not retry as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait.
    pub maximum: Duration,
}

impl Backoff {
    /// For calls to other parts: 100 ms to 30 s.
    pub const DEFAULT: Self = Self { initial: Duration::from_millis(100), maximum: Duration::from_secs(30) };

    /// The wait after `failures` failures in a row, without jitter.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1).min(20)).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.maximum)
    }

    /// The wait with jitter: between four fifths and the whole of [`Self::wait`].
    #[must_use]
    pub fn jittered(&self, failures: u32) -> Duration {
        let wait = self.wait(failures);
        wait - (wait / 1000) * rand::rng().random_range(0..=200)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff { initial: Duration::from_secs(1), maximum: Duration::from_secs(10) };
        let waits: Vec<u64> = (1..=6).map(|failures| backoff.wait(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.wait(u32::MAX), Duration::from_secs(10));
    }
}
