//! The cart over REST.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::MethodFilter;
use rest::{Body, Caller, Gate, IdempotencyKey, Operation, Problem, Routes, Segments, Stored};
use uuid::Uuid;

use crate::carts::{Begun, Carts, PutError};
use crate::catalog::look_up;
use crate::change::PutRefusal;
use crate::checkout::{CheckoutRefusal, CheckoutRequest, Outcome};
use crate::line::is_sku;
use crate::placing::Placing;
use crate::validate::{looked_up, warnings};
use crate::views::{Cart, CartQuantity, CheckedOut, cart};

/// How long the catalog may take to say what an article is.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a cart that is only looked at waits for the catalog.
const GLANCE: Duration = Duration::from_secs(1);
/// When a checkout that is kept is asked about again, in seconds.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) carts: Carts,
    pub(crate) placing: Placing,
    pub(crate) nats: async_nats::Client,
    pub(crate) gate: Gate,
}

impl FromRef<Shop> for Gate {
    fn from_ref(shop: &Shop) -> Self {
        shop.gate.clone()
    }
}

/// All routes.
pub(crate) fn routes() -> Routes<Shop> {
    let operation = |id, summary| Operation::new("cart", id, summary).needs_token(None);
    Routes::default()
        .with(
            MethodFilter::GET,
            "/cart",
            operation("readCart", "Your cart, as the catalog sees it now; you have one, be it empty.")
                .answers::<Cart>(200, "The cart."),
            read,
        )
        .with(
            MethodFilter::PUT,
            "/cart/items/{sku}",
            operation("putCartItem", "Puts so many of an article into your cart, in place of what was there of it.")
                .reads::<CartQuantity>()
                .answers::<Cart>(200, "The cart.")
                .refuses(404, "There is no such article.")
                .refuses(409, "The article is sold no more, or in another currency than the cart; or the cart is full."),
            put,
        )
        .with(
            MethodFilter::DELETE,
            "/cart/items/{sku}",
            operation("removeCartItem", "Takes an article out of your cart; one that is not there is out already.")
                .answers::<Cart>(200, "The cart."),
            remove,
        )
        .with(
            MethodFilter::POST,
            "/cart/validate",
            operation("validateCart", "Holds your cart against the catalog and takes new prices over, each said once.")
                .answers::<Cart>(200, "The cart, with what there is to know of it."),
            validate,
        )
        .with(
            MethodFilter::POST,
            "/cart/checkout",
            operation("checkOut", "Makes an order of your cart, once, whatever is repeated.")
                .is_idempotent()
                .reads::<CheckoutRequest>()
                .answers::<CheckedOut>(202, "The order, which goes on by itself.")
                .refuses(409, "The cart is empty, or has what cannot be ordered.")
                .refuses(422, "The body does not fit its schema, there can be no such order, or the key was used for another.")
                .refuses(503, "Not now. A checkout that is kept is placed later: the same request again tells what became of it."),
            check_out,
        )
}

async fn read(caller: Caller, State(shop): State<Shop>) -> Result<Json<Cart>, Problem> {
    let mut held = shop.carts.read(caller.id(), chassis::clock::now()).await?;
    let skus = held.lines.iter().map(|line| line.sku.clone()).collect();
    match look_up(&shop.nats, skus, GLANCE).await {
        Ok(lookup) => held.lines = held.lines.iter().map(|line| looked_up(line, &lookup)).collect(),
        Err(error) => tracing::warn!("a cart is shown as it was last seen: {error}"),
    }
    let warnings = warnings(&held.lines);
    Ok(Json(cart(&held, warnings)))
}

async fn put(
    caller: Caller,
    Segments(sku): Segments<String>,
    State(shop): State<Shop>,
    Body(CartQuantity { quantity }): Body<CartQuantity>,
) -> Result<Json<Cart>, Problem> {
    let absent = || Problem::absent("there is no such article: look for it among the products");
    if !is_sku(&sku) {
        return Err(absent());
    }
    let lookup = look_up(&shop.nats, vec![sku.clone()], PATIENCE).await?;
    let article = lookup.article(&sku).ok_or_else(absent)?;
    let (user, email) = (caller.id(), &caller.user.email);
    let held = shop.carts.put(user, email, article, quantity, chassis::clock::now()).await?;
    let warnings = warnings(&held.lines);
    Ok(Json(cart(&held, warnings)))
}

async fn remove(
    caller: Caller,
    Segments(sku): Segments<String>,
    State(shop): State<Shop>,
) -> Result<Json<Cart>, Problem> {
    let held = shop.carts.remove(caller.id(), &sku, chassis::clock::now()).await?;
    let warnings = warnings(&held.lines);
    Ok(Json(cart(&held, warnings)))
}

async fn validate(caller: Caller, State(shop): State<Shop>) -> Result<Json<Cart>, Problem> {
    let held = shop.carts.read(caller.id(), chassis::clock::now()).await?;
    let skus = held.lines.iter().map(|line| line.sku.clone()).collect();
    let lookup = look_up(&shop.nats, skus, PATIENCE).await?;
    let (held, warnings) = shop.carts.validate(caller.id(), &lookup, chassis::clock::now()).await?;
    Ok(Json(cart(&held, warnings)))
}

async fn check_out(
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    State(shop): State<Shop>,
    Body(request): Body<CheckoutRequest>,
) -> Result<Stored, Problem> {
    let (user, email) = (caller.id(), &caller.user.email);
    let begun = shop.carts.close(user, email, &request, key.as_deref(), chassis::clock::now()).await?;
    match begun {
        Begun::Closed(cart) => answer(cart, shop.placing.place(cart).await, false),
        Begun::Follows { cart, by_key } => answer(cart, shop.placing.follow(cart).await, by_key),
        Begun::Refused(refusal) => Err(refusal.into()),
    }
}

/// The answer to a checkout whose cart is closed: from here on nothing is lost.
fn answer(cart: Uuid, outcome: anyhow::Result<Outcome>, replayed: bool) -> Result<Stored, Problem> {
    let outcome = outcome.unwrap_or_else(|error| {
        tracing::warn!(cart = %cart, "a checkout is kept and placed later: {error:#}");
        Outcome::Pending
    });
    match outcome {
        Outcome::Placed(placed) => {
            let body = serde_json::to_value(CheckedOut::from(placed))
                .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
            Ok(Stored { status: StatusCode::ACCEPTED, body, replayed })
        }
        Outcome::Refused(why) => Err(Problem::invalid(format!(
            "the order cannot be placed, and what you chose is back in the cart: {why}"
        ))),
        Outcome::Pending => Err(Problem::unavailable(
            "your checkout is kept, and its order is placed as soon as that is possible: send the same request again to \
             learn of it, or look at your orders later",
        )
        .with_header(header::RETRY_AFTER, ASK_AGAIN)),
    }
}

impl From<PutError> for Problem {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Database(error) => error.into(),
            PutError::Refused(
                refusal @ (PutRefusal::Retired { .. } | PutRefusal::Full | PutRefusal::Currency { .. }),
            ) => Self::conflict(refusal.to_string()),
            PutError::Refused(refusal @ PutRefusal::TooMuch { .. }) => {
                Self::invalid(refusal.to_string()).at("/quantity")
            }
        }
    }
}

impl From<CheckoutRefusal> for Problem {
    fn from(refusal: CheckoutRefusal) -> Self {
        let words = refusal.to_string();
        match refusal {
            CheckoutRefusal::KeyUsed => Self::invalid(words),
            CheckoutRefusal::Empty
            | CheckoutRefusal::TooMany(_)
            | CheckoutRefusal::Gone { .. }
            | CheckoutRefusal::NoTotal => Self::conflict(words),
            CheckoutRefusal::Waiting(_) => {
                Self::unavailable(words).with_header(header::RETRY_AFTER, ASK_AGAIN)
            }
        }
    }
}
