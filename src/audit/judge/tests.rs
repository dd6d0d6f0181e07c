//! The rules, each as a sentence.

use std::collections::BTreeMap;
use std::time::Duration;

use inventory::audit::StockFacts;
use jiff::Timestamp;
use money::Money;
use orders::audit::HistoryFacts;
use payment::audit::{MoneyFacts, ProviderMoney};
use resources::OrderPhase::{self, *};
use resources::{PaymentPhase, ReservationPhase, ShipmentPhase};
use shipping::audit::ParcelFacts;

use super::history::may_follow;
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

#[test]
fn goods_held_for_an_order_that_nobody_knows_are_released() {
    let mut facts = unknown(failed());
    facts.stock = Some(stock(ReservationPhase::Held));
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::HoldWithoutOrder);
    assert_eq!(finding.message, "2 pieces are held for an order that nobody knows");
    assert_eq!((finding.found.as_deref(), finding.expected.as_deref()), (Some("2"), Some("0")));
    assert_eq!(finding.remedy, Some(Remedy::Release));
    assert_eq!(finding.order.unwrap().place.unwrap().name, "web-1001");
}

#[test]
fn an_order_that_only_services_tell_of_is_known_to_nobody() {
    let mut facts = unknown(failed());
    facts.stock = Some(stock(ReservationPhase::Held));
    facts.history = Some(HistoryFacts { phase: None, total: None, ..history(&[]) });
    assert_eq!(only(&facts).rule, Rule::HoldWithoutOrder);
}

#[test]
fn goods_held_for_an_order_that_ended_without_them_are_released_and_for_one_that_has_them_booked_out() {
    for ended in [failed(), archived(failed())] {
        let finding = only(&OrderFacts { stock: Some(stock(ReservationPhase::Held)), ..ended });
        assert_eq!((finding.rule, finding.remedy), (Rule::HoldOfEnded, Some(Remedy::Release)));
        assert_eq!(finding.message, "the order is Failed, and 2 pieces are still held for it");
    }
    for ended in [completed(), archived(completed())] {
        let finding = only(&OrderFacts { stock: Some(stock(ReservationPhase::Held)), ..ended });
        assert_eq!((finding.rule, finding.remedy), (Rule::NotBookedOut, Some(Remedy::BookOut)));
    }
}

#[test]
fn goods_of_a_lost_order_are_not_put_back_while_its_label_is_live() {
    let mut facts = of(&[Placed, Reserved, Paid]);
    facts.live = None;
    facts.stock = Some(stock(ReservationPhase::Held));
    facts.money = Some(money(PaymentPhase::Captured, PRICE, 0));
    facts.provider = provider(PRICE, 0);
    let remedy = |facts: &OrderFacts| {
        let held = judge(facts, now()).into_iter().find(|finding| finding.rule == Rule::HoldWithoutOrder);
        held.unwrap().remedy
    };
    assert_eq!(rules(&facts), [Rule::HoldWithoutOrder, Rule::OrderLost]);
    assert_eq!(remedy(&facts), Some(Remedy::Release));
    facts.parcel = Some(parcel(ShipmentPhase::Booked));
    assert_eq!(remedy(&facts), None);
}

#[test]
fn goods_booked_out_for_an_order_without_goods_are_gone_unless_the_carrier_lost_them() {
    let gone = OrderFacts { stock: Some(stock(ReservationPhase::Committed)), ..failed() };
    assert_eq!(only(&gone).rule, Rule::GoodsGone);
    let lost = OrderFacts { parcel: Some(parcel(ShipmentPhase::Lost)), ..gone };
    assert_eq!(rules(&lost), []);
}

#[test]
fn a_completed_order_without_goods_booked_out_is_named_whatever_inventory_says() {
    for phase in [ReservationPhase::Insufficient, ReservationPhase::Released, ReservationPhase::Expired] {
        assert_eq!(
            only(&OrderFacts { stock: Some(stock(phase)), ..completed() }).rule,
            Rule::NotBookedOut,
            "{phase:?}"
        );
    }
    let mut nothing = completed();
    nothing.stock = None;
    assert_eq!(rules(&nothing), [Rule::NotBookedOut, Rule::LedgerBehind]);
}

#[test]
fn a_paid_order_without_its_goods_is_named() {
    let facts = OrderFacts {
        stock: Some(stock(ReservationPhase::Released)),
        money: Some(money(PaymentPhase::Captured, PRICE, 0)),
        provider: provider(PRICE, 0),
        parcel: Some(parcel(ShipmentPhase::Pending)),
        ..of(&[Placed, Reserved, Paid])
    };
    assert_eq!(only(&facts).rule, Rule::PaidWithoutGoods);
    assert_eq!(rules(&OrderFacts { stock: Some(stock(ReservationPhase::Held)), ..facts }), []);
}

#[test]
fn an_order_counts_as_delivered_only_when_its_parcel_has_left() {
    for phase in [ShipmentPhase::Booked, ShipmentPhase::Cancelled, ShipmentPhase::Rejected] {
        assert_eq!(
            only(&OrderFacts { parcel: Some(parcel(phase)), ..completed() }).rule,
            Rule::NotSent,
            "{phase:?}"
        );
    }
    // Completed at dispatch: what becomes of the parcel later is between customer and carrier.
    for phase in [ShipmentPhase::InTransit, ShipmentPhase::Exception, ShipmentPhase::Lost] {
        assert_eq!(rules(&OrderFacts { parcel: Some(parcel(phase)), ..completed() }), [], "{phase:?}");
    }
}

#[test]
fn a_parcel_of_an_order_without_goods_must_be_void_lost_or_returned() {
    for phase in [ShipmentPhase::Booked, ShipmentPhase::InTransit, ShipmentPhase::Delivered] {
        let facts = OrderFacts { parcel: Some(parcel(phase)), ..failed() };
        assert_eq!(only(&facts).rule, Rule::ParcelTravels, "{phase:?}");
        assert_eq!(only(&unknown(facts)).rule, Rule::ParcelTravels, "{phase:?}");
    }
    for phase in [ShipmentPhase::Lost, ShipmentPhase::Returned, ShipmentPhase::Cancelled] {
        assert_eq!(rules(&OrderFacts { parcel: Some(parcel(phase)), ..failed() }), [], "{phase:?}");
    }
    let mut two = completed();
    two.parcel.as_mut().unwrap().live_labels = 2;
    assert_eq!(only(&two).rule, Rule::TwoParcels);
}

#[test]
fn two_charges_that_keep_money_are_found_in_our_ledger_or_the_providers() {
    let mut here = completed();
    here.money =
        Some(MoneyFacts { captures: 2, captured: 2 * PRICE, ..money(PaymentPhase::Captured, PRICE, 0) });
    assert_eq!(rules(&here), [Rule::DoubleCapture, Rule::ProviderDiffers, Rule::Overpaid]);
    let mut there = completed();
    there.provider = Some(ProviderMoney { captured: 2 * PRICE, captures: 2, ..ProviderMoney::default() });
    let findings = judge(&there, now());
    assert_eq!(findings[0].rule, Rule::DoubleCapture);
    assert_eq!(
        findings[1].message,
        "the provider has 63.60 EUR taken and 0.00 EUR given back, our ledger 31.80 EUR taken and 0.00 EUR given back"
    );
    // An earlier attempt that was given back is none.
    let mut again = completed();
    again.money = Some(money(PaymentPhase::Captured, 2 * PRICE, PRICE));
    again.provider = Some(ProviderMoney { captured: 2 * PRICE, refunded: PRICE, authorized: 0, captures: 1 });
    assert_eq!(rules(&again), []);
}

#[test]
fn the_provider_may_be_ahead_only_while_it_is_being_asked() {
    let mut facts = failed();
    facts.money =
        Some(MoneyFacts { is_open: true, changed_at: at(86_395), ..money(PaymentPhase::Unknown, 0, 0) });
    facts.provider = provider(PRICE, 0);
    assert_eq!(rules(&facts), []);
    facts.money.as_mut().unwrap().changed_at = at(86_400 - 601);
    assert_eq!(only(&facts).rule, Rule::ProviderDiffers);
}

#[test]
fn money_at_the_provider_under_an_unknown_order_id_is_a_strangers() {
    let facts = OrderFacts { id: "nobody".into(), provider: provider(500, 0), ..OrderFacts::default() };
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::ProviderStranger);
    assert_eq!(
        (finding.found.as_deref(), finding.order.unwrap().id.as_str()),
        (Some("500 minor units"), "nobody")
    );
}

#[test]
fn nothing_is_kept_of_an_order_that_ended_without_goods() {
    let mut facts = failed();
    facts.money = Some(money(PaymentPhase::Captured, PRICE, 1000));
    facts.provider = provider(PRICE, 1000);
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::MoneyKept);
    assert_eq!(finding.message, "the order is Failed, and 21.80 EUR are kept of its payment");
    assert_eq!(finding.remedy, None, "money is never moved by a repair");
    assert_eq!(only(&unknown(facts)).rule, Rule::MoneyKept);
}

#[test]
fn a_promise_that_outlives_its_order_is_money_kept() {
    let mut facts = failed();
    facts.money = Some(money(PaymentPhase::Voided, 0, 0));
    facts.provider = Some(ProviderMoney { authorized: PRICE, ..ProviderMoney::default() });
    assert_eq!(only(&facts).rule, Rule::MoneyKept);
}

#[test]
fn what_was_delivered_is_paid_but_for_a_part_that_was_given_back() {
    let mut facts = completed();
    facts.money = Some(money(PaymentPhase::Voided, 0, 0));
    facts.provider = provider(0, 0);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
    assert_eq!(only(&facts).message, "the order is Completed, and 31.80 EUR of what it costs are not kept");
    facts.money = Some(money(PaymentPhase::Refunded, PRICE, PRICE));
    facts.provider = provider(PRICE, PRICE);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
    facts.money = Some(money(PaymentPhase::Captured, PRICE, 500));
    facts.provider = provider(PRICE, 500);
    assert_eq!(rules(&facts), []);
    facts.money = Some(money(PaymentPhase::Captured, PRICE - 500, 0));
    facts.provider = provider(PRICE - 500, 0);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
}

#[test]
fn an_order_on_its_way_is_paid_or_promised() {
    let phases = [Placed, Reserved, Paid, Shipped];
    let mut facts = OrderFacts { parcel: Some(parcel(ShipmentPhase::InTransit)), ..completed() };
    (facts.live, facts.history) = (Some(live(&phases)), Some(history(&phases)));
    assert_eq!(rules(&facts), []);
    facts.provider = provider(0, 0);
    facts.money = Some(money(PaymentPhase::Authorized, 0, 0));
    assert_eq!(rules(&facts), []);
    facts.money = Some(money(PaymentPhase::Declined, 0, 0));
    assert_eq!(only(&facts).rule, Rule::Unpaid);
}

#[test]
fn without_the_providers_books_our_ledger_is_judged_alone() {
    let mut facts = completed();
    facts.provider = None;
    assert_eq!(rules(&facts), []);
    facts.money = Some(money(PaymentPhase::Captured, 2 * PRICE, 0));
    assert_eq!(only(&facts).rule, Rule::Overpaid);
}

#[test]
fn an_order_that_is_neither_there_nor_archived_is_lost() {
    for facts in [completed(), failed()] {
        assert_eq!(only(&OrderFacts { live: None, ..facts }).rule, Rule::OrderLost);
    }
}

#[test]
fn missing_transitions_are_named_and_told_again() {
    let mut facts = completed();
    facts.history.as_mut().unwrap().transitions.retain(|sequence, _| ![2, 4].contains(sequence));
    let finding = only(&facts);
    assert_eq!(finding.message, "the history misses 2 of 5 transitions: 2, 4");
    assert_eq!(finding.remedy, Some(Remedy::Retell(vec![2, 4])));
    assert_eq!(only(&archived(facts)).rule, Rule::HistoryGap);
}

#[test]
fn what_the_resource_tells_and_the_history_never_heard_is_missing_too() {
    let mut facts = completed();
    facts.history = Some(history(&HAPPY[..3]));
    assert_eq!(only(&facts).remedy, Some(Remedy::Retell(vec![4, 5])));
    facts.history = None;
    assert_eq!(only(&facts).remedy, Some(Remedy::Retell(vec![1, 2, 3, 4, 5])));
}

#[test]
fn only_the_state_machines_ways_are_gone() {
    let mut facts = completed();
    let skipping = [Placed, Reserved, Shipped, Completed];
    (facts.live, facts.history) = (Some(live(&skipping)), Some(history(&skipping)));
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::PhaseSkipped);
    assert_eq!(
        finding.message,
        "transition 3 goes from Reserved to Shipped, which the state machine does not allow"
    );
    assert!(may_follow(None, Placed) && !may_follow(None, Paid));
    assert!(may_follow(Some(Stuck), Compensating) && !may_follow(Some(Stuck), Placed));
    for end in [Completed, Rejected, Failed, Cancelled] {
        assert!(!may_follow(Some(end), Compensating), "an end is an end");
    }
}

#[test]
fn two_tellings_of_one_transition_are_a_contradiction() {
    let mut facts = completed();
    facts.history.as_mut().unwrap().transitions.insert(5, Compensating);
    let found: Vec<Finding> = judge(&facts, now());
    let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "transition 5 is Compensating in the history and Completed in the index",
            "transition 5 is Compensating in the history and Completed in the resource",
        ]
    );
}

#[test]
fn a_resource_that_stays_behind_the_history_is_named() {
    let mut facts = completed();
    facts.live = Some(live(&HAPPY[..3]));
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::ResourceBehind);
    assert_eq!(
        finding.message,
        "the resource shows Paid (transition 3), the history has Completed (transition 5)"
    );
}

#[test]
fn a_status_behind_its_ledger_is_reported_again_and_one_ahead_is_a_loss() {
    let mut facts = completed();
    facts.live.as_mut().unwrap().payment.as_mut().unwrap().revision = 1;
    let finding = only(&facts);
    assert_eq!(
        (finding.rule, finding.remedy),
        (Rule::StatusBehind, Some(Remedy::ReportAgain(Child::Payment)))
    );
    assert_eq!(finding.message, "the Payment shows report 1, the ledger of payment is at 2");
    facts.live.as_mut().unwrap().payment.as_mut().unwrap().revision = 9;
    let finding = only(&facts);
    assert_eq!((finding.rule, finding.remedy), (Rule::LedgerBehind, None));
    // The ledger answers another child: that of a later order of the name.
    facts.money.as_mut().unwrap().child = Some("uid-of-another".into());
    assert_eq!(rules(&facts), []);
}

#[test]
fn an_unfinished_order_says_what_it_waits_for() {
    let mut facts = of(&[Placed]);
    facts.live = Some(LiveOrder {
        message: None,
        reservation: None,
        payment: None,
        shipment: None,
        ..live(&[Placed])
    });
    assert_eq!(only(&facts).rule, Rule::NoReason);
    facts.live.as_mut().unwrap().created_at = Some(at(86_400 - 30));
    assert_eq!(rules(&facts), [], "a new one has a minute");
    facts.live.as_mut().unwrap().created_at = Some(at(0));
    facts.live.as_mut().unwrap().reason = Some("Suspended".into());
    assert_eq!(rules(&facts), []);
    let mut unquoted = OrderFacts { history: None, ..facts };
    unquoted.live =
        Some(LiveOrder { message: None, reservation: None, payment: None, shipment: None, ..live(&[]) });
    assert_eq!(only(&unquoted).message, "the order is not quoted yet and does not say what it waits for");
}

#[test]
fn a_phase_past_its_deadline_is_overdue_after_a_minute() {
    let mut facts = of(&[Placed]);
    let waiting = LiveOrder { reservation: None, payment: None, shipment: None, ..live(&[Placed]) };
    facts.live = Some(LiveOrder { due: Some(at(86_400 - 59)), ..waiting.clone() });
    assert_eq!(rules(&facts), []);
    facts.live = Some(LiveOrder { due: Some(at(86_400 - 61)), ..waiting });
    assert_eq!(only(&facts).rule, Rule::Overdue);
    assert!(
        only(&facts)
            .message
            .starts_with("the order is Placed (without a reason), and that should have been over by ")
    );
}

#[test]
fn a_finding_does_not_change_with_the_time_at_which_it_is_found() {
    let later = now() + Duration::from_secs(3);
    let mut facts = of(&[Placed]);
    facts.live = Some(LiveOrder { due: Some(at(0)), ..live(&[Placed]) });
    assert!(!judge(&facts, now()).is_empty());
    assert_eq!(judge(&facts, now()), judge(&facts, later));
    let transitions: BTreeMap<i64, OrderPhase> = BTreeMap::from([(1, Placed)]);
    assert_eq!(facts.history.unwrap().transitions, transitions);
}
