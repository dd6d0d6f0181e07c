use super::*;
use crate::line::fixtures::line;

const HASH: &[u8] = b"this request";
const OTHER: &[u8] = b"another request";

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn placed() -> Placed {
    Placed { id: "o-1".into(), name: "web-1".into(), phase: None }
}

fn closed(ago: SignedDuration, outcome: Outcome) -> Closed {
    Closed { cart: Uuid::nil(), closed_at: now() - ago, request_hash: HASH.to_vec(), outcome }
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn judged(lines: &[Line], newest: Option<&Closed>, hash: &[u8]) -> Verdict {
    judge(Situation { lines, by_key: None, newest, pending: 0 }, None, hash, now())
}

fn judged_by_key(lines: &[Line], earlier: &Closed, hash: &[u8]) -> Verdict {
    let situation = Situation { lines, by_key: Some(earlier), newest: Some(earlier), pending: 0 };
    judge(situation, Some("key"), hash, now())
}

const EMPTY: Verdict = Verdict::Refuse(CheckoutRefusal::Empty);
const FOLLOW: Verdict = Verdict::Follow { cart: Uuid::nil(), by_key: false };
const FOLLOW_BY_KEY: Verdict = Verdict::Follow { cart: Uuid::nil(), by_key: true };

#[test]
fn a_cart_with_lines_is_closed_also_right_after_another_one() {
    let lines = [line("MUG-01", 1, "10.00 EUR")];
    let earlier = closed(seconds(1), Outcome::Placed(placed()));
    assert_eq!(judged(&lines, None, HASH), Verdict::Close);
    assert_eq!(judged(&lines, Some(&earlier), HASH), Verdict::Close);
}

#[test]
fn who_finds_the_cart_just_closed_by_the_same_request_gets_its_answer() {
    let of_age = |age, outcome| judged(&[], Some(&closed(seconds(age), outcome)), HASH);
    assert_eq!(of_age(59, Outcome::Placed(placed())), FOLLOW);
    assert_eq!(of_age(60, Outcome::Placed(placed())), EMPTY);
    assert_eq!(of_age(59, Outcome::Refused("no".into())), FOLLOW);
    assert_eq!(of_age(100_000, Outcome::Pending), FOLLOW, "one that is still under way is never over");
    assert_eq!(judged(&[], None, HASH), EMPTY);
}

#[test]
fn another_request_is_not_answered_with_an_order_that_it_did_not_ask_for() {
    let earlier = closed(seconds(1), Outcome::Placed(placed()));
    assert_eq!(judged(&[], Some(&earlier), OTHER), EMPTY);
    let situation = Situation { lines: &[], by_key: None, newest: Some(&earlier), pending: 0 };
    assert_eq!(judge(situation, Some("a new key"), HASH, now()), EMPTY);
}

#[test]
fn a_key_stands_for_its_request_for_a_day_whatever_is_in_the_cart() {
    let lines = [line("MUG-01", 1, "10.00 EUR")];
    for outcome in [Outcome::Pending, Outcome::Placed(placed()), Outcome::Refused("no".into())] {
        let earlier = closed(seconds(86_399), outcome);
        assert_eq!(judged_by_key(&lines, &earlier, HASH), FOLLOW_BY_KEY);
        assert_eq!(judged_by_key(&[], &earlier, HASH), FOLLOW_BY_KEY);
        let refused = Verdict::Refuse(CheckoutRefusal::KeyUsed);
        assert_eq!(judged_by_key(&lines, &earlier, OTHER), refused);
    }
    let old = closed(seconds(86_400), Outcome::Placed(placed()));
    assert_eq!(judged_by_key(&lines, &old, OTHER), Verdict::Close, "the key is free again");
    assert_eq!(judged_by_key(&[], &closed(seconds(1_000_000), Outcome::Pending), HASH), FOLLOW_BY_KEY);
}

#[test]
fn what_no_order_can_be_is_refused_before_anything_is_closed() {
    let refusal = |lines: &[Line]| match judged(lines, None, HASH) {
        Verdict::Refuse(refusal) => refusal.to_string(),
        Verdict::Close | Verdict::Follow { .. } => String::new(),
    };
    let gone = Line { gone: true, ..line("MUG-02", 1, "10.00 EUR") };
    assert!(refusal(&[line("MUG-01", 1, "10.00 EUR"), gone]).contains("MUG-02"));
    assert!(refusal(&[line("A", 1, "1.00 EUR"), line("B", 1, "1.00 USD")]).contains("several currencies"));
    let many: Vec<Line> = (0..=MOST_LINES).map(|n| line(&format!("MUG-{n}"), 1, "1.00 EUR")).collect();
    assert!(refusal(&many).contains("101 articles"));
    assert_eq!(judged(&many[..MOST_LINES], None, HASH), Verdict::Close);
}

#[test]
fn carts_do_not_pile_up_while_none_can_be_placed() {
    let lines = [line("MUG-01", 1, "10.00 EUR")];
    let with =
        |pending| judge(Situation { lines: &lines, by_key: None, newest: None, pending }, None, HASH, now());
    assert_eq!(with(9), Verdict::Close);
    assert_eq!(with(10), Verdict::Refuse(CheckoutRefusal::Waiting(10)));
}

#[test]
fn an_answer_settles_a_checkout_once_and_an_order_that_is_there_always_counts() {
    let refused = || Outcome::Refused("no".into());
    let (yes, no) = (Answer::Placed(placed()), Answer::Refused("no".into()));
    assert_eq!(settle(&Outcome::Pending, &yes), Settle::AsPlaced);
    assert_eq!(settle(&Outcome::Pending, &no), Settle::AsRefused);
    assert_eq!(settle(&Outcome::Placed(placed()), &yes), Settle::Not);
    assert_eq!(settle(&Outcome::Placed(placed()), &no), Settle::Not);
    assert_eq!(settle(&refused(), &no), Settle::Not);
    assert_eq!(settle(&refused(), &yes), Settle::AsPlaced);
}

#[test]
fn the_shopper_sees_what_became_of_a_checkout_that_was_kept() {
    let told = |age, outcome| notice(Some(&closed(seconds(age), outcome)), now());
    assert_eq!(told(1_000_000, Outcome::Pending), Some(Notice::Placing));
    assert_eq!(told(60, Outcome::Refused("no".into())), Some(Notice::Refused("no".into())));
    assert_eq!(told(86_400, Outcome::Refused("no".into())), None);
    assert_eq!(told(60, Outcome::Placed(placed())), None);
    assert_eq!(notice(None, now()), None);
}

#[test]
fn the_order_is_the_lines_and_what_was_asked_for() {
    let request = r#"{"shippingAddress": {"name": "A", "line1": "1 High Street", "city": "Berlin", "country": "DE"},
        "payment": {"method": "pm_card_visa"}}"#;
    let request: CheckoutRequest = serde_json::from_str(request).unwrap();
    let order = request.order(&[line("MUG-01", 2, "10.00 EUR")]);
    assert_eq!(order.items, [Item { sku: "MUG-01".into(), quantity: 2 }]);
    assert_eq!(order.shipping_service, ShippingService::Standard);
    let other = CheckoutRequest { coupon: Some("WELCOME10".into()), ..request.clone() };
    assert_eq!(request.hash(), request.clone().hash());
    assert_ne!(request.hash(), other.hash());
}
