//! The rules, each as a sentence.

mod charges;
mod goods;
mod history;
mod resource;

use std::collections::BTreeMap;
use std::time::Duration;

use inventory::audit::StockFacts;
use jiff::Timestamp;
use money::Money;
use orders::audit::{ByHand, HistoryFacts};
use payment::audit::{MoneyFacts, ProviderMoney};
use resources::OrderPhase::{self, *};
use resources::{PaymentPhase, ReservationPhase, ShipmentPhase};
use shipping::audit::ParcelFacts;

use super::judge;
use crate::audit::facts::{LiveChild, LiveOrder, OrderFacts};
use crate::audit::finding::{Child, Finding, Remedy};
use crate::audit::rule::Rule;

const ID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";
const PRICE: i64 = 3180;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// When the tests look: long after all that happened.
fn now() -> Timestamp {
    at(86_400)
}

fn total() -> Option<Money> {
    Some("31.80 EUR".parse().unwrap())
}

fn history(phases: &[OrderPhase]) -> HistoryFacts {
    let sequence = i64::try_from(phases.len()).unwrap();
    HistoryFacts {
        order_id: ID.into(),
        namespace: "shop".into(),
        name: "web-1001".into(),
        phase: phases.last().copied(),
        sequence,
        transitions: (1..).zip(phases.iter().copied()).collect(),
        total: total(),
        archived_sequence: None,
        by_hand: ByHand::default(),
        first_seen: at(0),
    }
}

fn live(phases: &[OrderPhase]) -> LiveOrder {
    LiveOrder {
        namespace: "shop".into(),
        name: "web-1001".into(),
        phase: phases.last().copied(),
        sequence: i64::try_from(phases.len()).unwrap(),
        reason: None,
        message: Some("The order is on its way.".into()),
        total: total(),
        by_hand: ByHand::default(),
        told: (1..).zip(phases.iter().copied()).collect(),
        created_at: Some(at(0)),
        due: None,
        reservation: Some(LiveChild { uid: "uid-stk".into(), revision: 3 }),
        payment: Some(LiveChild { uid: "uid-pay".into(), revision: 2 }),
        shipment: Some(LiveChild { uid: "uid-shp".into(), revision: 4 }),
    }
}

fn stock(phase: ReservationPhase) -> StockFacts {
    StockFacts {
        order_id: ID.into(),
        namespace: "shop".into(),
        name: "web-1001".into(),
        phase,
        pieces: 2,
        revision: 3,
        child: Some("uid-stk".into()),
        changed_at: at(0),
    }
}

fn money(phase: PaymentPhase, captured: i64, refunded: i64) -> MoneyFacts {
    MoneyFacts {
        order_id: ID.into(),
        namespace: "shop".into(),
        name: "web-1001".into(),
        phase,
        amount: PRICE,
        currency: "EUR".into(),
        captured,
        refunded,
        parts: 0,
        captures: i64::from(captured > refunded),
        is_open: false,
        revision: 2,
        child: Some("uid-pay".into()),
        changed_at: at(0),
    }
}

fn parcel(phase: ShipmentPhase) -> ParcelFacts {
    let is_live =
        !matches!(phase, ShipmentPhase::Rejected | ShipmentPhase::Cancelled | ShipmentPhase::Pending);
    ParcelFacts {
        order_id: ID.into(),
        namespace: "shop".into(),
        name: "web-1001".into(),
        phase: Some(phase),
        live_labels: i64::from(is_live),
        revision: Some(4),
        child: Some("uid-shp".into()),
        changed_at: at(0),
    }
}

fn provider(captured: i64, refunded: i64) -> Option<ProviderMoney> {
    let captures = u32::from(captured > refunded);
    Some(ProviderMoney { captured, refunded, authorized: 0, captures })
}

const HAPPY: [OrderPhase; 5] = [Placed, Reserved, Paid, Shipped, Completed];
const UNDELIVERABLE: [OrderPhase; 5] = [Placed, Reserved, Paid, Compensating, Failed];

fn of(phases: &[OrderPhase]) -> OrderFacts {
    OrderFacts {
        id: ID.into(),
        live: Some(live(phases)),
        history: Some(history(phases)),
        provider: provider(0, 0),
        ..OrderFacts::default()
    }
}

fn completed() -> OrderFacts {
    OrderFacts {
        stock: Some(stock(ReservationPhase::Committed)),
        money: Some(money(PaymentPhase::Captured, PRICE, 0)),
        parcel: Some(parcel(ShipmentPhase::Delivered)),
        provider: provider(PRICE, 0),
        ..of(&HAPPY)
    }
}

fn failed() -> OrderFacts {
    OrderFacts {
        stock: Some(stock(ReservationPhase::Released)),
        money: Some(money(PaymentPhase::Refunded, PRICE, PRICE)),
        parcel: Some(parcel(ShipmentPhase::Rejected)),
        provider: provider(PRICE, PRICE),
        ..of(&UNDELIVERABLE)
    }
}

/// As after the archive: the resource is gone, its snapshot is kept.
fn archived(mut facts: OrderFacts) -> OrderFacts {
    facts.live = None;
    if let Some(history) = &mut facts.history {
        history.archived_sequence = Some(history.sequence);
    }
    facts
}

/// Known to those who hold something for it alone.
fn unknown(mut facts: OrderFacts) -> OrderFacts {
    (facts.live, facts.history) = (None, None);
    facts
}

fn rules(facts: &OrderFacts) -> Vec<Rule> {
    judge(facts, now()).into_iter().map(|finding| finding.rule).collect()
}

fn only(facts: &OrderFacts) -> Finding {
    let mut findings = judge(facts, now());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn an_order_of_which_everything_holds_has_no_findings() {
    for facts in [completed(), failed()] {
        assert_eq!(judge(&facts, now()), []);
        assert_eq!(judge(&archived(facts), now()), []);
    }
    assert_eq!(judge(&OrderFacts { id: ID.into(), ..OrderFacts::default() }, now()), []);
}

#[test]
fn an_order_that_is_rejected_or_out_of_stock_holds_nothing() {
    let childless = |phases: &[OrderPhase]| {
        let live = LiveOrder { reservation: None, payment: None, shipment: None, ..live(phases) };
        OrderFacts { live: Some(live), ..of(phases) }
    };
    assert_eq!(rules(&childless(&[Rejected])), []);
    let short =
        OrderFacts { stock: Some(stock(ReservationPhase::Insufficient)), ..childless(&[Placed, Failed]) };
    assert_eq!(rules(&short), []);
}
