//! Whoever carries a checkout is killed in the middle of it: the cart becomes one order all the same.

use std::time::{Duration, Instant};

use kube::api::{Api, ListParams};
use resources::Order;
use serde_json::json;
use testkit::{Program, Stack, Visitor, eventually, free_address};

use crate::Tested;
use crate::shopper::address;

/// At which eighths of the time that a checkout takes the process dies.
const EIGHTHS: u32 = 8;

#[tokio::test]
async fn a_cart_becomes_one_order_although_whoever_checks_it_out_is_killed() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 100).await?;
    let folder = tempfile::tempdir()?;
    let wish = json!({ "shippingAddress": address(), "payment": { "method": "pm_card_visa" } });
    let mut takes = None;
    let mut in_the_middle = 0;
    for eighth in 0..=EIGHTHS {
        let at = free_address();
        // Of what others share with it, it consumes nothing but changes of prices.
        let mut doomed = Program::supercargo(&["run", "cart", "storefront"])
            .with("HTTP_ADDR", &at.to_string())
            .with("DATABASE_CONNECTIONS", "4")
            .start(&folder.path().join(format!("doomed-{eighth}")))?;
        eventually("it is ready", || async {
            let ready = stack.http.get(format!("http://{at}/ready")).send().await?;
            anyhow::ensure!(ready.status().is_success(), "{}", ready.text().await?);
            Ok(())
        })
        .await?;
        let visitor = Visitor::signed_up(&stack).await?;
        visitor.send("PUT", &format!("/cart/items/{sku}"), json!({ "quantity": 1 })).await?.expect(200)?;
        let there = visitor.at(&format!("http://{at}"));
        let key = format!("click-{eighth}");
        let clicked = Instant::now();
        let click = there.send_once("/cart/checkout", &key, wish.clone());
        // The first one is let alone, and says how long it takes.
        let patience = takes.map_or(Duration::from_secs(60), |takes: Duration| takes * eighth / EIGHTHS);
        let first = tokio::select! {
            answered = click => answered.ok(),
            () = tokio::time::sleep(patience) => None,
        };
        doomed.kill().await?;
        takes.get_or_insert(clicked.elapsed());
        let is_closed = visitor.get("/cart").await?.expect(200)?["items"] == json!([]);
        in_the_middle += u32::from(first.is_none() && is_closed);
        // The shopper clicks again, and somebody else is there.
        let again = eventually("the cart is an order", || async {
            let answer = visitor.send_once("/cart/checkout", &key, wish.clone()).await?;
            anyhow::ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
            Ok(answer)
        })
        .await?;
        let mine = ListParams::default().fields(&format!("spec.customer.email={}", visitor.email));
        let orders = Api::<Order>::all(stack.kubernetes.clone()).list(&mine).await?.items;
        let ids: Vec<_> = orders.iter().filter_map(resources::order_id).collect();
        let [id] = ids.as_slice() else { anyhow::bail!("{} orders, at {eighth}/8", ids.len()) };
        for answer in first.iter().filter(|answer| answer.status == 202).chain([&again]) {
            assert_eq!(&answer.text("/id")?, id, "at {eighth}/8");
        }
        let cart = visitor.get("/cart").await?.expect(200)?;
        assert_eq!(cart["items"], json!([]), "at {eighth}/8: {cart}");
    }
    assert!(in_the_middle > 0, "nobody died between the closing of a cart and its answer: {takes:?}");
    shop.close().await
}
