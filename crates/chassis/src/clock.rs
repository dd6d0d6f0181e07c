//! The clocks that decisions are made by. With the feature `fail-points`, which only tests enable, time can be skipped, and the
//! time of day be wrong by the seconds in the file that `SUPERCARGO_TEST_CLOCK` names.
//!
//! - [`now`] is the time of day. It may jump, as that of any machine.
//! - [`instant`] measures how long something takes, and never jumps with the time of day.

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
