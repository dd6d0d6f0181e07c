use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn shop() -> Shop {
    Shop { name: "Mug Shop".into(), from: "Mug Shop <shop@example.com>".parse().unwrap() }
}

fn data() -> Value {
    json!({
        "orderId": "o-1", "namespace": "shop", "name": "web-1001", "sequence": 3, "phase": "Placed",
        "at": "2026-11-20T10:00:00Z",
        "customer": {"email": "shopper@example.com", "name": "A. Shopper"},
        "total": {"amount": "31.80", "currency": "EUR"},
        "lines": [
            {"sku": "MUG-01", "quantity": 2, "unitPrice": {"amount": "7.95", "currency": "EUR"},
             "total": {"amount": "15.90", "currency": "EUR"}},
            {"sku": "POT-02", "quantity": 1, "unitPrice": {"amount": "15.90", "currency": "EUR"},
             "total": {"amount": "15.90", "currency": "EUR"}},
        ],
    })
}

/// The data of an order's event with some fields changed.
fn with(changes: Value) -> Value {
    let mut data = data();
    for (key, value) in changes.as_object().unwrap() {
        data[key] = value.clone();
    }
    data
}

fn try_told(event_type: EventType, data: &Value) -> Result<Option<Mail>, ComposeError> {
    let event =
        Event::new(event_type, "operator", "o-1/3".into(), "o-1", Timestamp::UNIX_EPOCH, data).unwrap();
    let known = Contact { id: None, email: "shopper@example.com".into(), name: "A. Shopper".into() };
    compose(&event, Some(&known), &shop())
}

fn told(event_type: EventType, data: &Value) -> Mail {
    try_told(event_type, data).unwrap().unwrap()
}

/// Both forms say it, the HTML with its escapes.
fn assert_says(mail: &Mail, words: &str) {
    assert!(mail.text.contains(words), "{words:?} is not in\n{}", mail.text);
    let escaped = words.replace('&', "&#38;");
    let html = mail.html.replace("<strong>", "").replace("</strong>", "");
    assert!(html.contains(&escaped), "{escaped:?} is not in\n{html}");
}

fn assert_silent(mail: &Mail, words: &str) {
    assert!(!mail.text.contains(words) && !mail.html.contains(words), "{words:?} is in\n{}", mail.text);
}

#[test]
fn every_letter_greets_by_name_and_names_order_lines_and_total() {
    for template in Template::ALL.into_iter().filter(|template| *template != Template::Problem) {
        let mail = told(template.event_type(), &data());
        assert_eq!(
            (mail.template, mail.order_id.as_str(), mail.order_name.as_str()),
            (template, "o-1", "shop/web-1001")
        );
        assert_eq!(mail.recipient.to_string(), "shopper@example.com");
        assert!(mail.subject.contains("web-1001"), "{}", mail.subject);
        for words in
            ["Hello A. Shopper,", "web-1001", "MUG-01", "15.90 EUR", "POT-02", "31.80 EUR", "Mug Shop"]
        {
            assert_says(&mail, words);
        }
        assert!(mail.text.contains("  2 x MUG-01, 7.95 EUR each: 15.90 EUR\n"), "{}", mail.text);
        assert!(mail.html.starts_with("<!doctype html>"), "{}", mail.html);
        assert!(!mail.text.contains("\n\n\n"), "too many empty lines:\n{}", mail.text);
    }
}

#[test]
fn a_placed_order_is_told_what_happens_next() {
    let mail = told(EventType::OrderPlaced, &data());
    assert_eq!(mail.subject, "Your order web-1001 is placed");
    assert_says(&mail, "What happens next: we set the goods aside for you and take the payment.");
}

#[test]
fn a_declined_payment_is_told_with_the_providers_words_and_until_when_to_pay() {
    let mail = told(
        EventType::OrderPaymentNeeded,
        &with(
            json!({"phase": "AwaitingPayment", "reason": "PaymentDeclined", "message": "payment attempt 1 was declined",
            "payment": {"phase": "Declined", "attempt": 1, "message": "Your card has insufficient funds.",
                        "payBefore": "2026-11-21T10:00:00Z"}}),
        ),
    );
    assert_eq!(mail.subject, "Payment needed for your order web-1001");
    assert_says(&mail, "The payment was declined; nothing has been taken. Your card has insufficient funds.");
    assert_says(&mail, "We hold the goods for you until Saturday, 21 November 2026, 10:00 UTC.");
    assert_says(&mail, "Please choose how to pay, or try again");
    assert_silent(&mail, "attempt 1");
}

#[test]
fn a_payment_that_the_bank_wants_confirmed_is_told_with_the_link() {
    let payment =
        json!({"phase": "ActionRequired", "attempt": 1, "actionUrl": "https://bank.example/confirm?a=1&b=2"});
    let mail = told(
        EventType::OrderPaymentNeeded,
        &with(json!({"phase": "AwaitingPayment", "reason": "ActionRequired", "payment": payment})),
    );
    assert_says(&mail, "Your bank asks you to confirm the payment.");
    assert!(
        mail.text.contains("Please confirm the payment here: https://bank.example/confirm?a=1&b=2\n"),
        "{}",
        mail.text
    );
    assert!(mail.html.contains(r#"<a href="https://bank.example/confirm?a=1&#38;b=2""#), "{}", mail.html);
    assert_silent(&mail, "choose how to pay");
}

#[test]
fn an_order_without_a_method_is_told_so() {
    let mail = told(
        EventType::OrderPaymentNeeded,
        &with(json!({"phase": "AwaitingPayment", "reason": "MethodMissing"})),
    );
    assert_says(&mail, "No way to pay has been chosen for it yet.");
    assert_silent(&mail, "We hold the goods");
}

#[test]
fn a_paid_order_is_told_what_was_received_or_that_it_is_only_promised() {
    let money = json!({"amount": "31.80", "currency": "EUR"});
    let captured = json!({"phase": "Captured", "attempt": 1, "captured": money});
    let mail = told(EventType::OrderPaid, &with(json!({"phase": "Paid", "payment": captured})));
    assert_says(&mail, "We have received 31.80 EUR for your order web-1001. It is paid.");
    let promised = json!({"phase": "Authorized", "attempt": 1});
    let mail = told(EventType::OrderPaid, &with(json!({"phase": "Paid", "payment": promised})));
    assert_says(&mail, "The money is taken when your parcel leaves us.");
}

#[test]
fn a_shipped_order_is_told_how_to_follow_it_and_when_it_comes() {
    let mail = told(
        EventType::OrderShipped,
        &with(
            json!({"phase": "Shipped", "trackingNumber": "SC123", "trackingUrl": "https://carrier.example/track/SC123",
                     "estimatedDelivery": "2026-11-23T09:00:00Z"}),
        ),
    );
    assert_says(&mail, "Tracking number: SC123");
    assert!(mail.text.contains("Follow your parcel: https://carrier.example/track/SC123\n"), "{}", mail.text);
    assert!(mail.html.contains(r#"href="https://carrier.example/track/SC123""#));
    assert_says(&mail, "Expected delivery: Monday, 23 November 2026");
}

#[test]
fn a_wish_to_cancel_that_came_too_late_is_answered() {
    let mail = told(EventType::OrderShipped, &with(json!({"phase": "Shipped", "reason": "CancelRefused"})));
    assert_says(&mail, "could not be cancelled.");
    assert_says(&mail, "The parcel was already on its way when you asked to cancel");
}

#[test]
fn a_failed_order_is_told_why_and_what_becomes_of_the_money() {
    let money = json!({"amount": "31.80", "currency": "EUR"});
    let mail = told(
        EventType::OrderFailed,
        &with(
            json!({"phase": "Failed", "reason": "ShippingFailed", "message": "the address cannot be delivered to",
                     "payment": {"phase": "Refunded", "attempt": 1, "captured": money, "refunded": money}}),
        ),
    );
    assert_says(&mail, "The parcel could not be delivered.");
    assert_says(&mail, "31.80 EUR goes back to your card.");
    let mail = told(EventType::OrderFailed, &with(json!({"phase": "Failed", "reason": "OutOfStock"})));
    assert_says(&mail, "We do not have enough of what you ordered.");
    assert_says(&mail, "You have not been charged.");
    let mail = told(EventType::OrderFailed, &with(json!({"phase": "Failed"})));
    assert_says(&mail, "Something went wrong on our side.");
}

#[test]
fn a_cancelled_order_is_told_the_refund() {
    let money = json!({"amount": "31.80", "currency": "EUR"});
    let mail = told(
        EventType::OrderCancelled,
        &with(json!({"phase": "Cancelled", "reason": "CustomerRequest", "message": "customer request",
                     "payment": {"phase": "Refunded", "attempt": 1, "captured": money, "refunded": money}})),
    );
    assert_eq!(mail.subject, "Your order web-1001 is cancelled");
    assert_says(&mail, "Customer request.");
    assert_says(&mail, "31.80 EUR goes back to your card.");
}

#[test]
fn a_problem_on_the_way_is_told_to_the_known_customer() {
    let changed = json!({"orderId": "o-1", "namespace": "shop", "name": "web-1001", "revision": 3, "phase": "Exception",
        "attempt": 1, "trackingNumber": "SC123", "message": "nobody was at home"});
    let mail = told(EventType::ShipmentException, &changed);
    assert_eq!((mail.template, mail.order_name.as_str()), (Template::Problem, "shop/web-1001"));
    assert_says(&mail, "Hello A. Shopper,");
    assert_says(&mail, "The carrier reports a problem on the way. Nobody was at home.");
    assert_says(&mail, "Tracking number: SC123");
    let event = Event::new(
        EventType::ShipmentException,
        "shipping",
        "x".into(),
        "o-1",
        Timestamp::UNIX_EPOCH,
        &changed,
    );
    let error = compose(&event.unwrap(), None, &shop()).unwrap_err().to_string();
    assert!(error.contains("the customer of the order o-1 is not known yet"), "{error}");
}

#[test]
fn events_that_are_no_news_for_the_customer_are_not_told() {
    for event_type in EventType::ALL.iter().filter(|event_type| Template::of(**event_type).is_none()) {
        assert_eq!(try_told(*event_type, &data()).unwrap(), None, "{}", event_type.name());
    }
    for silent in [
        EventType::OrderRejected,
        EventType::OrderReserved,
        EventType::OrderStuck,
        EventType::PaymentRefunded,
    ] {
        assert_eq!(Template::of(silent), None);
    }
    let problem = with(json!({"phase": "Shipped", "reason": "ShipmentProblem"}));
    assert_eq!(try_told(EventType::OrderShipped, &problem).unwrap(), None, "the parcel's own event tells it");
    for reason in ["RetryRequested", "Resumed"] {
        let again = with(json!({"phase": "Paid", "reason": reason}));
        assert_eq!(try_told(EventType::OrderPaid, &again).unwrap(), None, "it was told before it was stuck");
    }
}

#[test]
fn what_others_wrote_cannot_add_lines_headers_markup_or_scripts() {
    let mail = told(
        EventType::OrderPaymentNeeded,
        &with(json!({
            "name": "web-1\r\nBcc: all@example.com",
            "customer": {"email": "shopper@example.com", "name": "<script>alert(1)</script>\r\nBcc: all@example.com"},
            "reason": "PaymentDeclined",
            "payment": {"attempt": 1, "message": "<img src=x onerror=alert(1)>\n-- \nforged", "actionUrl": "javascript:alert(1)"},
            "lines": [{"sku": "A&B\"", "quantity": 1, "unitPrice": {"amount": "1", "currency": "EUR"},
                       "total": {"amount": "1", "currency": "EUR"}}],
        })),
    );
    assert_eq!(mail.subject, "Payment needed for your order web-1 Bcc: all@example.com");
    assert!(
        mail.text.starts_with("Hello <script>alert(1)</script> Bcc: all@example.com,\n"),
        "{}",
        mail.text
    );
    assert_eq!(mail.text.matches("\n-- \n").count(), 1, "{}", mail.text);
    for forged in ["<script", "<img", "javascript:", "A&B\""] {
        assert!(!mail.html.contains(forged), "{forged} is in\n{}", mail.html);
    }
    assert!(mail.html.contains("A&#38;B&#34;"), "{}", mail.html);
    assert_silent(&mail, "javascript:");
}

#[test]
fn an_address_that_is_none_and_data_that_cannot_be_read_are_refused_with_a_sentence() {
    for (email, fault) in [("nobody", "which is none"), ("a@b\r\nBcc: c@d", "which is none")] {
        let changed = with(json!({"customer": {"email": email, "name": "A"}}));
        let error = try_told(EventType::OrderPlaced, &changed).unwrap_err().to_string();
        assert!(error.contains("the customer of the order o-1") && error.contains(fault), "{error}");
    }
    let error = try_told(EventType::OrderPlaced, &json!({})).unwrap_err().to_string();
    assert!(error.contains("the data of order.placed cannot be read"), "{error}");
}

#[test]
fn a_customer_without_a_name_is_greeted_all_the_same() {
    let mail = told(
        EventType::OrderPlaced,
        &with(json!({"customer": {"email": "shopper@example.com", "name": " "}})),
    );
    assert!(mail.text.starts_with("Hello,\n"), "{}", mail.text);
}
