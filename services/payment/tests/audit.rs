//! What is answered to those who audit: the facts of orders, and the provider's own books.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use payment::audit::{Books, ProviderMoney, facts_of, ids_after, intents_of, known};
use resources::PaymentDesired::{Captured, Refunded};
use resources::PaymentPhase;
use world::town::Town;

fn books(town: &Town) -> Books {
    Books::new(&format!("http://{}", town.address), "sk_test").unwrap()
}

async fn charge(town: &Town, order_id: &str, amount: &str, capture: &str) {
    let form = [
        ("amount", amount),
        ("currency", "eur"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
        ("capture_method", capture),
        ("metadata[order_id]", order_id),
    ];
    let url = format!("http://{}/v1/payment_intents", town.address);
    let answer = town.client.post(url).bearer_auth("sk_test").form(&form).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn the_ledger_and_the_providers_books_say_the_same_of_an_order() {
    let town = Town::open(true).await;
    let pool = town.world.store.pool();
    town.wish(1, Captured, 1, "pm_card_visa").await;
    town.until("Captured").await;
    let ids = [town.order.clone()];
    let facts = facts_of(pool, &ids).await.unwrap().remove(0);
    assert_eq!(
        (facts.phase, facts.captured, facts.refunded, facts.captures),
        (PaymentPhase::Captured, 3180, 0, 1)
    );
    assert_eq!((facts.amount, facts.currency.as_str(), facts.is_open), (3180, "EUR", false));
    let intents = intents_of(pool, &town.order).await.unwrap();
    assert_eq!(intents.len(), 1);
    let kept = ProviderMoney { captured: 3180, refunded: 0, authorized: 0, captures: 1 };
    assert_eq!(books(&town).money_of(&town.order, &intents).await.unwrap(), kept);
    // A search that is late finds nothing: what is known is asked by its id.
    assert_eq!(books(&town).money_of("nobody", &intents).await.unwrap(), kept);

    town.wish(2, Refunded, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    let facts = facts_of(pool, &ids).await.unwrap().remove(0);
    assert_eq!((facts.captured, facts.refunded, facts.captures), (3180, 3180, 0));
    let page = books(&town).refunds(None).await.unwrap();
    assert_eq!((page.refunds, page.next), (vec![(intents[0].clone(), 3180)], None));
    let all = books(&town).charges(None, |intent| if intent == intents[0] { 3180 } else { 0 }).await.unwrap();
    let given_back = ProviderMoney { captured: 3180, refunded: 3180, authorized: 0, captures: 0 };
    assert_eq!(all.orders.get(&town.order), Some(&given_back));
    assert!(given_back.is_nothing());
    assert_eq!(ids_after(pool, None, "", 10).await.unwrap(), ids);
    assert_eq!(ids_after(pool, Some("elsewhere"), "", 10).await.unwrap(), Vec::<String>::new());
    assert_eq!(known(pool, &["nobody".to_owned(), town.order.clone()]).await.unwrap(), ids);
    town.close().await;
}

#[tokio::test]
async fn the_books_are_read_page_by_page_and_add_up_by_order() {
    let town = Town::open(false).await;
    for number in 0..101 {
        charge(&town, &format!("order-{}", number % 2), "10", "automatic").await;
    }
    charge(&town, "order-0", "7", "manual").await;
    let (mut after, mut pages, mut money) = (None, 0, ProviderMoney::default());
    loop {
        let page = books(&town).charges(after.as_deref(), |_| 0).await.unwrap();
        pages += 1;
        money = page.orders.get("order-0").map_or(money, |more| money.and(*more));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, 2);
    assert_eq!(money, ProviderMoney { captured: 510, refunded: 0, authorized: 7, captures: 51 });
    town.close().await;
}

#[tokio::test]
async fn a_provider_that_refuses_or_is_away_is_named_with_the_setting() {
    let town = Town::open(false).await;
    let stranger = Books::new(&format!("http://{}", town.address), "sk_wrong").unwrap();
    let refused = stranger.refunds(None).await.err().unwrap().to_string();
    assert!(refused.contains("STRIPE_KEY"), "{refused}");
    let nowhere = Books::new(&format!("http://{}", testkit::free_address()), "sk_test").unwrap();
    let away = nowhere.refunds(None).await.err().unwrap().to_string();
    assert!(away.contains("STRIPE_URL"), "{away}");
    town.close().await;
}
