//! `/products/{sku}/stock`: stock that comes and goes by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::MethodFilter;
use chassis::questions::ask;
use chassis::{HandleError, Platform, Store, Transaction};
use events::questions::ReadArticles;
use jiff::Timestamp;
use rest::{Body, Gate, Holder, IdempotencyKey, Operation, Permission, Problem, Routes, Segments, Stored};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::movement::{movement, short_of};
use crate::room::make_room_in_tx;
use crate::store::levels::{self, Cause};
use crate::wish::is_sku;

/// How long the catalog may take to say whether there is an article.
const PATIENCE: Duration = Duration::from_secs(3);

/// The permission to move stock.
#[derive(Clone, Copy, Debug)]
pub struct StockWrite;

impl Permission for StockWrite {
    const NAME: &'static str = "stock:write";
}

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Counter {
    /// The ledger.
    pub(crate) store: Store,
    /// To ask the catalog.
    pub(crate) platform: Platform,
    /// Who asks.
    pub(crate) gate: Gate,
}

impl FromRef<Counter> for Gate {
    fn from_ref(counter: &Counter) -> Self {
        counter.gate.clone()
    }
}

/// Goods that come or go.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveStock {
    /// How many pieces: above zero they came in, below zero they are gone. Not zero.
    #[schemars(range(min = -1_000_000, max = 1_000_000), extend("not" = { "const": 0 }))]
    pub movement: i64,
    /// Why, for the ledger.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[^\u0000-\u001f\u007f]*\S[^\u0000-\u001f\u007f]*$")
    )]
    pub reason: String,
}

/// The level of an article.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ShownLevel {
    /// The article.
    pub sku: String,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces of them set aside for orders.
    pub reserved: i64,
    /// Pieces that can be sold.
    pub available: i64,
}

/// The routes.
#[must_use]
pub(crate) fn routes() -> Routes<Counter> {
    Routes::default().with(
        MethodFilter::PUT,
        "/products/{sku}/stock",
        Operation::new(
            "catalog",
            "moveStock",
            "Books stock in or out, with a reason. Each request moves once more: send a key.",
        )
        .needs_token(Some(StockWrite::NAME))
        .is_idempotent()
        .reads::<MoveStock>()
        .answers::<ShownLevel>(200, "The level after it.")
        .refuses(404, "There is no such article.")
        .refuses(409, "Fewer pieces can be had than are to go."),
        move_stock,
    )
}

async fn move_stock(
    keeper: Holder<StockWrite>,
    Segments(sku): Segments<String>,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    Body(wanted): Body<MoveStock>,
) -> Result<Stored, Problem> {
    let Counter { store, platform, gate: _ } = counter;
    let is_article =
        is_sku(&sku) && (is_known(&store, &sku).await? || is_in_catalog(&platform, &sku).await?);
    if !is_article {
        let shown: String = sku.chars().take(80).collect();
        return Err(Problem::absent(format!("there is no article {shown:?}")));
    }
    let request = ("moveStock", &sku, &wanted);
    let (moving, now) = (wanted.clone(), chassis::clock::now());
    let stored = rest::once(&store, keeper.caller.id(), &key, &request, StatusCode::OK, |transaction| {
        let sku = sku.clone();
        Box::pin(async move { move_in_tx(transaction, &sku, &moving, now).await })
    })
    .await?;
    let MoveStock { movement, reason } = wanted;
    tracing::info!(user = keeper.caller.id(), sku, movement, reason, "stock was moved by hand");
    Ok(stored)
}

async fn is_known(store: &Store, sku: &str) -> Result<bool, Problem> {
    let mut connection = store.pool().acquire().await?;
    let levels = levels::read(&mut connection, &BTreeSet::from([sku.to_owned()])).await?;
    Ok(!levels.0.is_empty())
}

/// An article that was made in the catalog has no level before its first pieces come.
async fn is_in_catalog(platform: &Platform, sku: &str) -> Result<bool, Problem> {
    let question = ReadArticles { skus: vec![sku.to_owned()] };
    Ok(!ask(&platform.nats, &question, PATIENCE).await?.articles.is_empty())
}

/// Writes a movement of an article that there is into the ledger, and answers the level after it.
///
/// # Errors
/// 409 when the level does not allow it, 503 when the database fails.
pub async fn move_in_tx(
    tx: &mut Transaction,
    sku: &str,
    wanted: &MoveStock,
    now: Timestamp,
) -> Result<ShownLevel, Problem> {
    let MoveStock { movement: pieces, reason } = wanted;
    let skus = BTreeSet::from([sku.to_owned()]);
    let new = levels::add_in_tx(tx, &skus).await?;
    let short = |_: &str, level: &crate::ledger::Level| short_of(*pieces, level);
    let mut levels = make_room_in_tx(tx, None, &skus, short, now).await.map_err(failed)?;
    let before = levels.0.get(sku).copied().unwrap_or_default();
    let row = movement(sku, *pieces, &before).map_err(|refused| Problem::conflict(refused.to_string()))?;
    let cause = Cause { order_id: None, import_id: None, reason: reason.clone() };
    levels::record_in_tx(tx, &mut levels, &new, &[row], &cause, now).await.map_err(failed)?;
    let after = levels.0.get(sku).copied().unwrap_or_default();
    Ok(ShownLevel {
        sku: sku.to_owned(),
        on_hand: after.on_hand,
        reserved: after.reserved,
        available: after.available(),
    })
}

/// Nothing of what was asked for is wrong: what was in the way is gone when it is asked again.
fn failed(error: HandleError) -> Problem {
    match error {
        HandleError::Database(error) => error.into(),
        HandleError::Malformed(_) | HandleError::TooEarly(_) | HandleError::Failed(_) => {
            tracing::warn!("failed to move stock by hand: {error}");
            Problem::unavailable("the stock could not be moved: send the same request again in a moment")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest, Request};
    use serde_json::{Value, json};

    use super::*;

    async fn is_taken(body: Value) -> bool {
        let request = Request::put("/").header("content-type", "application/json");
        let request = request.body(axum::body::Body::from(body.to_string())).unwrap();
        Body::<MoveStock>::from_request(request, &()).await.is_ok()
    }

    #[tokio::test]
    async fn a_movement_has_a_number_of_pieces_and_a_reason() {
        for movement in [1, -1, 1_000_000, -1_000_000] {
            assert!(is_taken(json!({"movement": movement, "reason": "counted"})).await, "{movement}");
        }
        for movement in [json!(0), json!(1_000_001), json!(-1_000_001), json!(1.5), json!("1"), json!(null)] {
            assert!(!is_taken(json!({"movement": movement, "reason": "counted"})).await, "{movement}");
        }
        for reason in ["".to_owned(), " ".into(), "a\nb".into(), "a".repeat(201)] {
            assert!(!is_taken(json!({"movement": 1, "reason": reason})).await, "{reason:?}");
        }
        assert!(is_taken(json!({"movement": 1, "reason": "größere Lieferung, Nr. 7"})).await);
        assert!(!is_taken(json!({"movement": 1})).await);
    }

    #[test]
    fn the_route_is_in_the_document() {
        let document = rest::document(crate::operations());
        assert!(document["paths"]["/products/{sku}/stock"]["put"].is_object());
    }
}
