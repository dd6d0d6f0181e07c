//! Codes, amounts and times in words for customers.

use events::PaymentDetails;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use money::Money;
use resources::OrderPhase;

use crate::text::one_line;

/// What a reason means to the customer, and what becomes of the transition's own sentences.
const REASONS: &[(&str, Detail, &str)] = &[
    ("MethodMissing", Detail::Omitted, "No way to pay has been chosen for it yet."),
    ("PaymentDeclined", Detail::Added, "The payment was declined; nothing has been taken."),
    ("ActionRequired", Detail::Omitted, "Your bank asks you to confirm the payment."),
    ("PaymentTimeout", Detail::Omitted, "The payment did not arrive in time."),
    ("OutOfStock", Detail::Added, "We do not have enough of what you ordered."),
    ("ShippingFailed", Detail::Omitted, "The parcel could not be delivered."),
    ("ShipmentProblem", Detail::Added, "The carrier reports a problem on the way."),
    (
        "CancelRefused",
        Detail::Omitted,
        "The parcel was already on its way when you asked to cancel, so it could not be stopped.",
    ),
    ("CancelRequested", Detail::Instead, "It was cancelled as requested."),
    ("Deleted", Detail::Omitted, "It was withdrawn."),
    ("StockReleased", Detail::Omitted, "The goods that were set aside for it are not available any more."),
    ("PaymentRefunded", Detail::Omitted, "Its payment was given back."),
    ("UnknownArticle", Detail::Added, "Something in it is not in our catalog any more."),
    ("CustomerUnknown", Detail::Omitted, "We could not find your customer account."),
    ("CustomerDisabled", Detail::Omitted, "Your customer account is closed."),
    ("CouponUnknown", Detail::Omitted, "The coupon is not valid."),
    ("PriceChanged", Detail::Omitted, "The price changed before the order reached us."),
    ("CurrencyMismatch", Detail::Omitted, "Its prices are in another currency than the shop's."),
    ("AlreadyProcessed", Detail::Omitted, "An order of this name was delivered before."),
];

/// What becomes of the transition's own sentences.
#[derive(Clone, Copy)]
enum Detail {
    /// They follow the reason's.
    Added,
    /// They stand for the reason's.
    Instead,
    /// They say nothing more.
    Omitted,
}

/// What sentences speak of that are for the people of the shop, or that a letter says in its own words.
const NOT_FOR_CUSTOMERS: [&str; 4] = ["the customer", "The customer", "spec.", "Nothing was charged"];

/// Why an order is where it is. A reason that is not known is told by the transition's own sentences, or not at all.
pub(crate) fn explanation(reason: Option<&str>, detail: Option<&str>) -> Option<String> {
    let detail =
        detail.map(|detail| for_customers(&one_line(detail, 300))).filter(|detail| !detail.is_empty());
    let known = reason.and_then(|reason| REASONS.iter().find(|(code, _, _)| *code == reason));
    let Some((_, treatment, words)) = known else { return detail };
    Some(match (treatment, detail) {
        (Detail::Added, Some(detail)) if detail != *words => format!("{words} {detail}"),
        (Detail::Instead, Some(detail)) => detail,
        (Detail::Added | Detail::Instead | Detail::Omitted, _) => (*words).to_owned(),
    })
}

/// The sentences of `text` that are for customers.
fn for_customers(text: &str) -> String {
    let kept: String = text
        .split_inclusive(". ")
        .filter(|sentence| !NOT_FOR_CUSTOMERS.iter().any(|words| sentence.contains(words)))
        .collect();
    sentence(kept.trim())
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// What becomes of the money of an order that ended without goods.
pub(crate) fn money_at_the_end(payment: Option<&PaymentDetails>) -> String {
    let some = |money: Option<Money>| money.filter(|money| !money.is_zero());
    let captured = payment.and_then(|payment| some(payment.captured));
    let refunded = payment.and_then(|payment| some(payment.refunded));
    let rest = match (captured, refunded) {
        (Some(captured), Some(refunded)) => {
            captured.checked_sub(refunded).ok().filter(|rest| !rest.is_zero())
        }
        (captured, None) => captured,
        (None, Some(_)) => None,
    };
    match (refunded, rest) {
        (Some(refunded), None) => {
            format!("{refunded} goes back to your card. Depending on your bank this takes a few days.")
        }
        (Some(refunded), Some(rest)) => {
            format!("{refunded} goes back to your card. We will write to you about the remaining {rest}.")
        }
        (None, Some(rest)) => {
            format!("{rest} was taken and is not given back yet: we will write to you about it.")
        }
        (None, None) => "You have not been charged.".to_owned(),
    }
}

/// `Friday, 20 November 2026, 14:05 UTC`
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%A, %-d %B %Y, %H:%M UTC").to_string()
}

/// `Friday, 20 November 2026`
pub(crate) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%A, %-d %B %Y").to_string()
}

/// What to say of an end without a reason.
pub(crate) const fn default_explanation(phase: OrderPhase) -> Option<&'static str> {
    match phase {
        OrderPhase::AwaitingPayment => Some("The payment is still missing."),
        OrderPhase::Failed => Some("Something went wrong on our side."),
        OrderPhase::Placed
        | OrderPhase::Reserved
        | OrderPhase::Paid
        | OrderPhase::Shipped
        | OrderPhase::Completed
        | OrderPhase::Rejected
        | OrderPhase::Cancelled
        | OrderPhase::Compensating
        | OrderPhase::Stuck => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(captured: Option<&str>, refunded: Option<&str>) -> PaymentDetails {
        let money = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        PaymentDetails {
            phase: None,
            attempt: 1,
            captured: money(captured),
            refunded: money(refunded),
            action_url: None,
            message: None,
            pay_before: None,
        }
    }

    #[test]
    fn every_reason_of_an_order_has_words_for_its_customer() {
        for reason in [
            "UnknownArticle",
            "CustomerUnknown",
            "CustomerDisabled",
            "CouponUnknown",
            "PriceChanged",
            "CurrencyMismatch",
            "AlreadyProcessed",
            "OutOfStock",
            "MethodMissing",
            "PaymentDeclined",
            "ActionRequired",
            "PaymentTimeout",
            "ShipmentProblem",
            "ShippingFailed",
            "CancelRefused",
        ] {
            let words = explanation(Some(reason), None).unwrap_or_default();
            assert!(words.ends_with('.') && !words.contains(reason), "{reason}: {words}");
        }
    }

    #[test]
    fn a_detail_is_added_where_it_helps_and_tells_a_reason_that_is_not_known() {
        let told = |reason, detail| explanation(Some(reason), detail).unwrap();
        assert_eq!(
            told("PaymentDeclined", Some("your card has insufficient funds")),
            "The payment was declined; nothing has been taken. Your card has insufficient funds."
        );
        assert_eq!(told("PaymentTimeout", Some("waited 24h")), "The payment did not arrive in time.");
        assert_eq!(told("MoonPhase", Some("the moon was\r\nwrong")), "The moon was wrong.");
        assert_eq!(explanation(Some("MoonPhase"), None), None);
        assert_eq!(explanation(None, Some(" ")), None);
    }

    #[test]
    fn sentences_for_the_people_of_the_shop_stay_there() {
        let told = |reason, detail| explanation(Some(reason), Some(detail)).unwrap();
        assert_eq!(
            told("CancelRequested", "Cancelled: changed my mind. 31.80 EUR went back to the customer."),
            "Cancelled: changed my mind."
        );
        assert_eq!(
            told("OutOfStock", "MUG-01: 3 wanted, 1 available. Nothing was charged."),
            "We do not have enough of what you ordered. MUG-01: 3 wanted, 1 available."
        );
        assert_eq!(
            told(
                "PaymentDeclined",
                "Your card has expired. Set another spec.payment.method, or raise spec.payment.retry."
            ),
            "The payment was declined; nothing has been taken. Your card has expired."
        );
        assert_eq!(
            told("CancelRequested", "The customer was charged nothing."),
            "It was cancelled as requested."
        );
    }

    #[test]
    fn the_money_of_an_end_without_goods_is_accounted_for() {
        for (payment, words) in [
            (None, "You have not been charged."),
            (Some(payment(None, None)), "You have not been charged."),
            (Some(payment(Some("0 EUR"), Some("0 EUR"))), "You have not been charged."),
            (
                Some(payment(Some("31.80 EUR"), Some("31.80 EUR"))),
                "31.80 EUR goes back to your card. Depending on your bank this takes a few days.",
            ),
            (
                Some(payment(Some("31.80 EUR"), Some("1.80 EUR"))),
                "1.80 EUR goes back to your card. We will write to you about the remaining 30.00 EUR.",
            ),
            (
                Some(payment(Some("31.80 EUR"), None)),
                "31.80 EUR was taken and is not given back yet: we will write to you about it.",
            ),
        ] {
            assert_eq!(money_at_the_end(payment.as_ref()), words);
        }
    }

    #[test]
    fn times_are_told_with_the_weekday() {
        let at: Timestamp = "2026-11-20T14:05:09Z".parse().unwrap();
        assert_eq!(moment(at), "Friday, 20 November 2026, 14:05 UTC");
        assert_eq!(day(at), "Friday, 20 November 2026");
    }
}
