//! Times between `jiff`, which everything here speaks, and the database driver.

use jiff::Timestamp;
use time::OffsetDateTime;

/// For a bind parameter of type `timestamptz`.
#[must_use]
pub fn to_database(timestamp: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(timestamp.as_nanosecond()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// From a column of type `timestamptz`.
#[must_use]
pub fn from_database(time: OffsetDateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}
