//! The customers: what each orders and does, by the seed; and what may come of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use resources::{Order, OrderPhase};
use serde_json::json;
use testkit::{OrderBuilder, Placed, TestShop, order};
use tokio::time::Instant;

/// How many want a hot article at once, and how many there are.
pub const HOT: (usize, i64) = (7, 4);
/// How long a customer insists on an answer: longer than any outage, with the time to come back after it.
const INSISTS: Duration = Duration::from_secs(240);
const TURN: Duration = Duration::from_millis(400);
const PAYS_AGAIN_EVERY: Duration = Duration::from_secs(2);

/// What a customer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Orders and waits.
    Plain,
    /// Orders and waits; the order is archived three seconds after its end.
    Archived,
    /// Orders more than there is.
    TooMuch,
    /// Is declined, and pays by another card.
    DeclinedThenPays,
    /// Has to go to the bank's page, and does.
    Confirms,
    /// Has to go to the bank's page, and does not.
    LeavesItThere,
    /// Pays by a card whose charge succeeds while its answer never arrives.
    Silent,
    /// Pays while the provider is unavailable.
    Unavailable,
    /// Lives where nobody delivers.
    Undeliverable,
    /// Has the parcel lost.
    Lost,
    /// Cancels after so many milliseconds.
    Cancels(u64),
    /// Deletes the order after so many milliseconds.
    Deletes(u64),
    /// Races with others for the last pieces.
    Races,
}

impl Story {
    /// The name without its time.
    pub fn name(self) -> String {
        format!("{self:?}").split('(').next().unwrap_or_default().to_owned()
    }

    /// The last transitions that it may come to.
    pub fn ends(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Archived | Self::Silent | Self::Unavailable => &["order.completed"],
            Self::DeclinedThenPays | Self::Confirms => &["order.completed"],
            Self::TooMuch | Self::Undeliverable | Self::Lost => &["order.failed"],
            Self::LeavesItThere => &["order.payment_needed"],
            Self::Cancels(_) | Self::Deletes(_) => &["order.completed", "order.cancelled"],
            Self::Races => &["order.completed", "order.failed"],
        }
    }
}

/// A customer, and when they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Customer {
    /// From the beginning.
    pub at: Duration,
    /// At which of the two shops: one takes the money at once, the other when it dispatches.
    pub shop: usize,
    /// What they do.
    pub story: Story,
    /// Which hot article, for those that race.
    pub hot: usize,
}

/// Who comes when: a pure function of the seed.
pub fn customers(seed: u64, length: Duration, a_minute: u32) -> Vec<Customer> {
    let mut dice = StdRng::seed_from_u64(seed ^ 0xC0FFEE);
    let each = Duration::from_secs(60) / a_minute.max(1);
    let mut all = Vec::new();
    let (mut at, mut hot) = (Duration::ZERO, 0);
    while at < length {
        let story = story(&mut dice);
        let shop = usize::from(dice.random_ratio(1, 3));
        let many = if story == Story::Races { HOT.0 } else { 1 };
        for _ in 0..many {
            all.push(Customer { at, shop, story, hot });
        }
        if story == Story::Races {
            hot += 1;
        }
        at += each.mul_f64(dice.random_range(0.2..1.8)) * u32::try_from(many).unwrap_or(1);
    }
    all
}

fn story(dice: &mut StdRng) -> Story {
    let fixed = [
        Story::Plain,
        Story::Plain,
        Story::Plain,
        Story::Archived,
        Story::TooMuch,
        Story::DeclinedThenPays,
        Story::Confirms,
        Story::LeavesItThere,
        Story::Silent,
        Story::Unavailable,
        Story::Undeliverable,
        Story::Lost,
        Story::Races,
    ];
    let after = dice.random_range(0..6000);
    match dice.random_range(0..fixed.len() + 4) {
        index if index < fixed.len() => fixed.choose(dice).copied().unwrap_or(Story::Plain),
        index if index % 2 == 0 => Story::Cancels(after),
        _ => Story::Deletes(after),
    }
}

/// The goods of the run.
pub struct Articles {
    /// There is enough of it.
    pub plenty: String,
    /// There is one.
    pub scarce: String,
    /// There are [`HOT`] pieces of each.
    pub hot: Vec<String>,
}

/// What became of a customer.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Which customer.
    pub customer: Customer,
    /// Their order, as the API server acknowledged it.
    pub placed: Placed,
}

/// What is known of all customers.
#[derive(Default)]
pub struct Visits {
    /// Those whose order was acknowledged.
    pub visits: Mutex<Vec<Visit>>,
    /// Those who were refused, or gave up.
    pub complaints: Mutex<Vec<String>>,
}

impl Visits {
    fn story(&self, order: &Order) -> Option<Story> {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let own = visits.iter().find(|visit| order.metadata.name.as_deref() == Some(&visit.placed.name));
        own.map(|visit| visit.customer.story)
    }

    /// True of an order that was not charged, and whose customer wants it.
    pub fn will_pay_again(&self, order: &Order) -> bool {
        let declined = order.status.as_ref().is_some_and(|status| {
            status.phase == Some(OrderPhase::AwaitingPayment)
                && status.reason.as_deref() == Some("PaymentDeclined")
        });
        let tried_another = order.spec.payment.as_ref().is_some_and(|payment| payment.retry > 0);
        declined
            && match self.story(order) {
                // The first decline is the story; its customer sees to it.
                Some(Story::DeclinedThenPays) => tried_another,
                Some(Story::LeavesItThere) | None => false,
                Some(_) => true,
            }
    }

    fn complain(&self, complaint: String) {
        crate::say(&complaint);
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }
}

/// Serves all customers, each at their time.
pub async fn serve(
    shops: Arc<Vec<TestShop>>,
    articles: Arc<Articles>,
    customers: Vec<Customer>,
    visits: Arc<Visits>,
) {
    let began = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for customer in customers {
        tokio::time::sleep_until(began + customer.at).await;
        let (shops, articles, visits) = (shops.clone(), articles.clone(), visits.clone());
        all.spawn(async move {
            let Some(shop) = shops.get(customer.shop) else { return };
            if let Err(error) = visit(shop, &articles, customer, &visits).await {
                visits.complain(format!("a customer who {}: {error:#}", customer.story.name()));
            }
        });
    }
    while all.join_next().await.is_some() {}
}

/// Pays again, for ever, for customers whose charge did not come true: a provider that was away when it was asked has charged
/// nothing, and never is a card charged blind. Those who mean to leave it there are left alone.
pub async fn pay_again(shops: &[TestShop], visits: &Visits) {
    loop {
        tokio::time::sleep(PAYS_AGAIN_EVERY).await;
        for shop in shops {
            let (api, all) = (shop.api::<Order>(), ListParams::default());
            let Ok(Ok(orders)) = tokio::time::timeout(Duration::from_secs(6), api.list(&all)).await else {
                continue;
            };
            for order in orders.items.iter().filter(|order| visits.will_pay_again(order)) {
                let retry = order.spec.payment.as_ref().map_or(0, |payment| payment.retry) + 1;
                let patch =
                    Patch::Merge(json!({"metadata": {"resourceVersion": order.metadata.resource_version},
                                                "spec": {"payment": {"retry": retry}}}));
                let (name, parameters) =
                    (order.metadata.name.clone().unwrap_or_default(), PatchParams::default());
                let paying = api.patch(&name, &parameters, &patch);
                // One that changed meanwhile is looked at again.
                let _ = tokio::time::timeout(Duration::from_secs(6), paying).await;
            }
        }
    }
}

async fn visit(
    shop: &TestShop,
    articles: &Articles,
    customer: Customer,
    visits: &Visits,
) -> anyhow::Result<()> {
    let placed = place(shop, wanted(articles, customer)).await?;
    let known = Visit { customer, placed: placed.clone() };
    visits.visits.lock().unwrap_or_else(PoisonError::into_inner).push(known);
    let awaiting = Some(OrderPhase::AwaitingPayment);
    match customer.story {
        Story::DeclinedThenPays => {
            let patch = json!({"spec": {"payment": {"method": "pm_card_visa", "retry": 1}}});
            in_phase(shop, &placed, awaiting).await?;
            insist("pay by another card", || shop.change(&placed, patch.clone())).await.map(drop)
        }
        Story::Confirms => {
            in_phase(shop, &placed, awaiting).await?;
            insist("confirm at the bank", || async {
                let intents = shop.stack.intents(&placed.id).await?;
                if intents
                    .iter()
                    .any(|intent| intent.status == "succeeded" || intent.status == "requires_capture")
                {
                    return Ok(());
                }
                let waits = intents.iter().find(|intent| intent.status == "requires_action");
                shop.stack.authenticate(&waits.context("no payment waits for the bank")?.id, "complete").await
            })
            .await
        }
        Story::Cancels(after) => {
            tokio::time::sleep(Duration::from_millis(after)).await;
            insist("cancel", || shop.cancel(&placed)).await
        }
        Story::Deletes(after) => {
            tokio::time::sleep(Duration::from_millis(after)).await;
            insist("delete", || shop.delete(&placed)).await
        }
        Story::Plain
        | Story::Archived
        | Story::TooMuch
        | Story::LeavesItThere
        | Story::Silent
        | Story::Unavailable
        | Story::Undeliverable
        | Story::Lost
        | Story::Races => Ok(()),
    }
}

fn wanted(articles: &Articles, customer: Customer) -> OrderBuilder {
    let plain = || order().item(&articles.plenty, 1);
    match customer.story {
        Story::Plain | Story::Cancels(_) | Story::Deletes(_) => plain(),
        Story::Archived => plain().gone_after(3),
        Story::TooMuch => order().item(&articles.plenty, 1).item(&articles.scarce, 9),
        Story::DeclinedThenPays => plain().method("pm_card_visa_chargeDeclined"),
        Story::Confirms | Story::LeavesItThere => plain().method("pm_card_authenticationRequired"),
        Story::Silent => plain().method("pm_sandbox_timeout"),
        Story::Unavailable => plain().method("pm_sandbox_unavailable"),
        Story::Undeliverable => plain().to_street("UNDELIVERABLE 1"),
        Story::Lost => plain().to_street("LOST 1"),
        Story::Races => match articles.hot.get(customer.hot % articles.hot.len().max(1)) {
            Some(sku) => order().item(sku, 1),
            None => plain(),
        },
    }
}

/// Places an order under a name of its own, so that a create whose answer was lost is known again.
async fn place(shop: &TestShop, wanted: OrderBuilder) -> anyhow::Result<Placed> {
    let order = wanted.build();
    let name = order.metadata.name.clone().unwrap_or_default();
    let api = shop.api::<Order>();
    let created = insist("place an order", || async {
        match api.create(&PostParams::default(), &order).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(api.get(&name).await?),
            outcome => Ok(outcome?),
        }
    })
    .await?;
    shop.remember(&created)
}

async fn in_phase(shop: &TestShop, placed: &Placed, phase: Option<OrderPhase>) -> anyhow::Result<()> {
    insist("wait for the order", || async {
        let order = shop.api::<Order>().get(&placed.name).await?;
        let now = order.status.and_then(|status| status.phase);
        anyhow::ensure!(now == phase, "the order {} is {now:?}, not {phase:?}", placed.name);
        Ok(())
    })
    .await
}

/// Tries until it works; a refusal that will stay is not tried again.
async fn insist<T, F, Fut>(what: &str, mut attempt: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let deadline = Instant::now() + INSISTS;
    loop {
        let error = match tokio::time::timeout(Duration::from_secs(6), attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("no answer within 6 s"),
        };
        if is_refusal(&error) || Instant::now() > deadline {
            return Err(error.context(format!("failed to {what}")));
        }
        tokio::time::sleep(TURN).await;
    }
}

fn is_refusal(error: &anyhow::Error) -> bool {
    let status = error.chain().find_map(|cause| match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.code),
        Some(_) | None => None,
    });
    matches!(status, Some(400 | 403 | 404 | 405 | 410 | 422))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_a_function_of_the_seed_and_of_every_kind() {
        let length = Duration::from_secs(600);
        assert_eq!(customers(5, length, 60), customers(5, length, 60));
        let all = customers(5, length, 60);
        assert!((400..900).contains(&all.len()), "{}", all.len());
        let kinds: std::collections::BTreeSet<String> = all.iter().map(|one| one.story.name()).collect();
        assert_eq!(kinds.len(), 13, "{kinds:?}");
        assert!(all.iter().any(|one| one.shop == 1));
    }
}
