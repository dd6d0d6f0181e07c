//! `Idempotency-Key`: a request that is sent again gets its first answer.
//!
//! The key is the caller's own, kept for a day, and committed together with what the request did. While the first request is
//! under way a second one waits for it. A refused request keeps nothing: it may be sent again under its key.
//!
//! What another service is asked for is asked without a connection to the database, which others need meanwhile: the key is
//! claimed before, for as long as that may take, and the answer kept after. Where the answer is not known (a crash, no answer in
//! time) the next request under the key asks again, so that what is asked has to be safe to repeat.

use std::time::Duration;

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
use uuid::Uuid;

use crate::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST: usize = 255;
/// How long a key is claimed by who asks another service. Whoever takes the claim over after that finds nobody asking still.
const CLAIMED_FOR: Duration = Duration::from_secs(10);
/// How long the asking may take.
const ASKED_WITHIN: Duration = Duration::from_secs(8);
/// How long a request waits for the first one under its key, and how often it looks.
const WAITS_FOR: Duration = Duration::from_secs(12);
const LOOKS_EVERY: Duration = Duration::from_millis(100);

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

/// What a request came to in its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// All is done, and this is the answer.
    Done(A),
    /// Another service is to be asked.
    Ask,
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
    let keyed = Keyed::of(caller, key, request);
    let mut transaction = match begin(store, keyed.as_ref()).await? {
        Begun::Earlier(stored) => return Ok(stored),
        Begun::Mine { transaction, resumed: _ } => transaction,
    };
    let answer = work(&mut transaction).await?;
    finish(transaction, keyed.as_ref(), status, &answer).await
}

/// As [`once`], for what may need another service: `decide` works in the transaction, and where it says so `ask` follows,
/// without a connection. Of two requests under one key one asks; the other waits for its answer. `ask` may be called again for a
/// key whose first answer was lost: then `decide` is not, and `ask` has to come to the same.
///
/// # Errors
/// As [`once`]; 503 also when the first request under the key is still under way.
pub async fn once_asking<Q, A, D, W, F>(
    store: &Store,
    caller: &str,
    key: &IdempotencyKey,
    request: &Q,
    status: StatusCode,
    decide: D,
    ask: W,
) -> Result<Stored, Problem>
where
    Q: Serialize,
    A: Serialize,
    D: for<'a> FnOnce(&'a mut Transaction) -> BoxFuture<'a, Result<Step<A>, Problem>>,
    W: FnOnce() -> F,
    F: Future<Output = Result<A, Problem>>,
{
    let keyed = Keyed::of(caller, key, request);
    let (mut transaction, resumed) = match begin(store, keyed.as_ref()).await? {
        Begun::Earlier(stored) => return Ok(stored),
        Begun::Mine { transaction, resumed } => (transaction, resumed),
    };
    if !resumed && let Step::Done(answer) = decide(&mut transaction).await? {
        return finish(transaction, keyed.as_ref(), status, &answer).await;
    }
    let claim = Uuid::new_v4();
    if let Some(keyed) = &keyed {
        keyed.claim(&mut transaction, claim).await?;
    }
    transaction.commit().await?;
    let answer = tokio::time::timeout(ASKED_WITHIN, ask()).await.unwrap_or_else(|_| {
        Err(Problem::unavailable("a service does not answer: send the same request again in a moment"))
    });
    let Some(keyed) = keyed else {
        return Ok(Stored { status, body: written(&answer?)?, replayed: false });
    };
    match answer {
        Ok(answer) => {
            let body = written(&answer)?;
            keyed.answer(store, claim, status, &body).await?;
            Ok(Stored { status, body, replayed: false })
        }
        Err(problem) => {
            // It may have been done: the next request under the key asks again, and does not decide anew.
            let kept = problem.status().is_server_error();
            if let Err(error) = keyed.let_go(store, claim, kept).await {
                tracing::warn!("an Idempotency-Key stays claimed for some seconds: {error}");
            }
            Err(problem)
        }
    }
}

fn written(answer: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// How a request begins.
enum Begun {
    /// It was answered before.
    Earlier(Stored),
    /// It has its key; resumed when an earlier one was to ask and its answer is not known.
    Mine { transaction: Transaction, resumed: bool },
}

/// Takes the key; waits, without a connection, while another request asks under it.
async fn begin(store: &Store, keyed: Option<&Keyed<'_>>) -> Result<Begun, Problem> {
    let give_up = tokio::time::Instant::now() + WAITS_FOR;
    loop {
        let mut transaction = store.begin().await?;
        let Some(keyed) = keyed else { return Ok(Begun::Mine { transaction, resumed: false }) };
        match keyed.take(&mut transaction).await? {
            Taken::New => return Ok(Begun::Mine { transaction, resumed: false }),
            Taken::Resumed => return Ok(Begun::Mine { transaction, resumed: true }),
            Taken::Answered(stored) => return Ok(Begun::Earlier(stored)),
            Taken::OtherRequest => {
                return Err(Problem::invalid(
                    "this Idempotency-Key was used for another request: take a new key for a new request",
                ));
            }
            Taken::UnderWay => {}
        }
        drop(transaction);
        if tokio::time::Instant::now() >= give_up {
            return Err(Problem::unavailable(
                "the first request under this Idempotency-Key is under way: send this one again in a moment",
            ));
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}

/// Keeps the answer in the transaction, and commits.
async fn finish(
    mut transaction: Transaction,
    keyed: Option<&Keyed<'_>>,
    status: StatusCode,
    answer: &impl Serialize,
) -> Result<Stored, Problem> {
    let body = written(answer)?;
    if let Some(Keyed { caller, key, .. }) = keyed {
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

/// A request with a key.
struct Keyed<'a> {
    caller: &'a str,
    key: &'a str,
    hash: Vec<u8>,
}

/// What a key stands for.
enum Taken {
    /// This request, the first.
    New,
    /// An earlier one that was to ask another service, and whose answer is not known.
    Resumed,
    /// An earlier one that asks now.
    UnderWay,
    /// An earlier one, with its answer.
    Answered(Stored),
    /// Something else.
    OtherRequest,
}

impl<'a> Keyed<'a> {
    fn of(caller: &'a str, key: &'a IdempotencyKey, request: &impl Serialize) -> Option<Self> {
        let key = key.0.as_deref()?;
        let hash = Sha256::digest(serde_json::to_vec(request).unwrap_or_default()).to_vec();
        Some(Self { caller, key, hash })
    }

    /// Takes the key, where it is free; waits while another transaction has it.
    async fn take(&self, transaction: &mut Transaction) -> Result<Taken, sqlx::Error> {
        let Self { caller, key, hash } = self;
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
            return Ok(Taken::New);
        }
        let row = sqlx::query(
            "SELECT request, status, body, coalesce(claimed_until > clock_timestamp(), false) AS under_way
             FROM idempotency WHERE caller = $1 AND key = $2 FOR UPDATE",
        )
        .bind(caller)
        .bind(key)
        .fetch_optional(&mut **transaction)
        .await?;
        // Refused in this moment: the key is free again.
        let Some(row) = row else { return Ok(Taken::UnderWay) };
        if row.try_get::<Vec<u8>, _>("request")? != *hash {
            return Ok(Taken::OtherRequest);
        }
        let Some(status) = row.try_get::<Option<i32>, _>("status")? else {
            return Ok(if row.try_get("under_way")? { Taken::UnderWay } else { Taken::Resumed });
        };
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(Taken::Answered(Stored { status, body: row.try_get("body")?, replayed: true }))
    }

    /// Nobody else is to ask for a while.
    async fn claim(&self, transaction: &mut Transaction, claim: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE idempotency
             SET claim = $3, claimed_until = clock_timestamp() + make_interval(secs => $4::integer)
             WHERE caller = $1 AND key = $2",
        )
        .bind(self.caller)
        .bind(self.key)
        .bind(claim)
        .bind(i64::try_from(CLAIMED_FOR.as_secs()).unwrap_or(i64::MAX))
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Keeps the answer of who asked; another who asked after the claim was over has the same.
    async fn answer(
        &self,
        store: &Store,
        claim: Uuid,
        status: StatusCode,
        body: &Value,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE idempotency SET status = $4, body = $5, claimed_until = NULL
             WHERE caller = $1 AND key = $2 AND claim = $3",
        )
        .bind(self.caller)
        .bind(self.key)
        .bind(claim)
        .bind(i32::from(status.as_u16()))
        .bind(body)
        .execute(store.pool())
        .await?;
        Ok(())
    }

    /// Ends the claim of who asked; the key itself is kept where the asking may have done something.
    async fn let_go(&self, store: &Store, claim: Uuid, kept: bool) -> Result<(), sqlx::Error> {
        let statement = if kept {
            "UPDATE idempotency SET claimed_until = NULL WHERE caller = $1 AND key = $2 AND claim = $3"
        } else {
            "DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND claim = $3"
        };
        sqlx::query(statement).bind(self.caller).bind(self.key).bind(claim).execute(store.pool()).await?;
        Ok(())
    }
}
