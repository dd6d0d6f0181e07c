//! Carts on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use cart::checkout::{Answer, CheckoutRefusal, Notice, Outcome};
use cart::line::Lookup;
use cart::validate::CartWarningKind;
use cart::{Begun, Due, note_seen, reprice, take_due};
use jiff::SignedDuration;
use support::{Database, USER, article, now, placed, quantities, request};

#[tokio::test]
async fn a_cart_is_read_before_it_is_opened_and_has_the_same_id_afterwards() {
    let database = Database::make().await;
    let first = database.read().await;
    assert_eq!(database.count("SELECT count(*) FROM carts").await, 0, "reading writes nothing");
    assert_eq!(database.put("MUG-01", 2).await.id, first.id);
    let other = database.carts.read("u-2", now()).await.unwrap();
    assert_ne!(other.id, first.id);
    let cart = database.closed(&request("1"), None).await;
    assert_eq!(cart, first.id);
    let next = database.read().await;
    assert_ne!(next.id, cart);
    assert_eq!(next.lines, []);
    assert_eq!(database.put("MUG-01", 1).await.id, next.id);
    database.drop().await;
}

#[tokio::test]
async fn many_that_fill_a_cart_at_once_fill_one() {
    let database = Database::make().await;
    let puts: Vec<_> = (0..16)
        .map(|n| {
            let carts = database.carts.clone();
            let article = article(&format!("MUG-{n:02}"), "10.00 EUR");
            tokio::spawn(async move { carts.put(USER, "a@example.com", &article, 1, now()).await.unwrap() })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for put in puts {
        ids.insert(put.await.unwrap().id);
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(database.count("SELECT count(*) FROM carts WHERE state = 'open'").await, 1);
    assert_eq!(database.read().await.lines.len(), 16);
    database.drop().await;
}

#[tokio::test]
async fn an_article_is_put_changed_and_taken_out() {
    let database = Database::make().await;
    database.put("MUG-02", 1).await;
    database.put("MUG-01", 2).await;
    let changed = database.put("MUG-02", 5).await;
    assert_eq!(quantities(&changed), [("MUG-02", 5), ("MUG-01", 2)], "in the order in which they came");
    let out = database.carts.remove(USER, "MUG-02", now()).await.unwrap();
    assert_eq!(quantities(&out), [("MUG-01", 2)]);
    assert_eq!(database.carts.remove(USER, "MUG-02", now()).await.unwrap().lines, out.lines);
    assert_eq!(database.carts.remove("u-2", "MUG-02", now()).await.unwrap().lines, []);
    let refused = database.carts.put(USER, "a@example.com", &article("CUP-01", "1.00 USD"), 1, now()).await;
    assert!(refused.unwrap_err().to_string().contains("USD"));
    assert_eq!(quantities(&database.read().await), [("MUG-01", 2)]);
    database.drop().await;
}

#[tokio::test]
async fn of_many_checkouts_at_once_one_closes_the_cart_and_the_others_follow_it() {
    let database = Database::make().await;
    let cart = database.put("MUG-01", 2).await.id;
    let all = database.close_at_once(50, None).await;
    assert_eq!(all.iter().filter(|begun| **begun == Begun::Closed(cart)).count(), 1);
    assert_eq!(
        all.iter().filter(|begun| **begun == Begun::Follows { cart, by_key: false }).count(),
        49,
        "{all:?}"
    );
    assert_eq!(database.count("SELECT count(*) FROM carts").await, 1);
    assert_eq!(database.count("SELECT count(*) FROM cart_items").await, 0);
    assert_eq!(database.count("SELECT count(*) FROM worklist WHERE key LIKE 'place/%'").await, 1);
    assert_eq!(
        database.close(&request("2"), None).await,
        Begun::Refused(CheckoutRefusal::Empty),
        "it asks for something else"
    );
    let (closed, question) = database.carts.closed(cart).await.unwrap().unwrap();
    assert_eq!(closed.outcome, Outcome::Pending);
    assert_eq!((question.user.as_str(), question.key), (USER, format!("cart-{cart}")));
    assert_eq!((question.order.items[0].sku.as_str(), question.order.items[0].quantity), ("MUG-01", 2));
    database.drop().await;
}

#[tokio::test]
async fn a_key_stands_for_its_request_whatever_became_of_it() {
    let database = Database::make().await;
    let cart = database.put("MUG-01", 2).await.id;
    let all = database.close_at_once(8, Some("key-1")).await;
    assert_eq!(all.iter().filter(|begun| **begun == Begun::Closed(cart)).count(), 1);
    let follows = Begun::Follows { cart, by_key: true };
    assert_eq!(all.iter().filter(|begun| **begun == follows).count(), 7, "{all:?}");
    database.put("MUG-02", 1).await;
    assert_eq!(database.close(&request("1"), Some("key-1")).await, follows, "not the new cart");
    let used = Begun::Refused(CheckoutRefusal::KeyUsed);
    assert_eq!(database.close(&request("2"), Some("key-1")).await, used);
    database.carts.settle(cart, placed("o-1"), now()).await.unwrap();
    assert_eq!(database.close(&request("1"), Some("key-1")).await, follows);
    let theirs = database.carts.close("u-2", "b@example.com", &request("1"), Some("key-1"), now()).await;
    assert_eq!(theirs.unwrap(), Begun::Refused(CheckoutRefusal::Empty), "a key is its user's own");
    assert_ne!(database.closed(&request("1"), Some("key-2")).await, cart);
    database.drop().await;
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let database = Database::make().await;
    database.put("MUG-01", 2).await;
    let cart = database.closed(&request("1"), Some("key-1")).await;
    database.carts.settle(cart, placed("o-1"), now()).await.unwrap();
    sqlx::query("UPDATE carts SET closed_at = closed_at - interval '25 hours'")
        .execute(database.store.pool())
        .await
        .unwrap();
    database.put("MUG-01", 1).await;
    let next = database.closed(&request("2"), Some("key-1")).await;
    let follows = Begun::Follows { cart: next, by_key: true };
    assert_eq!(database.close(&request("2"), Some("key-1")).await, follows);
    database.drop().await;
}

#[tokio::test]
async fn a_cart_becomes_one_order_and_tells_it_once() {
    let database = Database::make().await;
    database.put("MUG-01", 2).await;
    let cart = database.closed(&request("1"), None).await;
    assert_eq!(database.read().await.notice, Some(Notice::Placing));
    let first = database.carts.settle(cart, placed("o-1"), now()).await.unwrap();
    for answer in [placed("o-1"), Answer::Refused("no".into())] {
        assert_eq!(database.carts.settle(cart, answer, now()).await.unwrap(), first);
    }
    let told: String =
        sqlx::query_scalar("SELECT message_key FROM outbox").fetch_one(database.store.pool()).await.unwrap();
    assert_eq!(told, format!("{cart}/checked_out"));
    let (closed, _) = database.carts.closed(cart).await.unwrap().unwrap();
    assert_eq!(closed.outcome, first);
    assert_eq!(database.read().await.notice, None);
    assert!(database.carts.settle(uuid::Uuid::nil(), placed("o-2"), now()).await.is_err());
    database.drop().await;
}

#[tokio::test]
async fn what_cannot_be_ordered_is_back_in_the_cart_once_and_says_why() {
    let database = Database::make().await;
    database.put("MUG-01", 2).await;
    database.put("MUG-02", 1).await;
    let cart = database.closed(&request("1"), Some("key-1")).await;
    database.put("MUG-03", 1).await;
    database.put("MUG-01", 1).await;
    for _ in 0..2 {
        let refused = database.carts.settle(cart, Answer::Refused("no".into()), now()).await.unwrap();
        assert_eq!(refused, Outcome::Refused("no".into()));
    }
    let back = database.read().await;
    assert_eq!(quantities(&back), [("MUG-03", 1), ("MUG-01", 3), ("MUG-02", 1)]);
    assert_eq!(back.notice, Some(Notice::Refused("no".into())));
    let follows = Begun::Follows { cart, by_key: true };
    assert_eq!(database.close(&request("1"), Some("key-1")).await, follows, "the refusal is the answer");
    assert_ne!(database.closed(&request("1"), None).await, cart);
    database.drop().await;
}

#[tokio::test]
async fn a_cart_that_is_filled_while_it_is_checked_out_loses_nothing() {
    let database = Database::make().await;
    database.put("MUG-00", 1).await;
    let tasks: Vec<_> = (1..=30)
        .map(|n| {
            let carts = database.carts.clone();
            tokio::spawn(async move {
                let article = article(&format!("MUG-{n:02}"), "10.00 EUR");
                carts.put(USER, "a@example.com", &article, 1, now()).await.unwrap();
                if n % 10 == 0 {
                    let begun = carts.close(USER, "a@example.com", &request("1"), None, now()).await.unwrap();
                    if let Begun::Closed(cart) = begun {
                        let answer = if n == 20 { Answer::Refused("no".into()) } else { placed("o-1") };
                        carts.settle(cart, answer, now()).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let ordered = "SELECT count(*) FROM carts, jsonb_array_elements(lines) WHERE state = 'ordered'";
    let (ordered, left) = (database.count(ordered).await, database.read().await.lines.len());
    assert_eq!(ordered + i64::try_from(left).unwrap(), 31);
    database.drop().await;
}

#[tokio::test]
async fn a_changed_price_reaches_the_carts_and_is_said_once() {
    let database = Database::make().await;
    database.put("MUG-01", 2).await;
    database.tell_price("MUG-01", "12.00 EUR", 2).await;
    assert_eq!(database.count("SELECT count(*) FROM worklist WHERE key = 'price/MUG-01'").await, 1);
    database.tell_price("MUG-01", "11.00 EUR", 1).await;
    database.tell_price("MUG-02", "11.00 EUR", 1).await;
    assert_eq!(database.count("SELECT count(*) FROM worklist").await, 1, "MUG-02 is in no cart");
    reprice(&database.store, "MUG-01").await.unwrap();
    let shown = database.shown().await;
    assert_eq!(shown.items[0].price, "12.00 EUR".parse().unwrap(), "the older change came late");
    assert_eq!(shown.items[0].warnings, [CartWarningKind::Dearer]);
    let lookup = Lookup::new(["MUG-01".to_owned()], vec![article("MUG-01", "12.00 EUR")]);
    let (held, warnings) = database.carts.validate(USER, &lookup, now()).await.unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!(held.lines, database.read().await.lines);
    assert_eq!(database.shown().await.warnings, []);
    assert_eq!(database.carts.validate(USER, &lookup, now()).await.unwrap().1, []);
    database.drop().await;
}

#[tokio::test]
async fn carts_are_held_against_the_catalog_once_an_hour_until_they_are_left_alone() {
    let database = Database::make().await;
    let cart = database.put("MUG-01", 2).await.id;
    let after = |hours| now() + SignedDuration::from_hours(hours);
    let due_at = async |at| take_due(&database.store, at).await.unwrap().carts;
    assert!(due_at(now()).await.is_empty());
    let due = take_due(&database.store, after(2)).await.unwrap();
    assert_eq!(due, Due { carts: vec![cart], skus: vec!["MUG-01".into()], more: false });
    assert!(due_at(after(2)).await.is_empty(), "one replica has it");
    let lookup = Lookup::new(due.skus, vec![]);
    note_seen(&database.store, &due.carts, &lookup, after(2)).await.unwrap();
    assert_eq!(database.shown().await.items[0].warnings, [CartWarningKind::Gone]);
    assert!(due_at(after(2)).await.is_empty());
    assert_eq!(due_at(after(4)).await, [cart]);
    assert!(due_at(after(31 * 24)).await.is_empty());
    assert_eq!(database.count("SELECT count(*) FROM carts WHERE validate_at IS NOT NULL").await, 0);
    assert!(matches!(
        database.close(&request("1"), None).await,
        Begun::Refused(CheckoutRefusal::Gone { .. })
    ));
    database.drop().await;
}
