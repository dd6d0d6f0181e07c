//! Reservations: tables `reservations` and `reservation_lines`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chassis::{HandleError, Transaction, from_database, to_database};
use jiff::Timestamp;
use resources::{ReservationDesired, ReservationPhase, Shortage};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use crate::expiry::ExpiredHold;
use crate::ledger::Goods;
use crate::record::Reservation;
use crate::reservation::{Child, State};

/// Makes the row of an order unless it is there. A restore may have put the order under another name.
///
/// # Errors
/// When the database fails.
pub async fn ensure_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    namespace: &str,
    name: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO reservations (order_id, namespace, name, phase) VALUES ($1, $2, $3, 'Pending')
         ON CONFLICT (order_id) DO UPDATE SET namespace = excluded.namespace, name = excluded.name
         WHERE (reservations.namespace, reservations.name) <> (excluded.namespace, excluded.name)",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The reservation of an order, locked until the transaction ends; `None` when nothing is known.
///
/// # Errors
/// When the database fails, or holds what was never written.
pub async fn lock_one_in_tx(
    tx: &mut Transaction,
    order_id: &str,
) -> Result<Option<Reservation>, HandleError> {
    Ok(lock_in_tx(tx, &BTreeSet::from([order_id.to_owned()])).await?.pop())
}

/// The reservations of several orders, locked in the order of their ids until the transaction ends.
///
/// # Errors
/// As [`lock_one_in_tx`].
pub async fn lock_in_tx(
    tx: &mut Transaction,
    order_ids: &BTreeSet<String>,
) -> Result<Vec<Reservation>, HandleError> {
    let ids: Vec<&str> = order_ids.iter().map(String::as_str).collect();
    let rows = sqlx::query(
        "SELECT order_id, namespace, name, phase, desired, revision, child_uid, generation, expires_at, shortages
         FROM reservations WHERE order_id = ANY($1) ORDER BY order_id COLLATE \"C\" FOR UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    // After the lock, so that they are those of the rows above.
    let lines = sqlx::query("SELECT order_id, sku, quantity FROM reservation_lines WHERE order_id = ANY($1)")
        .bind(&ids)
        .fetch_all(&mut **tx)
        .await?;
    let mut goods: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for line in &lines {
        goods
            .entry(line.try_get("order_id")?)
            .or_default()
            .push((line.try_get("sku")?, line.try_get("quantity")?));
    }
    rows.iter().map(|row| reservation(row, &goods)).collect()
}

fn reservation(row: &PgRow, goods: &BTreeMap<&str, Vec<(&str, i64)>>) -> Result<Reservation, HandleError> {
    let order_id: String = row.try_get("order_id")?;
    let lines = goods.get(order_id.as_str()).cloned().unwrap_or_default();
    let goods = Goods::sum(lines).context("the lines of a reservation are beyond counting")?;
    let expires_at: Option<time::OffsetDateTime> = row.try_get("expires_at")?;
    let Json(shortages): Json<Vec<Shortage>> = row.try_get("shortages")?;
    let state = match phase_of(row.try_get("phase")?)? {
        ReservationPhase::Pending => State::Unknown,
        ReservationPhase::Held => State::Held { goods, expires_at: expires_at.map(from_database) },
        ReservationPhase::Insufficient => State::Insufficient { goods, shortages },
        ReservationPhase::Committed => State::Committed { goods },
        ReservationPhase::Released => State::Released { goods },
        ReservationPhase::Expired => State::Expired { goods },
    };
    let uid: Option<String> = row.try_get("child_uid")?;
    let generation: Option<i64> = row.try_get("generation")?;
    Ok(Reservation {
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        child: uid.zip(generation).map(|(uid, generation)| Child { uid, generation }),
        desired: row.try_get::<Option<&str>, _>("desired")?.map(desired).transpose()?,
        revision: row.try_get("revision")?,
        order_id,
        state,
    })
}

/// The phase of that text in the table.
///
/// # Errors
/// When there is none.
pub(crate) fn phase_of(text: &str) -> anyhow::Result<ReservationPhase> {
    [
        ReservationPhase::Pending,
        ReservationPhase::Held,
        ReservationPhase::Insufficient,
        ReservationPhase::Committed,
        ReservationPhase::Released,
        ReservationPhase::Expired,
    ]
    .into_iter()
    .find(|phase| phase_text(*phase) == text)
    .with_context(|| format!("{text:?} in the table of reservations is no phase"))
}

/// As in the table, which is as in the resource.
#[must_use]
pub const fn phase_text(phase: ReservationPhase) -> &'static str {
    match phase {
        ReservationPhase::Pending => "Pending",
        ReservationPhase::Held => "Held",
        ReservationPhase::Insufficient => "Insufficient",
        ReservationPhase::Committed => "Committed",
        ReservationPhase::Released => "Released",
        ReservationPhase::Expired => "Expired",
    }
}

fn desired(text: &str) -> Result<ReservationDesired, HandleError> {
    [ReservationDesired::Held, ReservationDesired::Committed, ReservationDesired::Released]
        .into_iter()
        .find(|desired| desired_text(*desired) == text)
        .with_context(|| format!("{text:?} in the table of reservations is no wish"))
        .map_err(HandleError::from)
}

/// As in the table, which is as in the resource.
#[must_use]
pub const fn desired_text(desired: ReservationDesired) -> &'static str {
    match desired {
        ReservationDesired::Held => "Held",
        ReservationDesired::Committed => "Committed",
        ReservationDesired::Released => "Released",
    }
}

/// Writes what is other in `after` than in `before`.
///
/// # Errors
/// When the database fails.
pub async fn save_in_tx(
    tx: &mut Transaction,
    before: &Reservation,
    after: &Reservation,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if before == after {
        return Ok(());
    }
    let Reservation { order_id, namespace, name, child, desired, revision, state } = after;
    sqlx::query(
        "UPDATE reservations SET namespace = $2, name = $3, phase = $4, desired = $5, revision = $6, child_uid = $7,
             generation = $8, expires_at = $9, shortages = $10, updated_at = $11
         WHERE order_id = $1",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .bind(phase_text(state.phase()))
    .bind(desired.map(desired_text))
    .bind(revision)
    .bind(child.as_ref().map(|child| &child.uid))
    .bind(child.as_ref().map(|child| child.generation))
    .bind(state.expires_at().map(to_database))
    .bind(Json(state.shortages()))
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    let goods = state.goods();
    if before.state.goods() == goods {
        return Ok(());
    }
    sqlx::query("DELETE FROM reservation_lines WHERE order_id = $1")
        .bind(order_id)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO reservation_lines (order_id, sku, quantity)
         SELECT $1, line.* FROM unnest($2::text[], $3::bigint[]) AS line",
    )
    .bind(order_id)
    .bind(goods.skus().collect::<Vec<_>>())
    .bind(goods.iter().map(|(_, quantity)| quantity).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The holds on any of `skus` whose time has passed, oldest first, but for those of `except`. Nothing is locked.
///
/// # Errors
/// When the database fails.
pub async fn expired_in_tx(
    tx: &mut Transaction,
    skus: &[&str],
    except: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<ExpiredHold>, HandleError> {
    let rows = sqlx::query(
        "SELECT order_id, array_agg(sku) AS skus, array_agg(quantity) AS quantities
         FROM reservations JOIN reservation_lines USING (order_id)
         WHERE phase = 'Held' AND expires_at <= $3 AND order_id <> ALL($2) AND sku = ANY($1)
         GROUP BY order_id, expires_at ORDER BY expires_at, order_id",
    )
    .bind(skus)
    .bind(except.iter().map(String::as_str).collect::<Vec<_>>())
    .bind(to_database(now))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let (skus, quantities): (Vec<String>, Vec<i64>) =
                (row.try_get("skus")?, row.try_get("quantities")?);
            let goods = Goods::sum(skus.iter().map(String::as_str).zip(quantities))
                .context("the lines of a hold are beyond counting")?;
            Ok(ExpiredHold { order_id: row.try_get("order_id")?, goods })
        })
        .collect()
}
