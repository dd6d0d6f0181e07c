//! Whoever carries a checkout is killed in the middle of it: the cart becomes one order all the same.

use std::path::Path;
use std::time::Duration;

use kube::api::{Api, ListParams};
use resources::Order;
use serde_json::json;
use testkit::{Program, Stack, Visitor, eventually, free_address};

use crate::Tested;
use crate::replicas::gets_ready;
use crate::shopper::address;

/// How many milliseconds after the click a process dies: before it has read it, while it does it, and after the answer.
const MOMENTS: [u64; 6] = [0, 8, 20, 45, 90, 180];
/// How often it is tried to kill one between the closing of the cart and the answer.
const TRIES: u32 = 12;

/// When the process that was clicked at dies.
#[derive(Clone, Copy, Debug)]
enum Dies {
    After(Duration),
    OnceTheCartIsClosed,
}

#[tokio::test]
async fn a_cart_becomes_one_order_although_whoever_checks_it_out_is_killed() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 100).await?;
    let folder = tempfile::tempdir()?;
    for moment in MOMENTS {
        killed(&stack, &sku, folder.path(), Dies::After(Duration::from_millis(moment))).await?;
    }
    let mut tries = 0;
    while !killed(&stack, &sku, folder.path(), Dies::OnceTheCartIsClosed).await? {
        tries += 1;
        anyhow::ensure!(tries < TRIES, "nobody died between the closing of a cart and its answer");
    }
    shop.close().await
}

/// A checkout whose carrier is killed, and then another click; true when the cart was closed and the first click never answered.
async fn killed(stack: &Stack, sku: &str, folder: &Path, dies: Dies) -> anyhow::Result<bool> {
    let at = free_address();
    // Of what others share with it, it consumes nothing but changes of prices.
    let mut doomed = Program::supercargo(&["run", "cart", "storefront"])
        .with("HTTP_ADDR", &at.to_string())
        .with("DATABASE_CONNECTIONS", "4")
        .start(&folder.join(format!("doomed-{}", at.port())))?;
    gets_ready(stack, at).await?;
    let visitor = Visitor::signed_up(stack).await?;
    visitor.send("PUT", &format!("/cart/items/{sku}"), json!({ "quantity": 1 })).await?.expect(200)?;
    let there = visitor.at(&format!("http://{at}"));
    let wish = json!({ "shippingAddress": address(), "payment": { "method": "pm_card_visa" } });
    let is_closed = async || anyhow::Ok(visitor.get("/cart").await?.expect(200)?["items"] == json!([]));
    let moment = async {
        match dies {
            Dies::After(time) => tokio::time::sleep(time).await,
            Dies::OnceTheCartIsClosed => while !is_closed().await? {},
        }
        anyhow::Ok(())
    };
    let click = there.send_once("/cart/checkout", "click", wish.clone());
    let first = tokio::select! {
        answered = click => answered.ok(),
        reached = moment => {
            reached?;
            None
        }
    };
    doomed.kill().await?;
    let in_the_middle = first.is_none() && is_closed().await?;

    // The shopper clicks again, and somebody else is there.
    let again = eventually("the cart is an order", || async {
        let answer = visitor.send_once("/cart/checkout", "click", wish.clone()).await?;
        anyhow::ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
        Ok(answer)
    })
    .await?;
    let mine = ListParams::default().fields(&format!("spec.customer.email={}", visitor.email));
    let orders = Api::<Order>::all(stack.kubernetes.clone()).list(&mine).await?.items;
    let ids: Vec<_> = orders.iter().filter_map(resources::order_id).collect();
    let [id] = ids.as_slice() else { anyhow::bail!("{} orders of one cart, {dies:?}", ids.len()) };
    for answer in first.iter().filter(|answer| answer.status == 202).chain([&again]) {
        assert_eq!(&answer.text("/id")?, id, "{dies:?}");
    }
    assert!(is_closed().await?, "the next cart is empty, {dies:?}");
    Ok(in_the_middle)
}
