//! Goods and parcels.

use super::*;

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
fn a_parcel_that_was_settled_by_hand_is_no_finding() {
    let mut facts = completed();
    facts.parcel = Some(parcel(ShipmentPhase::Booked));
    assert_eq!(only(&facts).rule, Rule::NotSent);
    facts.live.as_mut().unwrap().by_hand.parcel = true;
    assert_eq!(rules(&facts), []);
}
