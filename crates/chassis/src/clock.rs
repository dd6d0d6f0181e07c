//! The clocks that decisions are made by. With the feature `fail-points`, which only tests enable, time can be skipped, and the
//! time of day be wrong by the seconds in the file that `SUPERCARGO_TEST_CLOCK` names.
//!
//! - [`now`] is the time of day. It may jump, as that of any machine.
//! - [`instant`] measures how long something takes, and never jumps with the time of day.
//! - [`Steps`] notices such a jump: waits that were computed before it are wrong then, and have to be computed anew.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// What the time of day and the passing of time may differ by between two looks: clocks that are slewed do so by little.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// Notices when the time of day is set: it has then moved otherwise than time has passed.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    now: Timestamp,
    instant: Instant,
}

impl Steps {
    /// Notices steps from this moment on.
    #[must_use]
    pub fn since(now: Timestamp, instant: Instant) -> Self {
        Self { now, instant }
    }

    /// By how much the time of day was set since the last look; `None` when it was not.
    pub fn look(&mut self, now: Timestamp, instant: Instant) -> Option<SignedDuration> {
        let passed = instant.saturating_duration_since(self.instant);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let step = now.duration_since(self.now).saturating_sub(passed);
        (self.now, self.instant) = (now, instant);
        (step.abs() > TOLERANCE).then_some(step)
    }
}

/// Waits until the time of day is set, and answers by how much.
pub async fn stepped() -> SignedDuration {
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    let mut steps = Steps::since(now(), instant());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Some(step) = steps.look(now(), instant()) {
            return step;
        }
    }
}

#[cfg(not(feature = "fail-points"))]
pub use real::{instant, now, outside, skipped};
#[cfg(feature = "fail-points")]
pub use skipping::{instant, now, outside, skip, skipped};

#[cfg(not(feature = "fail-points"))]
mod real {
    use std::time::Instant;

    use jiff::Timestamp;

    /// The time of day.
    #[must_use]
    #[inline]
    pub fn now() -> Timestamp {
        Timestamp::now()
    }

    /// The time of day as others outside tell it, who know of no skips: for the age of what they sign.
    #[must_use]
    #[inline]
    pub fn outside() -> Timestamp {
        Timestamp::now()
    }

    /// A point in time to measure from.
    #[must_use]
    #[inline]
    pub fn instant() -> Instant {
        Instant::now()
    }

    /// How many milliseconds a test has skipped, for what compares with the database's clock, which knows of no skips.
    #[must_use]
    #[inline]
    pub const fn skipped() -> i64 {
        0
    }
}

#[cfg(feature = "fail-points")]
mod skipping {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};
    use std::time::{Duration, Instant};

    use jiff::{SignedDuration, Timestamp};

    /// How often the file of `SUPERCARGO_TEST_CLOCK` is read at most.
    const READ_EVERY: Duration = Duration::from_millis(100);

    /// How much time has been skipped, in milliseconds.
    static SKIPPED: AtomicU64 = AtomicU64::new(0);
    /// By how much the clock is wrong, as the file says, in milliseconds.
    static WRONG: AtomicI64 = AtomicI64::new(0);

    /// Much time passes at once, on all clocks.
    pub fn skip(time: Duration) {
        SKIPPED.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many milliseconds were skipped.
    #[must_use]
    pub fn skipped() -> i64 {
        i64::try_from(SKIPPED.load(Ordering::SeqCst)).unwrap_or(i64::MAX)
    }

    /// The time of day, after all that was skipped, and as wrong as the file says.
    #[must_use]
    pub fn now() -> Timestamp {
        read_file();
        let ahead = SignedDuration::from_millis(skipped().saturating_add(WRONG.load(Ordering::SeqCst)));
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// The time of day as others outside tell it, who know of no skips: for the age of what they sign.
    #[must_use]
    pub fn outside() -> Timestamp {
        now().checked_sub(SignedDuration::from_millis(skipped())).unwrap_or(Timestamp::MIN)
    }

    /// A point in time to measure from: it knows what was skipped, and nothing of a wrong time of day.
    #[must_use]
    pub fn instant() -> Instant {
        Instant::now() + Duration::from_millis(SKIPPED.load(Ordering::SeqCst))
    }

    /// Reads by how many seconds the clock of this process is to be wrong; what cannot be read says nothing new.
    fn read_file() {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        static READ: Mutex<Option<Instant>> = Mutex::new(None);
        let Some(file) = FILE.get_or_init(|| std::env::var_os("SUPERCARGO_TEST_CLOCK").map(PathBuf::from))
        else {
            return;
        };
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_some_and(|at| at.elapsed() < READ_EVERY) {
            return;
        }
        *read = Some(Instant::now());
        let seconds = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
        if let Some(seconds) = seconds {
            WRONG.store(seconds.saturating_mul(1000), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_in_either_direction() {
        let began = Instant::now();
        let after = |seconds: u64| began + Duration::from_secs(seconds);
        let mut steps = Steps::since(at(0), began);
        assert_eq!(steps.look(at(10), after(10)), None);
        assert_eq!(steps.look(at(-3589), after(11)), Some(SignedDuration::from_secs(-3600)));
        assert_eq!(steps.look(at(-3588), after(12)), None);
        assert_eq!(steps.look(at(13), after(13)), Some(SignedDuration::from_secs(3600)));
    }

    #[test]
    fn a_clock_that_is_slewed_and_a_look_that_comes_late_are_no_steps() {
        let began = Instant::now();
        let mut steps = Steps::since(at(0), began);
        assert_eq!(steps.look(at(61), began + Duration::from_secs(60)), None);
        assert_eq!(steps.look(at(62), began + Duration::from_secs(62)), None);
        assert_eq!(steps.look(at(7262), began + Duration::from_secs(7262)), None);
    }
}
