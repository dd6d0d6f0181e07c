//! Codes, amounts and times in words for customers.

use events::PaymentDetails;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use money::Money;
use resources::OrderPhase;

use crate::text::one_line;

/// What a reason means to the customer, and whether the transition's own sentence adds to it.
const REASONS: &[(&str, &str, Detail)] = &[
    ("MethodMissing", "No way to pay has been chosen for it yet.", Detail::Omitted),
    ("PaymentDeclined", "The payment was declined; nothing has been taken.", Detail::Added),
    ("ActionRequired", "Your bank asks you to confirm the payment.", Detail::Omitted),
    ("PaymentTimeout", "The payment did not arrive in time.", Detail::Omitted),
    ("OutOfStock", "We do not have enough of what you ordered.", Detail::Added),
    ("ShippingFailed", "The carrier could not deliver the parcel.", Detail::Added),
    ("ShipmentProblem", "The carrier reports a problem on the way.", Detail::Added),
    (
        "CancelRefused",
        "The parcel was already on its way when you asked to cancel, so it could not be stopped.",
        Detail::Omitted,
    ),
    ("UnknownArticle", "Something in it is not in our catalog any more.", Detail::Added),
    ("CustomerUnknown", "We could not find your customer account.", Detail::Omitted),
    ("CustomerDisabled", "Your customer account is closed.", Detail::Omitted),
    ("CouponUnknown", "The coupon is not valid.", Detail::Omitted),
    ("PriceChanged", "The price changed before the order reached us.", Detail::Omitted),
    ("CurrencyMismatch", "Its prices are in another currency than the shop's.", Detail::Omitted),
    ("AlreadyProcessed", "An order of this name was delivered before.", Detail::Omitted),
];

/// Whether the transition's own sentence adds to the reason's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Added,
    Omitted,
}

/// Why an order is where it is. A reason that is not known is told by the transition's own sentence, or not at all.
pub(crate) fn explanation(reason: Option<&str>, detail: Option<&str>) -> Option<String> {
    let detail = detail.map(|detail| sentence(&one_line(detail, 300))).filter(|detail| !detail.is_empty());
    match reason.and_then(|reason| REASONS.iter().find(|(code, _, _)| *code == reason)) {
        Some((_, words, Detail::Added)) => match detail {
            Some(detail) if detail != *words => Some(format!("{words} {detail}")),
            Some(_) | None => Some((*words).to_owned()),
        },
        Some((_, words, Detail::Omitted)) => Some((*words).to_owned()),
        None => detail,
    }
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
