//! Money: one capture at most, and what is kept is what is owed, in our ledger and in the provider's books.

use std::time::Duration;

use jiff::Timestamp;
use resources::{OrderPhase, PaymentPhase};

use crate::audit::facts::{End, OrderFacts, Standing};
use crate::audit::finding::Finding;
use crate::audit::rule::Rule;

/// How long the provider may take to be asked before its being ahead of the ledger is a finding.
const SETTLES_WITHIN: Duration = Duration::from_secs(600);

pub(super) fn judge(facts: &OrderFacts, now: Timestamp) -> Vec<Finding> {
    [double_capture(facts), books(facts, now), owed(facts, now), promised(facts, now)]
        .into_iter()
        .flatten()
        .collect()
}

/// Minor units as people write them.
fn text(facts: &OrderFacts, minor_units: i64) -> String {
    let currency = facts.money.as_ref().and_then(|money| money.currency.parse().ok());
    let total = || facts.live.as_ref().and_then(|live| live.total).map(|total| total.currency());
    match currency.or_else(total) {
        Some(currency) => money::Money::from_minor_units(minor_units, currency).to_string(),
        None => format!("{minor_units} minor units"),
    }
}

/// True while payment is finding out what the provider did: for a time its ledger may be behind.
fn is_settling(facts: &OrderFacts, now: Timestamp) -> bool {
    facts.money.as_ref().is_some_and(|money| {
        let until = money.changed_at.checked_add(SETTLES_WITHIN).unwrap_or(Timestamp::MAX);
        money.is_open && now < until
    })
}

fn double_capture(facts: &OrderFacts) -> Option<Finding> {
    let here = facts.money.as_ref().map_or(0, |money| money.captures);
    let there = facts.provider.map_or(0, |provider| i64::from(provider.captures));
    let most = here.max(there);
    (most > 1).then(|| {
        let message = format!(
            "{most} charges of one order keep money ({here} by our ledger, {there} by the provider's books)"
        );
        Finding::new(Rule::DoubleCapture, message).instead(most, 1)
    })
}

fn books(facts: &OrderFacts, now: Timestamp) -> Option<Finding> {
    let provider = facts.provider?;
    let Some(money) = &facts.money else {
        if provider.is_nothing() {
            return None;
        }
        let held = text(facts, provider.captured - provider.refunded);
        let promised = text(facts, provider.authorized);
        let message = format!(
            "the provider keeps {held} (and promises {promised}) under an order id that was never charged for here"
        );
        return Some(Finding::new(Rule::ProviderStranger, message).instead(held, text(facts, 0)));
    };
    if is_settling(facts, now) || (provider.captured, provider.refunded) == (money.captured, money.refunded) {
        return None;
    }
    let told = |captured, refunded| {
        format!("{} taken and {} given back", text(facts, captured), text(facts, refunded))
    };
    let (there, here) = (told(provider.captured, provider.refunded), told(money.captured, money.refunded));
    let message = format!("the provider has {there}, our ledger {here}");
    Some(Finding::new(Rule::ProviderDiffers, message).instead(there, here))
}

fn owed(facts: &OrderFacts, now: Timestamp) -> Option<Finding> {
    let money = facts.money.as_ref();
    let kept = money.map_or(0, |money| money.captured - money.refunded);
    let refunded = money.map_or(0, |money| money.refunded);
    let of = |rule, message: String, owed: i64| {
        Some(Finding::new(rule, message).instead(text(facts, kept), text(facts, owed)))
    };
    let by_hand = facts.by_hand();
    // What was kept when a person settled it; what came on top of it is judged.
    if is_settling(facts, now) || by_hand.money.is_some_and(|settled| kept <= settled) {
        return None;
    }
    let phase = facts.phase().map_or_else(|| "unknown".to_owned(), |phase| phase.to_string());
    if facts.end() == Some(End::WithoutGoods) {
        let held = text(facts, kept);
        return (kept != 0)
            .then(|| {
                of(Rule::MoneyKept, format!("the order is {phase}, and {held} are kept of its payment"), 0)
            })
            .flatten();
    }
    let total = facts.total()?;
    if kept > total {
        let over = text(facts, kept - total);
        return of(Rule::Overpaid, format!("{over} more are kept than the order costs"), total);
    }
    // Goods that left are paid for; with capture on dispatch the promise stands for the money until it is taken.
    let promised = money.is_some_and(|money| money.phase == PaymentPhase::Authorized);
    let must_be_paid = match (facts.end(), facts.phase()) {
        (Some(End::WithGoods), _) => true,
        (None, Some(OrderPhase::Shipped)) => facts.standing() == Standing::Live && !promised,
        (None | Some(End::WithoutGoods), _) => false,
    };
    // Parts that staff gave back are owed no more, each once; all of it is a person's goodwill to say.
    let owed = total - money.map_or(0, |money| money.parts);
    let given_back = by_hand.goodwill && kept == 0 && refunded > 0;
    let paid = kept == owed || given_back;
    if !must_be_paid || paid {
        return None;
    }
    if kept > owed {
        let over = text(facts, kept - owed);
        return of(Rule::Overpaid, format!("{over} that were given back are kept all the same"), owed);
    }
    let missing = text(facts, owed - kept);
    of(Rule::Unpaid, format!("the order is {phase}, and {missing} of what it costs are not kept"), owed)
}

fn promised(facts: &OrderFacts, now: Timestamp) -> Option<Finding> {
    let provider = facts.provider.filter(|provider| provider.authorized > 0)?;
    // Without a row of ours it is a stranger's, found above.
    facts.money.as_ref()?;
    if facts.end() != Some(End::WithoutGoods) || is_settling(facts, now) || facts.by_hand().money.is_some() {
        return None;
    }
    let held = text(facts, provider.authorized);
    let phase = facts.phase().map_or_else(|| "unknown".to_owned(), |phase| phase.to_string());
    let message =
        format!("the order is {phase}, and the provider still promises {held} of the customer's money");
    Some(Finding::new(Rule::MoneyKept, message).instead(held, text(facts, 0)))
}
