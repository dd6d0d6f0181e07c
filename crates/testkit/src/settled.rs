//! What must always hold (design, section 7), checked for every order of a shop against the outside world's own books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use anyhow::Context as _;
use events::questions::HistoryEvent;
use resources::{Order, OrderPhase};

use crate::books;
use crate::history::{History, transitions};
use crate::mailbox::{letter_in, letter_of};
use crate::shop::{Placed, TestShop};
use crate::stock::Level;
use crate::waiting::eventually;

/// How often a mail may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mails {
    /// Once: nothing was killed.
    Once,
    /// A process that is killed after the mail server took a mail, and before it has noted so, sends it again.
    AtLeastOnce,
}

/// An order that is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its last transition: `order.completed`.
    pub end: String,
    /// The goods that have left the house for it: article and quantity.
    pub goods: Vec<(String, i64)>,
}

impl TestShop {
    /// Checks, once every order placed here has ended: the stock is right to the unit, the provider keeps exactly what is
    /// owed, the history has no gap and is the status's, event ids are unique, every mail came and none twice.
    ///
    /// # Errors
    /// With the first thing that does not come to hold.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut kept: BTreeMap<String, i64> = BTreeMap::new();
        for order in &orders {
            for (sku, quantity) in self.settled_order(order, Mails::Once).await?.goods {
                *kept.entry(sku).or_default() += quantity;
            }
        }
        let articles = self.articles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (sku, stock) in &articles {
            let expected = Level::of(stock - kept.get(sku).copied().unwrap_or_default(), 0);
            self.stock_becomes(sku, expected).await?;
        }
        Ok(())
    }

    /// Checks one order that has ended, by the same rules.
    ///
    /// # Errors
    /// With the first thing that does not come to hold, and all that is known of the order.
    pub async fn settled_order(&self, order: &Placed, mails: Mails) -> anyhow::Result<Settled> {
        let checking = async {
            let history = self.settled_history(order).await?;
            self.settled_outside(order, &history, mails).await?;
            let last = transitions(&history).pop().context("there is no transition")?.event.clone();
            let goods = if goods_left(&history) { sold(order, &history) } else { Vec::new() };
            Ok(Settled { end: last, goods })
        };
        match checking.await {
            Ok(settled) => Ok(settled),
            Err(error) => Err(self.about(order, error).await),
        }
    }

    /// Waits until the stock of an article is that.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn stock_becomes(&self, sku: &str, expected: Level) -> anyhow::Result<()> {
        eventually("the stock is right to the unit", || async {
            let level = self.stack.stock(sku).await?;
            anyhow::ensure!(level == expected, "the stock of {sku} is {level:?}, it should be {expected:?}");
            Ok(())
        })
        .await
    }

    /// Waits until the provider holds exactly that of an order.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn money_becomes(&self, order: &Placed, captured: i64, refunded: i64) -> anyhow::Result<()> {
        eventually("the provider's books are right", || async {
            let money = self.stack.money(&order.id).await?;
            let expected = books::Money { captured, refunded, authorized: 0 };
            anyhow::ensure!(
                money == expected,
                "the provider holds {money:?} of {}, not {expected:?}",
                order.name
            );
            Ok(())
        })
        .await
    }

    async fn about(&self, order: &Placed, error: anyhow::Error) -> anyhow::Error {
        let told = self.describe(&order.name).await;
        anyhow::anyhow!("the order {} is not settled: {error:#}\n{told}", order.name)
    }

    /// The history once it has all transitions to an end.
    async fn settled_history(&self, order: &Placed) -> anyhow::Result<History> {
        eventually("the history tells the order's end, without a gap", || async {
            let history = self.history_of(order).await?;
            let transitions = transitions(&history);
            let sequences: Vec<i64> = transitions.iter().filter_map(|event| event.sequence).collect();
            let wanted: Vec<i64> = (1..).take(transitions.len()).collect();
            anyhow::ensure!(sequences == wanted, "the sequences are {sequences:?}, not {wanted:?}");
            let last = transitions.last().context("there is no transition")?;
            anyhow::ensure!(is_end(last), "the last transition is {} ({:?})", last.event, last.reason);
            let ids: BTreeSet<&str> = history.events.iter().map(|event| event.id.as_str()).collect();
            anyhow::ensure!(ids.len() == history.events.len(), "the ids of events are not unique: {ids:?}");
            if let Some(live) = self.api::<Order>().get_opt(&order.name).await?
                && resources::order_id(&live).as_deref() == Some(order.id.as_str())
            {
                same_as_status(&live, &transitions)?;
            }
            Ok(history)
        })
        .await
    }

    /// The history of this very order, which another one of the same name may have followed.
    ///
    /// # Errors
    /// When `orders` does not know it.
    pub async fn history_of(&self, order: &Placed) -> anyhow::Result<History> {
        let history = self.stack.history(&self.namespace, &order.name).await?;
        let known = history.order_id.as_deref();
        anyhow::ensure!(
            known == Some(&order.id),
            "orders knows {known:?} by the name {}, not {}",
            order.name,
            order.id
        );
        Ok(history)
    }

    async fn settled_outside(&self, order: &Placed, history: &History, mails: Mails) -> anyhow::Result<()> {
        let last = transitions(history).pop().context("there is no transition")?;
        let completed = last.event == "order.completed";
        let owed = if completed { total(last).context("a completed order without a total")? } else { 0 };
        eventually("the provider keeps exactly what is owed", || async {
            let money = self.stack.money(&order.id).await?;
            let net = money.captured - money.refunded;
            anyhow::ensure!(net == owed, "the provider keeps {net}, owed are {owed} ({money:?})");
            anyhow::ensure!(money.authorized == 0, "the provider still promises {}", money.authorized);
            let captures =
                self.stack.intents(&order.id).await?.iter().filter(|one| one.amount_received > 0).count();
            let most = if money.refunded > 0 { 2 } else { 1 };
            anyhow::ensure!(captures <= most, "{captures} captures for one order");
            Ok(())
        })
        .await?;
        eventually("every mail has come", || self.mails_are_right(order, history, mails)).await?;
        let live = self.stack.parcels(&order.id).await?;
        let void = ["cancelled", "return_to_sender", "error"];
        let travelling = live.iter().filter(|parcel| !void.contains(&parcel.status.as_str())).count();
        anyhow::ensure!(
            travelling == usize::from(completed),
            "{travelling} parcels are with the carrier: {live:?}"
        );
        Ok(())
    }

    async fn mails_are_right(&self, order: &Placed, history: &History, rule: Mails) -> anyhow::Result<()> {
        let mails = self.stack.mails(&order.id).await?;
        let mut came: Vec<&str> = mails.iter().map(|mail| letter_in(&mail.subject)).collect();
        let letter = |event: &HistoryEvent| letter_of(&event.event, event.reason.as_deref());
        let mut wanted: Vec<&str> = history.events.iter().filter_map(letter).collect();
        came.sort_unstable();
        wanted.sort_unstable();
        if rule == Mails::AtLeastOnce {
            came.dedup();
            wanted.dedup();
        }
        anyhow::ensure!(came == wanted, "the mails are {came:?}, they should be {wanted:?}");
        let astray: Vec<_> = mails.iter().filter(|mail| mail.to != [order.email.clone()]).collect();
        anyhow::ensure!(astray.is_empty(), "mails went to others than {}: {astray:?}", order.email);
        Ok(())
    }
}

fn is_end(event: &HistoryEvent) -> bool {
    matches!(event.event.as_str(), "order.completed" | "order.failed" | "order.cancelled" | "order.rejected")
}

/// The status tells the last twenty transitions, as the history does.
fn same_as_status(order: &Order, transitions: &[&HistoryEvent]) -> anyhow::Result<()> {
    let status = order.status.as_ref().context("an ended order without a status")?;
    let told: Vec<_> = status
        .history
        .iter()
        .map(|entry| (entry.sequence, entry.phase.as_str(), entry.reason.as_deref()))
        .collect();
    let first = transitions.len().saturating_sub(told.len());
    let kept: Vec<_> = transitions
        .iter()
        .skip(first)
        .map(|event| {
            (event.sequence.unwrap_or(0), event.phase.as_deref().unwrap_or(""), event.reason.as_deref())
        })
        .collect();
    anyhow::ensure!(told == kept, "the status tells {told:?}, the history {kept:?}");
    anyhow::ensure!(
        status.sequence == i64::try_from(transitions.len())?,
        "the status counts {}",
        status.sequence
    );
    let finished = status.phase.is_some_and(OrderPhase::is_finished);
    let condition = resources::find_condition(&status.conditions, "Finished").map(|one| one.status.as_str());
    anyhow::ensure!(finished && condition == Some("True"), "it has ended, and Finished is {condition:?}");
    Ok(())
}

/// True when the goods left the house for good: delivered, or lost on the way.
fn goods_left(history: &History) -> bool {
    let ended = transitions(history).pop().map(|event| event.event.clone());
    let lost = history.events.iter().any(|event| event.event == "shipment.lost");
    ended.as_deref() == Some("order.completed") || lost
}

fn total(event: &HistoryEvent) -> Option<i64> {
    serde_json::from_value::<money::Money>(event.data.get("total")?.clone())
        .ok()
        .map(|total| total.minor_units())
}

/// What was sold in the end: the quote's lines, which may be others than were ordered first.
fn sold(order: &Placed, history: &History) -> Vec<(String, i64)> {
    let lines = transitions(history).pop().and_then(|event| event.data.get("lines").cloned());
    let lines: Vec<resources::Line> =
        lines.and_then(|lines| serde_json::from_value(lines).ok()).unwrap_or_default();
    if lines.is_empty() {
        return order.items.iter().map(|item| (item.sku.clone(), i64::from(item.quantity))).collect();
    }
    lines.into_iter().map(|line| (line.sku, i64::from(line.quantity))).collect()
}
