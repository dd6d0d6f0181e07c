//! When keys are made, and which one signs: pure.

use jiff::{SignedDuration, Timestamp};

/// For so long a key signs.
const SIGNS_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// So long before it signs a key is published.
const PUBLISHED_BEFORE: SignedDuration = SignedDuration::from_hours(24);
/// For so long a key is believed after it has signed its last token, which lasts a quarter of it.
const VERIFIES_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The time of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// From when it signs.
    pub(crate) signs_from: Timestamp,
    /// From when it does so no more.
    pub(crate) signs_until: Timestamp,
    /// From when it is believed no more.
    pub(crate) verifies_until: Timestamp,
}

impl Span {
    fn beginning(signs_from: Timestamp) -> Self {
        let signs_until = later(signs_from, SIGNS_FOR);
        Self { signs_from, signs_until, verifies_until: later(signs_until, VERIFIES_AFTER) }
    }

    pub(crate) fn signs_at(&self, now: Timestamp) -> bool {
        self.signs_from <= now && now < self.signs_until
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The time of the key that has to be made now, if any: one signs at every moment from now until tomorrow. Keys may leave a gap
/// where a clock was wrong when one was made.
pub(crate) fn missing(keys: &[Span], now: Timestamp) -> Option<Span> {
    let mut signed_until = now;
    while let Some(further) =
        keys.iter().filter(|key| key.signs_at(signed_until)).map(|key| key.signs_until).max()
    {
        signed_until = further;
    }
    (signed_until <= later(now, PUBLISHED_BEFORE)).then(|| Span::beginning(signed_until))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn hours(hours: i64) -> Timestamp {
        NOW + SignedDuration::from_hours(hours)
    }

    #[test]
    fn the_first_key_signs_at_once_for_thirty_days_and_is_believed_an_hour_longer() {
        let first = missing(&[], NOW).unwrap();
        assert_eq!((first.signs_from, first.signs_until), (NOW, hours(720)));
        assert_eq!(first.verifies_until, hours(721));
        assert_eq!(missing(&[first], NOW), None);
        assert!(first.signs_at(NOW) && !first.signs_at(first.signs_until));
    }

    #[test]
    fn the_next_key_is_made_a_day_before_it_signs_and_only_once() {
        let first = missing(&[], NOW).unwrap();
        assert_eq!(missing(&[first], hours(695)), None);
        let second = missing(&[first], hours(696)).unwrap();
        assert_eq!(second.signs_from, first.signs_until, "no moment without a key, none with two");
        assert_eq!(missing(&[first, second], hours(696)), None);
        assert_eq!(missing(&[second, first], hours(720)), None, "in any order");
        assert!(missing(&[first, second], hours(2 * 720 - 24)).is_some());
    }

    #[test]
    fn after_a_long_time_without_anybody_a_key_signs_at_once() {
        let first = missing(&[], NOW).unwrap();
        assert_eq!(missing(&[first], hours(720)).map(|key| key.signs_from), Some(hours(720)));
        assert_eq!(missing(&[first], hours(5000)).map(|key| key.signs_from), Some(hours(5000)));
    }

    #[test]
    fn a_gap_that_a_wrong_clock_has_left_is_filled() {
        let first = missing(&[], NOW).unwrap();
        let ahead = missing(&[], hours(800)).unwrap();
        assert_eq!(missing(&[first, ahead], hours(10)), None, "the gap is far");
        let filling = missing(&[first, ahead], hours(700)).unwrap();
        assert_eq!(filling.signs_from, first.signs_until);
        assert_eq!(missing(&[ahead], NOW).map(|key| key.signs_from), Some(NOW), "a clock that was put back");
    }
}
