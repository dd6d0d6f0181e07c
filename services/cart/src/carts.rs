//! The carts on their database: each change is one transaction.

use std::sync::Arc;

use anyhow::Context as _;
use chassis::{Store, Transaction};
use events::questions::{ArticleData, PlaceOrder};
use events::{CartCheckedOut, Event, EventType};
use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::PgConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::change::{PutRefusal, merge, put};
use crate::checkout::{
    Answer, CheckoutRefusal, CheckoutRequest, Closed, Notice, Outcome, Placed, Settle, Situation, Verdict,
    judge, notice, settle,
};
use crate::jobs::Job;
use crate::line::{Line, Lookup};
use crate::store::{self, Checkout, Closing, later};
use crate::validate::{CartWarning, validate};

/// After so long the worklist takes up a checkout: whoever asked for it has placed it by then, or has given up.
const TAKEN_UP_AFTER: SignedDuration = SignedDuration::from_secs(7);

/// A cart as its shopper has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its id; of a cart that is not opened yet the one that it will have.
    pub id: Uuid,
    /// Its lines, in their order.
    pub lines: Vec<Line>,
    /// When the shopper last changed it.
    pub changed_at: Option<Timestamp>,
    /// What became of the checkout before.
    pub notice: Option<Notice>,
}

/// Why an article is not put into a cart.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] PutRefusal),
    /// The database failed.
    #[error("the database of cart failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a request to check out came to, before the order is placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The cart is closed, by this request.
    Closed(Uuid),
    /// The cart was closed by an earlier request, whose answer counts.
    Follows {
        /// The cart.
        cart: Uuid,
        /// True when the key says so.
        by_key: bool,
    },
    /// Nothing is changed.
    Refused(CheckoutRefusal),
}

/// The carts.
#[derive(Clone)]
pub struct Carts {
    store: Store,
    /// Told when a checkout is settled by this process.
    settled: Arc<Notify>,
}

impl Carts {
    /// The carts in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, settled: Arc::default() }
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn settled(&self) -> &Notify {
        &self.settled
    }

    /// The cart of a user; reads only.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(&self, user: &str, now: Timestamp) -> Result<Held, sqlx::Error> {
        let mut connection = self.store.pool().acquire().await?;
        held(&mut connection, user, now).await
    }

    /// Puts `quantity` of `article` into the cart of a user, in place of what was there of it.
    ///
    /// # Errors
    /// When they cannot be there, or the database fails; nothing is changed then.
    pub async fn put(
        &self,
        user: &str,
        email: &str,
        article: &ArticleData,
        quantity: u32,
        now: Timestamp,
    ) -> Result<Held, PutError> {
        let mut transaction = self.store.begin().await?;
        let cart = store::open_in_tx(&mut transaction, user, email, now).await?.id;
        transaction.about("cart", &cart.to_string());
        let lines = store::lines::of_cart(&mut transaction, cart).await?;
        let line = put(&lines, article, quantity, now)?;
        store::lines::write_in_tx(&mut transaction, &[(cart, line)]).await?;
        store::touch_in_tx(&mut transaction, cart, now).await?;
        let held = held(&mut transaction, user, now).await?;
        transaction.commit().await?;
        Ok(held)
    }

    /// Takes an article out of the cart of a user; one that is not there is out already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove(&self, user: &str, sku: &str, now: Timestamp) -> Result<Held, sqlx::Error> {
        let mut transaction = self.store.begin().await?;
        if let Some(open) = store::lock_open_in_tx(&mut transaction, user).await? {
            transaction.about("cart", &open.id.to_string());
            if store::lines::remove_in_tx(&mut transaction, open.id, sku).await? {
                store::touch_in_tx(&mut transaction, open.id, now).await?;
            }
        }
        let held = held(&mut transaction, user, now).await?;
        transaction.commit().await?;
        Ok(held)
    }

    /// Validates the cart of a user by what the catalog said: answers it with the new prices taken over, and what the shopper has
    /// to be told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn validate(
        &self,
        user: &str,
        lookup: &Lookup,
        now: Timestamp,
    ) -> Result<(Held, Vec<CartWarning>), sqlx::Error> {
        let mut transaction = self.store.begin().await?;
        let open = store::lock_open_in_tx(&mut transaction, user).await?;
        let mut held = held(&mut transaction, user, now).await?;
        let Some(open) = open else { return Ok((held, Vec::new())) };
        transaction.about("cart", &open.id.to_string());
        let (lines, warnings) = validate(&held.lines, lookup);
        let changed: Vec<(Uuid, Line)> = lines
            .iter()
            .zip(&held.lines)
            .filter(|(line, before)| line != before)
            .map(|(line, _)| (open.id, line.clone()))
            .collect();
        if !changed.is_empty() {
            store::lines::write_in_tx(&mut transaction, &changed).await?;
        }
        transaction.commit().await?;
        held.lines = lines;
        Ok((held, warnings))
    }

    /// Closes the open cart of a user for a checkout, once: whoever comes later follows, or finds nothing to check out.
    ///
    /// # Errors
    /// When the database fails; unless it was the commit, nothing is changed then.
    pub async fn close(
        &self,
        user: &str,
        email: &str,
        request: &CheckoutRequest,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Begun, sqlx::Error> {
        let mut transaction = self.store.begin().await?;
        let open = store::lock_open_in_tx(&mut transaction, user).await?;
        let lines = match &open {
            Some(open) => store::lines::of_cart(&mut transaction, open.id).await?,
            None => Vec::new(),
        };
        let by_key = match key {
            Some(key) => store::by_key_in_tx(&mut transaction, user, key).await?,
            None => None,
        };
        let newest = store::newest(&mut transaction, user).await?.closed;
        let pending = store::pending_in_tx(&mut transaction, user).await?;
        let situation =
            Situation { lines: &lines, by_key: by_key.as_ref(), newest: newest.as_ref(), pending };
        let hash = request.hash();
        match (judge(situation, key, &hash, now), open) {
            (Verdict::Close, Some(open)) => {
                let (cart, order) = (open.id, request.order(&lines));
                let closing = Closing { cart, user, email, order: &order, hash: &hash, key, lines: &lines };
                transaction.about("checkout", &cart.to_string());
                store::close_in_tx(&mut transaction, &closing, now).await?;
                transaction.schedule(&Job::Place(cart).key(), later(now, TAKEN_UP_AFTER)).await?;
                transaction.commit().await?;
                Ok(Begun::Closed(cart))
            }
            (Verdict::Close, None) => Ok(Begun::Refused(CheckoutRefusal::Empty)),
            (Verdict::Follow { cart, by_key }, _) => Ok(Begun::Follows { cart, by_key }),
            (Verdict::Refuse(refusal), _) => Ok(Begun::Refused(refusal)),
        }
    }

    /// A closed cart, and what has become of it; none when there is no such one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn closed(&self, cart: Uuid) -> Result<Option<(Closed, PlaceOrder)>, sqlx::Error> {
        let mut connection = self.store.pool().acquire().await?;
        let checkout = store::checkout(&mut connection, cart).await?;
        Ok(checkout.map(|Checkout { user, email, order, lines: _, closed }| {
            // The same whatever is repeated: the order is placed once.
            (closed, PlaceOrder { user, email, key: format!("cart-{cart}"), order })
        }))
    }

    /// Notes what `orders` said of a checkout, and answers what has become of it. A second answer changes nothing.
    ///
    /// # Errors
    /// When there is no such closed cart, or the database fails.
    pub async fn settle(&self, cart: Uuid, answer: Answer, now: Timestamp) -> anyhow::Result<Outcome> {
        let failed = || format!("failed to note the answer to the checkout of the cart {cart}");
        let mut transaction = self.store.begin().await.with_context(failed)?;
        transaction.about("placing", &cart.to_string());
        let checkout = store::lock_checkout_in_tx(&mut transaction, cart).await.with_context(failed)?;
        let checkout = checkout.with_context(|| format!("there is no closed cart {cart}"))?;
        let outcome = match (settle(&checkout.closed.outcome, &answer), answer) {
            (Settle::AsPlaced, Answer::Placed(placed)) => {
                note_order_in_tx(&mut transaction, cart, &checkout, &placed, now)
                    .await
                    .with_context(failed)?;
                Outcome::Placed(placed)
            }
            (Settle::AsRefused, Answer::Refused(why)) => {
                give_back_in_tx(&mut transaction, cart, &checkout, &why, now).await.with_context(failed)?;
                Outcome::Refused(why)
            }
            (Settle::AsPlaced | Settle::AsRefused | Settle::Not, _) => return Ok(checkout.closed.outcome),
        };
        transaction.commit().await.with_context(failed)?;
        self.settled.notify_waiters();
        Ok(outcome)
    }
}

/// The cart of a user, as far as this connection sees.
async fn held(connection: &mut PgConnection, user: &str, now: Timestamp) -> Result<Held, sqlx::Error> {
    let newest = store::newest(connection, user).await?;
    let notice = notice(newest.closed.as_ref(), now);
    let Some(open) = newest.open else {
        return Ok(Held { id: newest.next_id(user), lines: Vec::new(), changed_at: None, notice });
    };
    let lines = store::lines::of_cart(connection, open.id).await?;
    Ok(Held { id: open.id, lines, changed_at: open.changed_at, notice })
}

async fn note_order_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    checkout: &Checkout,
    placed: &Placed,
    now: Timestamp,
) -> anyhow::Result<()> {
    if let Outcome::Refused(why) = &checkout.closed.outcome {
        tracing::error!(cart = %cart, order = placed.id, "orders placed what it had refused: {why}");
    }
    store::order_in_tx(transaction, cart, placed).await?;
    let data = CartCheckedOut {
        cart_id: cart.to_string(),
        user_id: checkout.user.clone(),
        order_id: placed.id.clone(),
    };
    let id = format!("{cart}/checked_out");
    let event = Event::new(EventType::CartCheckedOut, "cart", id, &placed.id, now, &data)?;
    transaction.publish(&event);
    Ok(())
}

async fn give_back_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    checkout: &Checkout,
    refusal: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    store::refuse_in_tx(transaction, cart, refusal).await?;
    let open = store::open_in_tx(transaction, &checkout.user, &checkout.email, now).await?.id;
    let lines = store::lines::of_cart(transaction, open).await?;
    let merged = merge(&lines, &checkout.lines).into_iter().map(|line| (open, line));
    store::lines::write_in_tx(transaction, &merged.collect::<Vec<_>>()).await?;
    store::touch_in_tx(transaction, open, now).await
}
