//! The provider's books: all of them once, by the hash of the order id; and of single orders anew.

use std::collections::HashMap;

use anyhow::Context as _;
use payment::audit::{Books, ProviderMoney};
use sqlx::PgPool;

use crate::audit::seen::{Key, key_of};

const COULD_NOT: &str = "could not check the payment provider's books";

/// The provider.
pub struct Provider {
    books: Books,
    ledger: PgPool,
}

/// What was found in all of the books: 48 bytes an order.
#[derive(Default)]
pub struct AllBooks {
    money: HashMap<Key, ProviderMoney>,
    /// Orders that hold money there and that payment does not know.
    pub strangers: Vec<String>,
    /// How many charges there are.
    pub charges: usize,
    /// How many charges hold money and name no order: not ours to judge.
    pub nameless: usize,
}

impl AllBooks {
    /// The money of an order.
    pub fn of(&self, id: &str) -> ProviderMoney {
        self.money.get(&key_of(id)).copied().unwrap_or_default()
    }
}

impl Provider {
    /// The account at `url`; `ledger` is payment's, which knows the intents of an order.
    pub fn new(url: &str, key: &str, ledger: PgPool) -> anyhow::Result<Self> {
        Ok(Self { books: Books::new(url, key).context(COULD_NOT)?, ledger })
    }

    /// All of the books. What moves meanwhile may be missed: a second look tells.
    pub async fn all(&self) -> anyhow::Result<AllBooks> {
        let mut refunded: HashMap<Key, i64> = HashMap::new();
        let mut after = None;
        loop {
            let page = self.books.refunds(after.as_deref()).await.context(COULD_NOT)?;
            for (intent, amount) in page.refunds {
                *refunded.entry(key_of(&intent)).or_default() += amount;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut all = AllBooks::default();
        let given_back = |intent: &str| refunded.get(&key_of(intent)).copied().unwrap_or_default();
        loop {
            let page = self.books.charges(after.as_deref(), given_back).await.context(COULD_NOT)?;
            all.charges += page.charges;
            all.nameless += page.nameless;
            let ids: Vec<String> = page.orders.keys().cloned().collect();
            let known = payment::audit::known(&self.ledger, &ids).await.context("could not check payment")?;
            for (id, money) in page.orders {
                let entry = all.money.entry(key_of(&id)).or_default();
                *entry = entry.and(money);
                if !money.is_nothing() && !known.contains(&id) && !all.strangers.contains(&id) {
                    all.strangers.push(id);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// The money of one order as it is now.
    pub async fn of(&self, id: &str) -> anyhow::Result<ProviderMoney> {
        let known = payment::audit::intents_of(&self.ledger, id).await.context("could not check payment")?;
        self.books.money_of(id, &known).await.context(COULD_NOT)
    }
}
