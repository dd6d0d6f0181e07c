//! How often a password may be guessed, on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use accounts::{Entrance, LogIn, Origin, Register, Ticket};
use chassis::clock;
use jiff::{SignedDuration, Timestamp};
use rest::IdempotencyKey;
use support::Database;

const EMAIL: &str = "shopper@example.com";
const PASSWORD: &str = "correct horse";

struct World {
    database: Database,
    entrance: Entrance,
    now: Timestamp,
    /// Of the browser that signed up.
    ticket: Ticket,
}

impl World {
    async fn make() -> Self {
        let (database, now) = (Database::make().await, clock::now());
        let entrance = Entrance::open(database.store.clone(), now).await.unwrap();
        let wish = Register { email: EMAIL.into(), password: PASSWORD.into(), name: "A. Shopper".into() };
        let entered = entrance.register(wish, &IdempotencyKey(None), now).await.unwrap();
        Self { database, entrance, now, ticket: entered.ticket.unwrap() }
    }

    /// The status that a log-in has so many minutes later; 200 when they are in.
    async fn log_in(&self, email: &str, password: &str, origin: Origin<'_>, minutes: i64) -> u16 {
        let asked = LogIn { email: email.into(), password: password.into() };
        let at = self.now + SignedDuration::from_mins(minutes);
        let entered = self.entrance.log_in(asked, origin, at).await;
        entered.map_or_else(|problem| problem.status().as_u16(), |_| 200)
    }
}

const fn from(address: &str) -> Origin<'_> {
    Origin { address: Some(address), ticket: None }
}

#[tokio::test]
async fn who_guesses_from_one_address_is_stopped_and_others_come_in() {
    let world = World::make().await;
    for email in [EMAIL, "nobody@example.com"] {
        let guesses = (0..12).map(|_| world.log_in(email, "wrong", from("6.6.6.6"), 0));
        let mut statuses = futures::future::join_all(guesses).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [[401; 10].as_slice(), &[429, 429]].concat(), "{email}, also all at once");
    }
    assert_eq!(world.log_in(EMAIL, PASSWORD, from("6.6.6.6"), 14).await, 429, "also with the right one");
    assert_eq!(world.log_in(EMAIL, PASSWORD, from("203.0.113.7"), 0).await, 200, "from elsewhere");
    assert_eq!(world.log_in(EMAIL, PASSWORD, from("6.6.6.6"), 15).await, 200, "after a quarter of an hour");
    world.database.drop().await;
}

#[tokio::test]
async fn success_does_not_count() {
    let world = World::make().await;
    for _ in 0..12 {
        assert_eq!(world.log_in(EMAIL, PASSWORD, from("203.0.113.7"), 0).await, 200);
    }
    world.database.drop().await;
}

#[tokio::test]
async fn who_guesses_from_everywhere_is_stopped_and_a_browser_that_was_in_before_comes_in() {
    let world = World::make().await;
    assert_eq!(world.log_in(EMAIL, "wrong", from("6.6.6.1"), 0).await, 401);
    // As if it had been tried from many addresses, which would take its time.
    sqlx::query("UPDATE login_failures SET failures = 100")
        .execute(world.database.store.pool())
        .await
        .unwrap();
    assert_eq!(world.log_in(EMAIL, PASSWORD, from("6.6.6.2"), 0).await, 429);
    let known = Origin { address: Some("6.6.6.3"), ticket: Some(&world.ticket) };
    assert_eq!(world.log_in(EMAIL, PASSWORD, known, 0).await, 200);
    assert_eq!(world.log_in("nobody@example.com", PASSWORD, known, 0).await, 401, "a ticket of another");
    world.database.drop().await;
}
