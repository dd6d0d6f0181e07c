//! Pictures and their smaller sizes.

use chassis::Transaction;
use sqlx::postgres::PgPool;
use sqlx::{Error, Row};

use crate::images::Kind;
use crate::images::widths::{MOST_OTHERS, ladder};

/// What a picture is, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The picture of that id.
pub(crate) async fn meta(pool: &PgPool, id: &str) -> Result<Option<Meta>, Error> {
    let row = sqlx::query("SELECT kind, width, height FROM images WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let side = |column| row.try_get::<i32, _>(column).map(i32::unsigned_abs);
    let kind = if row.try_get::<&str, _>("kind")? == Kind::Png.as_str() { Kind::Png } else { Kind::Jpeg };
    Ok(Some(Meta { kind, width: side("width")?, height: side("height")? }))
}

/// Its bytes.
pub(crate) async fn bytes(pool: &PgPool, id: &str) -> Result<Option<Vec<u8>>, Error> {
    sqlx::query_scalar("SELECT bytes FROM images WHERE id = $1").bind(id).fetch_optional(pool).await
}

/// True when a smaller size was made.
pub(crate) async fn has_width(pool: &PgPool, id: &str, width: u32) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM image_widths WHERE id = $1 AND width = $2)")
        .bind(id)
        .bind(i64::from(width))
        .fetch_one(pool)
        .await
}

/// The bytes of a smaller size, where it was made.
pub(crate) async fn bytes_of_width(pool: &PgPool, id: &str, width: u32) -> Result<Option<Vec<u8>>, Error> {
    sqlx::query_scalar("SELECT bytes FROM image_widths WHERE id = $1 AND width = $2")
        .bind(id)
        .bind(i64::from(width))
        .fetch_optional(pool)
        .await
}

/// The widths of a picture that are not on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Others {
    /// How many there are.
    pub(crate) count: i64,
    /// True when the one that is asked about is there.
    pub(crate) has_it: bool,
}

/// What was made of a picture besides the ladder.
pub(crate) async fn others(pool: &PgPool, id: &str, width: u32) -> Result<Others, Error> {
    let row = sqlx::query(
        "SELECT count(*) AS count, coalesce(bool_or(width = $3), false) AS has_it
         FROM image_widths WHERE id = $1 AND width <> ALL($2)",
    )
    .bind(id)
    .bind(ladder())
    .bind(i64::from(width))
    .fetch_one(pool)
    .await?;
    Ok(Others { count: row.try_get("count")?, has_it: row.try_get("has_it")? })
}

/// Keeps a smaller size. One that is not on the ladder is not kept where there are enough of them: then others took the
/// last place meanwhile, and it is not asked for again.
pub(crate) async fn keep_width_in_tx(
    transaction: &mut Transaction,
    id: &str,
    width: u32,
    bytes: &[u8],
) -> Result<(), Error> {
    // One after the other, or two would both take the last place.
    sqlx::query("SELECT id FROM images WHERE id = $1 FOR UPDATE")
        .bind(id)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "INSERT INTO image_widths (id, width, bytes) SELECT $1, $2::bigint::integer, $3
         WHERE $2 = ANY($4)
            OR (SELECT count(*) FROM image_widths WHERE id = $1 AND width <> ALL($4)) < $5
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(i64::from(width))
    .bind(bytes)
    .bind(ladder())
    .bind(MOST_OTHERS)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Keeps a picture, unless it is there.
pub(crate) async fn keep_in_tx(
    transaction: &mut Transaction,
    id: &str,
    meta: Meta,
    bytes: &[u8],
    uploaded_by: &str,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO images (id, kind, width, height, bytes, uploaded_by)
         VALUES ($1, $2, $3::bigint::integer, $4::bigint::integer, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(meta.kind.as_str())
    .bind(i64::from(meta.width))
    .bind(i64::from(meta.height))
    .bind(bytes)
    .bind(uploaded_by)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// How many pictures a user has brought.
pub(crate) async fn count_of_user_in_tx(transaction: &mut Transaction, user: &str) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM images WHERE uploaded_by = $1")
        .bind(user)
        .fetch_one(&mut **transaction)
        .await
}

/// Those of `ids` that are pictures.
pub(crate) async fn known_in_tx(transaction: &mut Transaction, ids: &[&str]) -> Result<Vec<String>, Error> {
    sqlx::query_scalar("SELECT id FROM images WHERE id = ANY($1)")
        .bind(ids)
        .fetch_all(&mut **transaction)
        .await
}
