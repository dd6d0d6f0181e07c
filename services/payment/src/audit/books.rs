//! The provider's own books, read page by page, and anew for one order. Nothing here moves money.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How many things a page of the provider's lists has at most.
const PAGE: &str = "100";
const TIMEOUT: Duration = Duration::from_secs(20);
/// How often a page is asked for that the provider did not answer.
const TRIES: u32 = 4;

/// An order's money at the provider, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderMoney {
    /// How much was taken.
    pub captured: i64,
    /// How much of it was given back, or is on its way back.
    pub refunded: i64,
    /// How much is promised and not taken.
    pub authorized: i64,
    /// How many charges keep money.
    pub captures: u32,
}

impl ProviderMoney {
    /// With one more intent, of which so much was given back.
    fn with(self, intent: &WireIntent, refunded: i64) -> Self {
        Self {
            captured: self.captured.saturating_add(intent.amount_received),
            refunded: self.refunded.saturating_add(refunded),
            authorized: self.authorized.saturating_add(intent.amount_capturable),
            captures: self.captures + u32::from(intent.amount_received > refunded),
        }
    }

    /// With what other intents of the order hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            captured: self.captured.saturating_add(other.captured),
            refunded: self.refunded.saturating_add(other.refunded),
            authorized: self.authorized.saturating_add(other.authorized),
            captures: self.captures.saturating_add(other.captures),
        }
    }

    /// True when the provider neither keeps nor promises anything.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.captured == self.refunded && self.authorized == 0
    }
}

/// A page of what was given back: intents and amounts.
pub struct RefundsPage {
    /// The provider's id of the intent, and how much of it was given back.
    pub refunds: Vec<(String, i64)>,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// A page of what was charged.
pub struct BooksPage {
    /// The money of orders that have charges on this page; an order may be on several.
    pub orders: BTreeMap<String, ProviderMoney>,
    /// How many charges are on the page.
    pub charges: usize,
    /// How many of them hold money and name no order.
    pub nameless: usize,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// The provider's books, to be read.
pub struct Books {
    client: Client,
    base: String,
    key: String,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct WireIntent {
    id: String,
    #[serde(default)]
    amount_received: i64,
    #[serde(default)]
    amount_capturable: i64,
    #[serde(default)]
    metadata: WireMetadata,
}

#[derive(Deserialize, Default)]
struct WireMetadata {
    #[serde(default)]
    order_id: Option<String>,
}

#[derive(Deserialize)]
struct WireRefund {
    id: String,
    amount: i64,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    payment_intent: Option<String>,
}

impl WireRefund {
    /// What the provider counts as given back: neither what failed nor what was called off.
    fn counts(&self) -> bool {
        !matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

impl Books {
    /// The books of the account at `url`.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("supercargo-audit/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .redirect(Policy::none())
            .build()
            .context("failed to make an HTTP client for STRIPE_URL")?;
        Ok(Self { client, base: url.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// The refunds, newest first, from after `after` on.
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub async fn refunds(&self, after: Option<&str>) -> anyhow::Result<RefundsPage> {
        let list: List<WireRefund> = self.page("refunds", after, &[]).await?;
        let next = list.data.last().filter(|_| list.has_more).map(|refund| refund.id.clone());
        let given = |refund: WireRefund| {
            refund.payment_intent.clone().filter(|_| refund.counts()).zip(Some(refund.amount))
        };
        Ok(RefundsPage { refunds: list.data.into_iter().filter_map(given).collect(), next })
    }

    /// The charges, newest first, from after `after` on; `refunded` tells how much of an intent was given back.
    ///
    /// # Errors
    /// As [`Books::refunds`].
    pub async fn charges(
        &self,
        after: Option<&str>,
        refunded: impl Fn(&str) -> i64,
    ) -> anyhow::Result<BooksPage> {
        let list: List<WireIntent> = self.page("payment_intents", after, &[]).await?;
        let next = list.data.last().filter(|_| list.has_more).map(|intent| intent.id.clone());
        let mut page = BooksPage { orders: BTreeMap::new(), charges: list.data.len(), nameless: 0, next };
        for intent in &list.data {
            match &intent.metadata.order_id {
                Some(order_id) => {
                    let money = page.orders.entry(order_id.clone()).or_default();
                    *money = money.with(intent, refunded(&intent.id));
                }
                None => page.nameless += usize::from(intent.amount_received + intent.amount_capturable > 0),
            }
        }
        Ok(page)
    }

    /// The money of one order as it is now: of the intents that name it and of those that are `known` to be its own, as a
    /// search may be a minute late.
    ///
    /// # Errors
    /// As [`Books::refunds`].
    pub async fn money_of(&self, order_id: &str, known: &[String]) -> anyhow::Result<ProviderMoney> {
        let quoted = order_id.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("metadata['order_id']:'{quoted}'");
        let mut intents: Vec<WireIntent> = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let mut parameters = vec![("query", query.as_str()), ("limit", PAGE)];
            parameters.extend(page.as_deref().map(|page| ("page", page)));
            let found: List<WireIntent> = self.get("payment_intents/search", &parameters).await?;
            intents.extend(found.data);
            page = found.next_page.filter(|_| found.has_more);
            if page.is_none() {
                break;
            }
        }
        let found: BTreeSet<String> = intents.iter().map(|intent| intent.id.clone()).collect();
        for missing in known.iter().filter(|id| !found.contains(*id)) {
            intents.extend(self.get_opt::<WireIntent>(&format!("payment_intents/{missing}")).await?);
        }
        let mut money = ProviderMoney::default();
        for intent in &intents {
            let refunded = if intent.amount_received > 0 { self.refunded_of(&intent.id).await? } else { 0 };
            money = money.with(intent, refunded);
        }
        Ok(money)
    }

    async fn refunded_of(&self, intent: &str) -> anyhow::Result<i64> {
        let list: List<WireRefund> = self.page("refunds", None, &[("payment_intent", intent)]).await?;
        Ok(list.data.iter().filter(|refund| refund.counts()).map(|refund| refund.amount).sum())
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        after: Option<&str>,
        filter: &[(&str, &str)],
    ) -> anyhow::Result<List<T>> {
        let mut parameters = vec![("limit", PAGE)];
        parameters.extend(after.map(|after| ("starting_after", after)));
        parameters.extend(filter);
        self.get(path, &parameters).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<T> {
        self.ask(path, query).await?.with_context(|| format!("the payment provider knows no {path}"))
    }

    async fn get_opt<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        self.ask(path, &[]).await
    }

    /// Asks, again after a short wait when the provider is busy or away for a moment; `None` for what it does not know.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<Option<T>> {
        let url = format!("{}/v1/{path}", self.base);
        let backoff =
            chassis::Backoff { initial: Duration::from_millis(250), maximum: Duration::from_secs(2) };
        for tries in 1.. {
            let answered = self.client.get(&url).query(query).bearer_auth(&self.key).send().await;
            let fault = match answered {
                Ok(answer) if answer.status().is_success() => {
                    let read = answer.json().await;
                    return read.map(Some).with_context(|| format!("failed to read the answer of {url}"));
                }
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return Ok(None),
                Ok(answer) if is_passing(answer.status()) && tries < TRIES => answer.status().to_string(),
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => anyhow::bail!(
                    "the payment provider at {} refuses STRIPE_KEY: give the secret key of that account",
                    self.base
                ),
                Ok(answer) => {
                    let status = answer.status();
                    let text = answer.text().await.unwrap_or_default();
                    anyhow::bail!("the payment provider answered {status} to GET {url}: {}", text.trim());
                }
                Err(error) if tries < TRIES => error.to_string(),
                Err(error) => {
                    let failed = format!("failed to ask the payment provider at {} (STRIPE_URL)", self.base);
                    return Err(error).context(failed);
                }
            };
            tracing::debug!(tries, url, "asking the payment provider again: {fault}");
            tokio::time::sleep(backoff.wait(tries)).await;
        }
        anyhow::bail!("the payment provider did not answer")
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT)
}
