//! What a request to check out leads to. Pure.

use events::questions::{NewOrder, NewPayment};
use jiff::{SignedDuration, Timestamp};
use money::Money;
use resources::{Address, Item, OrderPhase, ShippingService};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::line::{Line, MOST_LINES, total};

/// For so long a checkout without a key counts as the repetition of the one before, when there is nothing to check out.
const REPETITION: SignedDuration = SignedDuration::from_secs(60);
/// How long a key is kept.
const KEY_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long a refusal is shown with the cart.
const REFUSAL_SHOWN: SignedDuration = SignedDuration::from_hours(24);
/// How many carts of a user may wait to be placed.
const MOST_PENDING: i64 = 10;

/// What a shopper asks for at checkout.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckoutRequest {
    /// Where the goods go.
    pub shipping_address: Address,
    /// How fast the goods travel; standard when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_service: Option<ShippingService>,
    /// How the order is paid. Without a method it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<NewPayment>,
    /// A coupon's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub coupon: Option<String>,
    /// The total that the shopper saw, less the coupon: another one is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
}

impl CheckoutRequest {
    /// By which another request under the same key is told.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).to_vec()
    }

    /// The order for `lines`.
    #[must_use]
    pub fn order(&self, lines: &[Line]) -> NewOrder {
        let Self { shipping_address, shipping_service, payment, coupon, expected_total } = self.clone();
        NewOrder {
            items: lines
                .iter()
                .map(|Line { sku, quantity, .. }| Item { sku: sku.clone(), quantity: *quantity })
                .collect(),
            shipping_address,
            shipping_service: shipping_service.unwrap_or_default(),
            payment,
            coupon,
            expected_total,
        }
    }
}

/// The order that a cart became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The order id.
    pub id: String,
    /// The name of the resource.
    pub name: String,
    /// How far it had come when it was placed; absent before it is quoted.
    pub phase: Option<OrderPhase>,
}

/// What became of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order is not placed yet.
    Pending,
    /// It is placed.
    Placed(Placed),
    /// There can be no such order; says why. The lines are back in the open cart.
    Refused(String),
}

/// A cart that a checkout closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The cart.
    pub cart: Uuid,
    /// When.
    pub closed_at: Timestamp,
    /// The hash of what was asked for.
    pub request_hash: Vec<u8>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Closed {
    fn is_younger_than(&self, age: SignedDuration, now: Timestamp) -> bool {
        self.outcome == Outcome::Pending || now.duration_since(self.closed_at) < age
    }
}

/// The carts of a user when a checkout is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The lines of the open cart.
    pub lines: &'a [Line],
    /// The cart that was closed under the request's key.
    pub by_key: Option<&'a Closed>,
    /// The cart that was closed last.
    pub newest: Option<&'a Closed>,
    /// How many closed carts wait to be placed.
    pub pending: i64,
}

/// What a request to check out leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The open cart is closed.
    Close,
    /// An earlier checkout stands for this one: its answer is given.
    Follow {
        /// The cart that it closed.
        cart: Uuid,
        /// True when the key says so.
        by_key: bool,
    },
    /// Nothing is done.
    Refuse(CheckoutRefusal),
}

/// Why there is nothing that can be checked out; says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutRefusal {
    /// The key stands for another request.
    #[error("this Idempotency-Key was used for another request: take a new key for a new request")]
    KeyUsed,
    /// There are no lines.
    #[error("the cart is empty: put something into it first")]
    Empty,
    /// More lines than an order can have.
    #[error("the cart has {0} articles, and an order can have {MOST_LINES}: take some out")]
    TooMany(usize),
    /// An article is sold no more.
    #[error("{name} ({sku}) is sold no more: take it out of the cart, or validate the cart when it is back")]
    Gone {
        /// The article.
        sku: String,
        /// Its name.
        name: String,
    },
    /// No total.
    #[error(
        "the cart has articles in several currencies, or costs more than can be ordered at once: take some out"
    )]
    NoTotal,
    /// Too many carts wait to be placed.
    #[error("{0} checkouts of yours still wait to be placed: check this one out when they are")]
    Waiting(i64),
}

/// Judges a request of that `hash`, under `key` when it has one.
#[must_use]
pub fn judge(situation: Situation<'_>, key: Option<&str>, hash: &[u8], now: Timestamp) -> Verdict {
    let Situation { lines, by_key, newest, pending } = situation;
    if let Some(earlier) = by_key.filter(|earlier| earlier.is_younger_than(KEY_KEPT, now)) {
        return if earlier.request_hash == hash {
            Verdict::Follow { cart: earlier.cart, by_key: true }
        } else {
            Verdict::Refuse(CheckoutRefusal::KeyUsed)
        };
    }
    if lines.is_empty() {
        // A key of its own makes it a request of its own.
        let repeated = newest.filter(|earlier| {
            key.is_none() && earlier.request_hash == hash && earlier.is_younger_than(REPETITION, now)
        });
        return match repeated {
            Some(earlier) => Verdict::Follow { cart: earlier.cart, by_key: false },
            None => Verdict::Refuse(CheckoutRefusal::Empty),
        };
    }
    if let Some(fault) = fault_of(lines) {
        return Verdict::Refuse(fault);
    }
    if pending >= MOST_PENDING {
        return Verdict::Refuse(CheckoutRefusal::Waiting(pending));
    }
    Verdict::Close
}

/// Why the lines cannot become an order.
fn fault_of(lines: &[Line]) -> Option<CheckoutRefusal> {
    if lines.len() > MOST_LINES {
        return Some(CheckoutRefusal::TooMany(lines.len()));
    }
    if let Some(Line { sku, name, .. }) = lines.iter().find(|line| line.gone) {
        return Some(CheckoutRefusal::Gone { sku: sku.clone(), name: name.clone() });
    }
    total(lines).is_none().then_some(CheckoutRefusal::NoTotal)
}

/// What `orders` said of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The order is there.
    Placed(Placed),
    /// There can be no such order; says why.
    Refused(String),
}

/// What is to be done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// It is noted: the cart became an order.
    AsPlaced,
    /// It is noted, and the lines go back.
    AsRefused,
    /// Nothing: it was known.
    Not,
}

/// What an answer means for a checkout of that outcome. An order that is there counts, whatever was said before.
#[must_use]
pub const fn settle(outcome: &Outcome, answer: &Answer) -> Settle {
    match (outcome, answer) {
        (Outcome::Pending | Outcome::Refused(_), Answer::Placed(_)) => Settle::AsPlaced,
        (Outcome::Pending, Answer::Refused(_)) => Settle::AsRefused,
        (Outcome::Placed(_), Answer::Placed(_) | Answer::Refused(_))
        | (Outcome::Refused(_), Answer::Refused(_)) => Settle::Not,
    }
}

/// What the shopper should know of their last checkout when they look at their cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is kept, and not placed yet.
    Placing,
    /// It was refused, and its lines are back; says why.
    Refused(String),
}

/// What there is to know of the cart that was closed last.
#[must_use]
pub fn notice(newest: Option<&Closed>, now: Timestamp) -> Option<Notice> {
    let closed = newest?;
    match &closed.outcome {
        Outcome::Pending => Some(Notice::Placing),
        Outcome::Refused(why) if closed.is_younger_than(REFUSAL_SHOWN, now) => {
            Some(Notice::Refused(why.clone()))
        }
        Outcome::Refused(_) | Outcome::Placed(_) => None,
    }
}

#[cfg(test)]
#[path = "checkout_tests.rs"]
mod tests;
