//! A closed cart becomes an order: `orders` is asked until it answers.
//!
//! The shopper's request asks first, so that it can answer; the worklist asks when that did not settle it. Both may ask at the same
//! time: the key of the cart makes it one order.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::{AskError, ask};
use events::TraceParent;
use events::questions::PlaceOrderAnswer;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::carts::Carts;
use crate::checkout::{Answer, Closed, Outcome, Placed};

/// How long `orders` may take to place an order.
const PATIENCE: Duration = Duration::from_secs(5);
/// For so long after a cart was closed whoever closed it may be asking.
const ASKING: SignedDuration = SignedDuration::from_secs(6);
/// How often a checkout is looked at that another process may settle.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Places the orders of closed carts.
#[derive(Clone)]
pub(crate) struct Placing {
    carts: Carts,
    nats: async_nats::Client,
}

impl Placing {
    pub(crate) const fn new(carts: Carts, nats: async_nats::Client) -> Self {
        Self { carts, nats }
    }

    pub(crate) const fn carts(&self) -> &Carts {
        &self.carts
    }

    /// Asks for the order of a closed cart, unless it is settled, and answers what has become of it: never that it is pending.
    ///
    /// # Errors
    /// When there is no answer now, or it cannot be noted: the same again finishes it.
    pub(crate) async fn place(&self, cart: Uuid) -> anyhow::Result<Outcome> {
        let (closed, question) = self
            .carts
            .closed(cart)
            .await
            .with_context(|| format!("failed to read the closed cart {cart}"))?
            .with_context(|| format!("there is no closed cart {cart}"))?;
        match closed.outcome {
            Outcome::Pending => {}
            settled @ (Outcome::Placed(_) | Outcome::Refused(_)) => return Ok(settled),
        }
        let answer = match ask(&self.nats, &question, PATIENCE).await {
            Ok(PlaceOrderAnswer { id, name, phase, repeated: _ }) => {
                Answer::Placed(Placed { id, name, phase })
            }
            Err(AskError::Invalid { subject: _, reason }) => Answer::Refused(reason),
            Err(error @ AskError::Unavailable { .. }) => {
                count("unanswered");
                return Err(error).with_context(|| format!("the cart {cart} is not placed yet"));
            }
        };
        let outcome = self.carts.settle(cart, answer, chassis::clock::now()).await?;
        match &outcome {
            Outcome::Placed(placed) => {
                count("placed");
                let trace = TraceParent::of_order(&placed.id);
                let (order, trace_id) = (&placed.id, trace.trace_id());
                tracing::info!(order, trace_id, cart = %cart, name = placed.name, "a cart became an order");
            }
            Outcome::Refused(why) => {
                count("refused");
                tracing::info!(cart = %cart, "a cart cannot become an order: {why}");
            }
            Outcome::Pending => {}
        }
        Ok(outcome)
    }

    /// What has become of a cart that an earlier request closed: waits for a moment while that request may be asking, else asks itself.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub(crate) async fn follow(&self, cart: Uuid) -> anyhow::Result<Outcome> {
        let until = chassis::clock::instant() + PATIENCE;
        loop {
            // Listens before it looks, so that nothing is missed between the two.
            let settled = self.carts.settled().notified();
            let (closed, _) = self
                .carts
                .closed(cart)
                .await
                .with_context(|| format!("failed to read the closed cart {cart}"))?
                .with_context(|| format!("there is no closed cart {cart}"))?;
            match next_look(&closed, chassis::clock::now()) {
                Look::Settled => return Ok(closed.outcome),
                Look::Ask => return self.place(cart).await,
                Look::Wait => {}
            }
            if chassis::clock::instant() >= until {
                return Ok(Outcome::Pending);
            }
            tokio::select! {
                () = settled => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// What is to be done about a checkout that another request began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Its answer is there.
    Settled,
    /// That request may be asking still.
    Wait,
    /// Nobody may be asking at the moment.
    Ask,
}

fn next_look(closed: &Closed, now: Timestamp) -> Look {
    match closed.outcome {
        Outcome::Placed(_) | Outcome::Refused(_) => Look::Settled,
        Outcome::Pending => {
            // One from the future is the work of a clock that goes wrong.
            let age = now.duration_since(closed.closed_at);
            if (SignedDuration::ZERO..ASKING).contains(&age) { Look::Wait } else { Look::Ask }
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("supercargo_cart_checkouts_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(age: i64, outcome: Outcome) -> Look {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let closed_at = now - SignedDuration::from_secs(age);
        next_look(&Closed { cart: Uuid::nil(), closed_at, request_hash: Vec::new(), outcome }, now)
    }

    #[test]
    fn who_follows_waits_while_the_first_may_be_asking_and_asks_when_it_cannot_be() {
        assert_eq!(look(1, Outcome::Pending), Look::Wait);
        assert_eq!(look(6, Outcome::Pending), Look::Ask, "it crashed, or gave up");
        assert_eq!(look(-60, Outcome::Pending), Look::Ask);
        assert_eq!(look(1, Outcome::Refused("no".into())), Look::Settled);
    }
}
