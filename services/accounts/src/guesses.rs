//! How often a password may be guessed: of one email, from wherever.
//!
//! # Guarantees
//! - What is counted does not depend on whether anybody has the email, so that nobody learns it.
//! - Only failures count, and they count for a quarter of an hour from the first: what is refused meanwhile does not prolong it.
//! - Nobody is locked out by one who guesses from elsewhere: each address has its own few guesses of an email, all addresses
//!   together have some more, and a browser that was in before is counted by itself.

use axum::http::{HeaderValue, StatusCode, header};
use chassis::{from_database, to_database};
use jiff::{SignedDuration, Timestamp};
use rest::Problem;
use sha2::{Digest, Sha256};
use sqlx::types::time::OffsetDateTime;
use sqlx::{Error, PgPool};

use crate::sessions::Ticket;

/// For how long failures count.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// How many guesses of an email there are from one address, or from one browser that was in before.
const MOST_FROM_ONE: i32 = 10;
/// How many there are from all addresses together.
const MOST_FROM_ALL: i32 = 100;
const SWEPT_AT_ONCE: i64 = 5000;

/// Where somebody comes from who logs in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// Their address, as the gateway saw it.
    pub address: Option<&'a str>,
    /// What their browser has of a session before.
    pub ticket: Option<&'a Ticket>,
}

/// Somebody whose failures are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    who: Vec<u8>,
    most: i32,
}

/// A guess that was counted as a failure before it was judged, so that many at once are not more than one after the other.
pub(crate) struct Guess(Vec<Counted>);

impl Guess {
    /// Counts a guess of the password of `email`; `known` is true when the browser's ticket is one of its account.
    ///
    /// # Errors
    /// 429 when there were too many; 503 when the database fails.
    pub(crate) async fn begin(
        pool: &PgPool,
        email: &str,
        origin: Origin<'_>,
        known: bool,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let mut guess = Self(Vec::new());
        for counted in counted(email, origin, known) {
            if !count(pool, &counted, now).await? {
                let wait = over_in(pool, &counted, now).await?;
                guess.was_none(pool).await;
                return Err(too_many(wait));
            }
            guess.0.push(counted);
        }
        Ok(guess)
    }

    /// It was no failure: the password was right, or nobody could say.
    pub(crate) async fn was_none(self, pool: &PgPool) {
        for Counted { who, .. } in self.0 {
            let taken_back = sqlx::query(
                "UPDATE login_failures SET failures = failures - 1 WHERE who = $1 AND failures > 0",
            )
            .bind(who)
            .execute(pool)
            .await;
            if let Err(error) = taken_back {
                tracing::warn!("a log-in that did not fail counts as a failure for a while: {error}");
            }
        }
    }
}

fn counted(email: &str, origin: Origin<'_>, known: bool) -> Vec<Counted> {
    if let Some(ticket) = origin.ticket.filter(|_| known) {
        return vec![Counted { who: hash(&["browser", &ticket.session]), most: MOST_FROM_ONE }];
    }
    vec![
        Counted { who: hash(&["address", email, origin.address.unwrap_or_default()]), most: MOST_FROM_ONE },
        Counted { who: hash(&["email", email]), most: MOST_FROM_ALL },
    ]
}

fn hash(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        // The length parts them: no other parts give the same bytes.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Counts one more; false when there are as many as there may be.
async fn count(pool: &PgPool, counted: &Counted, now: Timestamp) -> Result<bool, Error> {
    let taken = sqlx::query(
        "INSERT INTO login_failures AS known (who, since, failures) VALUES ($1, $2, 1)
         ON CONFLICT (who) DO UPDATE SET
             since = CASE WHEN known.since <= $3 THEN EXCLUDED.since ELSE known.since END,
             failures = CASE WHEN known.since <= $3 THEN 1 ELSE known.failures + 1 END
         WHERE known.since <= $3 OR known.failures < $4",
    )
    .bind(&counted.who)
    .bind(to_database(now))
    .bind(to_database(now - WINDOW))
    .bind(counted.most)
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() == 1)
}

async fn over_in(pool: &PgPool, counted: &Counted, now: Timestamp) -> Result<SignedDuration, Error> {
    let since: Option<OffsetDateTime> = sqlx::query_scalar("SELECT since FROM login_failures WHERE who = $1")
        .bind(&counted.who)
        .fetch_optional(pool)
        .await?;
    Ok(since.map_or(SignedDuration::ZERO, |since| (from_database(since) + WINDOW).duration_since(now)))
}

fn too_many(wait: SignedDuration) -> Problem {
    let seconds = wait.as_secs().clamp(1, WINDOW.as_secs());
    let minutes = (seconds + 59) / 60;
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!("logging in failed too often for this email address: try again in {minutes} minutes"),
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// Forgets what counts no more; true when there is more of it.
pub(crate) async fn sweep(pool: &PgPool, now: Timestamp) -> Result<bool, Error> {
    let gone = sqlx::query(
        "DELETE FROM login_failures WHERE who IN (SELECT who FROM login_failures WHERE since <= $1 LIMIT $2)",
    )
    .bind(to_database(now - WINDOW))
    .bind(SWEPT_AT_ONCE)
    .execute(pool)
    .await?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX) == SWEPT_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_counts_by_itself_and_a_known_browser_apart_from_all() {
        let ticket = Ticket::new();
        let here = Origin { address: Some("203.0.113.7"), ticket: Some(&ticket) };
        let there = Origin { address: Some("203.0.113.8"), ticket: None };
        let (one, other) = (counted("a@example.com", here, false), counted("a@example.com", there, false));
        assert_ne!(one[0], other[0]);
        assert_eq!(one[1], other[1]);
        assert_ne!(one[1], counted("b@example.com", here, false)[1]);
        let browser = counted("a@example.com", here, true);
        assert!(browser.len() == 1 && !one.contains(&browser[0]));
    }
}
