//! `Idempotency-Key`: a request that is sent again gets its first answer.
//!
//! The key is the caller's own, kept for a day, and committed together with what the request did. While the first request is
//! under way a second one waits for it. A refused request keeps nothing: it may be sent again under its key.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chassis::{Store, Transaction};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST: usize = 255;

/// The key of a request, where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = given.to_str().unwrap_or_default();
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(Self(Some(text.to_owned())));
        }
        Err(Problem::unreadable(format!(
            "Idempotency-Key has to be 1 to {LONGEST} visible ASCII characters without blanks, such as a UUID"
        )))
    }
}

/// An answer that may be given again.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Value,
    /// True when an earlier request made it.
    pub replayed: bool,
}

impl IntoResponse for Stored {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, kind)], self.body.to_string()).into_response();
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Does `work` once for the key of `caller`, in one transaction with its answer; without a key, simply does it. `request` is
/// what was asked for, to tell another request under the same key.
///
/// # Errors
/// What `work` refuses, of which nothing is kept; 422 when the key was used for another request; 503 when the database fails.
pub async fn once<Q, A, F>(
    store: &Store,
    caller: &str,
    key: &IdempotencyKey,
    request: &Q,
    status: StatusCode,
    work: F,
) -> Result<Stored, Problem>
where
    Q: Serialize,
    A: Serialize,
    F: for<'a> FnOnce(&'a mut Transaction) -> BoxFuture<'a, Result<A, Problem>>,
{
    let mut transaction = store.begin().await?;
    let hash = Sha256::digest(serde_json::to_vec(request).unwrap_or_default()).to_vec();
    if let IdempotencyKey(Some(key)) = key
        && let Some(earlier) = claim(&mut transaction, caller, key, &hash).await?
    {
        return earlier;
    }
    let answer = work(&mut transaction).await?;
    let body = serde_json::to_value(&answer)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if let IdempotencyKey(Some(key)) = key {
        sqlx::query("UPDATE idempotency SET status = $3, body = $4 WHERE caller = $1 AND key = $2")
            .bind(caller)
            .bind(key)
            .bind(i32::from(status.as_u16()))
            .bind(&body)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(Stored { status, body, replayed: false })
}

/// Takes the key, or answers what was answered under it; waits while another request has it.
async fn claim(
    transaction: &mut Transaction,
    caller: &str,
    key: &str,
    hash: &[u8],
) -> Result<Option<Result<Stored, Problem>>, sqlx::Error> {
    sqlx::query(
        "DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND created_at < now() - interval '24 hours'",
    )
    .bind(caller)
    .bind(key)
    .execute(&mut **transaction)
    .await?;
    let taken = sqlx::query(
        "INSERT INTO idempotency (caller, key, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(caller)
    .bind(key)
    .bind(hash)
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    if taken == 1 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT request, status, body FROM idempotency WHERE caller = $1 AND key = $2")
        .bind(caller)
        .bind(key)
        .fetch_one(&mut **transaction)
        .await?;
    let first: Vec<u8> = row.try_get("request")?;
    if first != hash {
        return Ok(Some(Err(Problem::invalid(
            "this Idempotency-Key was used for another request: take a new key for a new request",
        ))));
    }
    let status = u16::try_from(row.try_get::<i32, _>("status")?).unwrap_or(500);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(Some(Ok(Stored { status, body: row.try_get("body")?, replayed: true })))
}
