//! Messages on a real Postgres, sent to a real SMTP server.

mod support;

use chassis::HandleError;
use events::EventType;
use serde_json::json;
use support::{Mailbox, Office, order_event, problem_event, refusing_server};

#[tokio::test]
async fn an_event_is_one_mail_however_often_it_is_told() {
    let (mailbox, order) = (Mailbox::open().await, "o-1");
    let office = Office::open(&mailbox.smtp).await;
    let placed = order_event(EventType::OrderPlaced, order, 1);
    for _ in 0..3 {
        office.deliver(&placed).await.unwrap();
    }
    office.send().await;
    office.deliver(&placed).await.unwrap();
    office.send().await;
    let mails = mailbox.mails(order).await;
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(mail["subject"], "Your order web-1001 is placed");
    assert_eq!(mail["to"], json!(["shopper@example.com"]));
    assert_eq!(mail["from"], "shop@example.com");
    assert_eq!(mail["messageId"], "<o-1.1@supercargo.dev>");
    assert_eq!(
        (&mail["headers"]["X-Order-Name"], &mail["headers"]["X-Event-Id"]),
        (&json!("shop/web-1001"), &json!("o-1/1"))
    );
    for form in ["text", "html"] {
        let body = mail[form].as_str().unwrap();
        assert!(body.contains("Hello Zoë Müller,") && body.contains("31.80 EUR"), "{body}");
    }
    assert_eq!(office.message("o-1/1").await, ("sent".to_owned(), 1));
    assert!(office.scheduled().await.is_empty());
    office.close().await;
}

#[tokio::test]
async fn every_news_of_an_order_reaches_its_customer_and_nothing_else_does() {
    let (mailbox, order) = (Mailbox::open().await, "o-1");
    let office = Office::open(&mailbox.smtp).await;
    let told = [
        EventType::OrderPlaced,
        EventType::OrderReserved,
        EventType::OrderPaymentNeeded,
        EventType::OrderPaid,
        EventType::OrderShipped,
        EventType::OrderCompleted,
        EventType::OrderCompensating,
        EventType::OrderFailed,
        EventType::OrderCancelled,
        EventType::OrderArchived,
    ];
    for (event_type, sequence) in told.into_iter().zip(1..) {
        office.deliver(&order_event(event_type, order, sequence)).await.unwrap();
        office.send().await;
    }
    office.deliver(&problem_event(order, 4)).await.unwrap();
    office.send().await;
    let mails = mailbox.mails(order).await;
    let names: Vec<&str> =
        mails.iter().map(|mail| mail["headers"]["X-Event-Type"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "order.placed",
            "order.payment_needed",
            "order.paid",
            "order.shipped",
            "order.completed",
            "order.failed",
            "order.cancelled",
            "shipment.exception",
        ]
    );
    office.close().await;
}

#[tokio::test]
async fn a_server_that_is_busy_or_away_gets_the_mail_later() {
    let (mailbox, order) = (Mailbox::open().await, "o-1");
    let office = Office::open(&mailbox.smtp).await;
    office.deliver(&order_event(EventType::OrderPaid, order, 3)).await.unwrap();
    mailbox.faults(json!({"rate": 1.0})).await;
    office.send().await;
    assert_eq!(office.message("o-1/3").await, ("pending".to_owned(), 1));
    mailbox.faults(json!({"down": true})).await;
    office.send().await;
    assert_eq!(office.message("o-1/3").await, ("pending".to_owned(), 2));
    assert_eq!(mailbox.mails(order).await.len(), 0);
    mailbox.no_faults().await;
    office.send().await;
    assert_eq!(office.message("o-1/3").await, ("sent".to_owned(), 3));
    assert_eq!(mailbox.mails(order).await.len(), 1);
    assert!(office.graves.lock().unwrap().is_empty());
    office.close().await;
}

#[tokio::test]
async fn a_mail_whose_acceptance_was_lost_is_sent_again_under_the_same_message_id() {
    let (mailbox, order) = (Mailbox::open().await, "o-1");
    let office = Office::open(&mailbox.smtp).await;
    office.deliver(&order_event(EventType::OrderPaid, order, 3)).await.unwrap();
    mailbox.faults(json!({"next": 1, "after": true})).await;
    office.send().await;
    mailbox.no_faults().await;
    office.send().await;
    let mails = mailbox.mails(order).await;
    assert!(mails.iter().all(|mail| mail["messageId"] == "<o-1.3@supercargo.dev>"), "{mails:?}");
    assert_eq!((mails.len(), office.message("o-1/3").await.0.as_str()), (2, "sent"));
    office.close().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_becomes_a_dead_letter_and_redriving_it_sends_it_anew() {
    let order = "o-1";
    let refusing = refusing_server().await;
    let office = Office::open(&refusing).await;
    let event = order_event(EventType::OrderShipped, order, 4);
    office.deliver(&event).await.unwrap();
    office.send().await;
    assert_eq!(office.message("o-1/4").await, ("failed".to_owned(), 1));
    assert!(office.scheduled().await.is_empty());
    {
        let graves = office.graves.lock().unwrap();
        let [(id, error)] = graves.as_slice() else { panic!("{graves:?}") };
        assert_eq!(id, "o-1/4");
        assert!(error.contains("the mail server did not take the mail") && error.contains("550"), "{error}");
    }
    office.deliver(&event).await.unwrap();
    assert_eq!(office.message("o-1/4").await, ("pending".to_owned(), 0));
    assert_eq!(office.scheduled().await, ["o-1/4"]);
    office.close().await;
}

#[tokio::test]
async fn a_parcels_problem_waits_until_its_customer_is_known() {
    let (mailbox, order) = (Mailbox::open().await, "o-1");
    let office = Office::open(&mailbox.smtp).await;
    let problem = problem_event(order, 4);
    let error = office.deliver(&problem).await.unwrap_err();
    assert!(
        matches!(&error, HandleError::TooEarly(_)) && error.to_string().contains("is not known yet"),
        "{error}"
    );
    office.deliver(&order_event(EventType::OrderShipped, order, 4)).await.unwrap();
    office.deliver(&problem).await.unwrap();
    assert_eq!(office.scheduled().await, ["o-1/4", "o-1/shipment/4"]);
    office.close().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_a_sentence_and_nothing_is_kept() {
    let office = Office::open("127.0.0.1:1").await;
    let mut event = order_event(EventType::OrderPlaced, "o-1", 1);
    event.data["customer"]["email"] = "a@b\r\nBcc: c@d".into();
    let error = office.deliver(&event).await.unwrap_err();
    assert!(
        matches!(&error, HandleError::Malformed(_)) && error.to_string().contains("which is none"),
        "{error}"
    );
    assert!(office.scheduled().await.is_empty());
    office.close().await;
}
