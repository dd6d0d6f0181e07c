//! The table of carts.
//!
//! Who changes an open cart or its lines locks its row first; who locks several open carts does so in the order of their ids.

pub(crate) mod lines;
pub(crate) mod prices;

use chassis::{Transaction, from_database, to_database};
use events::questions::NewOrder;
use jiff::{SignedDuration, Timestamp};
use resources::OrderPhase;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;
use sqlx::types::time::OffsetDateTime;
use sqlx::{Error, Row};
use uuid::Uuid;

use crate::checkout::{Closed, Outcome, Placed};
use crate::line::Line;

/// What the ids of carts are made from, with whose they are and how many they had.
const IDS: Uuid = Uuid::from_u128(0x8f1b_4c6e_52d7_4a39_9be0_17c3_d86a_2f54);
/// How long after it was changed the catalog is first asked about a cart.
const VALIDATED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The open cart of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenCart {
    pub(crate) id: Uuid,
    /// When the shopper last changed it; absent while it only would be opened.
    pub(crate) changed_at: Option<Timestamp>,
}

/// The newest carts of a user.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    /// The open one.
    pub(crate) open: Option<OpenCart>,
    /// The one that was closed last.
    pub(crate) closed: Option<Closed>,
    /// The number of the next.
    next: i64,
}

impl Newest {
    /// The id that the next cart of `user` will have. It is known before there is one, and when carts are lost by a restore of the
    /// database those that are opened afterwards are others.
    pub(crate) fn next_id(&self, user: &str) -> Uuid {
        let before = self.closed.as_ref().map(|closed| closed.closed_at.as_microsecond()).unwrap_or_default();
        Uuid::new_v5(&IDS, format!("{user}/{}/{before}", self.next).as_bytes())
    }
}

/// The newest carts of a user.
pub(crate) async fn newest(connection: &mut PgConnection, user: &str) -> Result<Newest, Error> {
    let rows = sqlx::query(
        "SELECT id, number, state, changed_at, closed_at, request_hash, order_id, order_name, order_phase, refusal
         FROM carts WHERE user_id = $1 ORDER BY number DESC LIMIT 2",
    )
    .bind(user)
    .fetch_all(connection)
    .await?;
    let mut newest = Newest { open: None, closed: None, next: 1 };
    // Only the newest can be open.
    for row in rows.iter().rev() {
        newest.next = row.try_get::<i64, _>("number")? + 1;
        if row.try_get::<&str, _>("state")? == "open" {
            newest.open = Some(open_cart(row)?);
        } else {
            newest.closed = Some(closed_cart(row)?);
        }
    }
    Ok(newest)
}

fn open_cart(row: &PgRow) -> Result<OpenCart, Error> {
    Ok(OpenCart { id: row.try_get("id")?, changed_at: Some(time(row, "changed_at")?) })
}

fn closed_cart(row: &PgRow) -> Result<Closed, Error> {
    Ok(Closed {
        cart: row.try_get("id")?,
        closed_at: time(row, "closed_at")?,
        request_hash: row.try_get("request_hash")?,
        outcome: outcome(row)?,
    })
}

/// The table's constraints say that one of the two is there in those states alone.
fn outcome(row: &PgRow) -> Result<Outcome, Error> {
    if let Some(id) = row.try_get("order_id")? {
        let phase: Option<String> = row.try_get("order_phase")?;
        let phase = phase.and_then(|text| serde_json::from_value::<OrderPhase>(Value::String(text)).ok());
        return Ok(Outcome::Placed(Placed { id, name: row.try_get("order_name")?, phase }));
    }
    Ok(row.try_get::<Option<String>, _>("refusal")?.map_or(Outcome::Pending, Outcome::Refused))
}

fn time(row: &PgRow, column: &str) -> Result<Timestamp, Error> {
    Ok(from_database(row.try_get::<OffsetDateTime, _>(column)?))
}

/// So long after `now`.
pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(now)
}

/// The open cart of a user, locked.
pub(crate) async fn lock_open_in_tx(
    transaction: &mut Transaction,
    user: &str,
) -> Result<Option<OpenCart>, Error> {
    sqlx::query("SELECT id, changed_at FROM carts WHERE user_id = $1 AND state = 'open' FOR UPDATE")
        .bind(user)
        .fetch_optional(&mut **transaction)
        .await?
        .as_ref()
        .map(open_cart)
        .transpose()
}

/// The open cart of a user, locked; opened now when there is none.
pub(crate) async fn open_in_tx(
    transaction: &mut Transaction,
    user: &str,
    email: &str,
    now: Timestamp,
) -> Result<OpenCart, Error> {
    loop {
        if let Some(open) = lock_open_in_tx(transaction, user).await? {
            return Ok(open);
        }
        let newest = newest(&mut *transaction, user).await?;
        // Another request may open the cart, and close it again, before this one sees it.
        sqlx::query(
            "INSERT INTO carts (id, user_id, number, email, state, opened_at, changed_at, validate_at)
             VALUES ($1, $2, $3, $4, 'open', $5, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(newest.next_id(user))
        .bind(user)
        .bind(newest.next)
        .bind(email)
        .bind(to_database(now))
        .bind(to_database(later(now, VALIDATED_AFTER)))
        .execute(&mut **transaction)
        .await?;
    }
}

/// Notes that the shopper changed the cart.
pub(crate) async fn touch_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE carts SET changed_at = $2, validate_at = COALESCE(validate_at, $3) WHERE id = $1")
        .bind(cart)
        .bind(to_database(now))
        .bind(to_database(later(now, VALIDATED_AFTER)))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The cart of a user that was closed under that key.
pub(crate) async fn by_key_in_tx(
    transaction: &mut Transaction,
    user: &str,
    key: &str,
) -> Result<Option<Closed>, Error> {
    sqlx::query(
        "SELECT id, closed_at, request_hash, order_id, order_name, order_phase, refusal
         FROM carts WHERE user_id = $1 AND request_key = $2",
    )
    .bind(user)
    .bind(key)
    .fetch_optional(&mut **transaction)
    .await?
    .as_ref()
    .map(closed_cart)
    .transpose()
}

/// How many carts of a user wait to be placed.
pub(crate) async fn pending_in_tx(transaction: &mut Transaction, user: &str) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM carts WHERE user_id = $1 AND state = 'checking_out'")
        .bind(user)
        .fetch_one(&mut **transaction)
        .await
}

/// What is stored when a cart is closed.
pub(crate) struct Closing<'a> {
    pub(crate) cart: Uuid,
    pub(crate) user: &'a str,
    pub(crate) email: &'a str,
    pub(crate) order: &'a NewOrder,
    pub(crate) hash: &'a [u8],
    pub(crate) key: Option<&'a str>,
    pub(crate) lines: &'a [Line],
}

/// Closes the open cart, which is locked; its lines move into its row. A key that is old enough to be used again is taken from the
/// cart that had it.
pub(crate) async fn close_in_tx(
    transaction: &mut Transaction,
    closing: &Closing<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let Closing { cart, user, email, order, hash, key, lines } = closing;
    sqlx::query("UPDATE carts SET request_key = NULL WHERE user_id = $1 AND request_key = $2")
        .bind(user)
        .bind(key)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "UPDATE carts SET state = 'checking_out', email = $2, closed_at = $3, request = $4, request_hash = $5,
             request_key = $6, lines = $7, validate_at = NULL WHERE id = $1",
    )
    .bind(cart)
    .bind(email)
    .bind(to_database(now))
    .bind(Json(order))
    .bind(hash)
    .bind(key)
    .bind(Json(lines))
    .execute(&mut **transaction)
    .await?;
    lines::clear_in_tx(transaction, *cart).await
}

/// A closed cart, with all that its checkout needs.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    pub(crate) user: String,
    pub(crate) email: String,
    pub(crate) order: NewOrder,
    pub(crate) lines: Vec<Line>,
    pub(crate) closed: Closed,
}

const CHECKOUT: &str =
    "SELECT id, user_id, email, closed_at, request, request_hash, lines, order_id, order_name,
                            order_phase, refusal
                        FROM carts WHERE id = $1 AND state <> 'open'";

fn checkout_of(row: &PgRow) -> Result<Checkout, Error> {
    let (Json(order), Json(lines)) = (row.try_get("request")?, row.try_get("lines")?);
    Ok(Checkout {
        user: row.try_get("user_id")?,
        email: row.try_get("email")?,
        order,
        lines,
        closed: closed_cart(row)?,
    })
}

/// The checkout of a cart; none when it is open, or no cart.
pub(crate) async fn checkout(connection: &mut PgConnection, cart: Uuid) -> Result<Option<Checkout>, Error> {
    sqlx::query(CHECKOUT).bind(cart).fetch_optional(connection).await?.as_ref().map(checkout_of).transpose()
}

/// As [`checkout`], locked.
pub(crate) async fn lock_checkout_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
) -> Result<Option<Checkout>, Error> {
    sqlx::query("SELECT id FROM carts WHERE id = $1 FOR UPDATE")
        .bind(cart)
        .fetch_optional(&mut **transaction)
        .await?;
    checkout(&mut *transaction, cart).await
}

/// Notes the order that a cart became.
pub(crate) async fn order_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    placed: &Placed,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE carts SET state = 'ordered', order_id = $2, order_name = $3, order_phase = $4, refusal = NULL
         WHERE id = $1",
    )
    .bind(cart)
    .bind(&placed.id)
    .bind(&placed.name)
    .bind(placed.phase.map(OrderPhase::as_str))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Notes that a cart cannot become an order.
pub(crate) async fn refuse_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    refusal: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE carts SET state = 'refused', refusal = $2 WHERE id = $1")
        .bind(cart)
        .bind(refusal)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// When carts are validated in the background.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// Carts that the shopper has not changed since then are left alone.
    pub(crate) changed_since: Timestamp,
    /// When a cart that is taken now is due again if whoever took it does not come back.
    pub(crate) lease_until: Timestamp,
    /// How many are taken.
    pub(crate) limit: i64,
}

/// Takes open carts that are due at `now`; answers those to validate, and how many were taken.
pub(crate) async fn take_due(
    connection: &mut PgConnection,
    rounds: Rounds,
    now: Timestamp,
) -> Result<(Vec<Uuid>, i64), Error> {
    let rows = sqlx::query(
        "UPDATE carts SET validate_at = CASE WHEN changed_at < $2 THEN NULL ELSE $3 END
         WHERE id = ANY(ARRAY(SELECT id FROM carts WHERE state = 'open' AND validate_at <= $1
                              ORDER BY validate_at LIMIT $4 FOR UPDATE SKIP LOCKED))
         RETURNING id, validate_at IS NOT NULL AS due",
    )
    .bind(to_database(now))
    .bind(to_database(rounds.changed_since))
    .bind(to_database(rounds.lease_until))
    .bind(rounds.limit)
    .fetch_all(connection)
    .await?;
    let mut due = Vec::new();
    for row in &rows {
        if row.try_get("due")? {
            due.push(row.try_get("id")?);
        }
    }
    Ok((due, i64::try_from(rows.len()).unwrap_or(i64::MAX)))
}

/// Locks those of `carts` that are still open, and answers them.
pub(crate) async fn lock_many_in_tx(
    transaction: &mut Transaction,
    carts: &[Uuid],
) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar("SELECT id FROM carts WHERE id = ANY($1) AND state = 'open' ORDER BY id FOR UPDATE")
        .bind(carts)
        .fetch_all(&mut **transaction)
        .await
}

/// Notes when open carts are validated again.
pub(crate) async fn validate_again_in_tx(
    transaction: &mut Transaction,
    carts: &[Uuid],
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE carts SET validate_at = $2 WHERE id = ANY($1)")
        .bind(carts)
        .bind(to_database(at))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
