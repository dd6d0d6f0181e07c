//! The shop's staff at the API: articles, stock, users, refunds.

use serde_json::json;
use testkit::{Program, Stack, TestShop, Visitor, eventually, order, unique};

use crate::Tested;
use crate::shopper::{order_of, reaches};

pub(crate) async fn admin(stack: &Stack) -> anyhow::Result<Visitor> {
    let admin = Visitor::signed_up(stack).await?;
    Program::supercargo(&["accounts", "grant-admin", &admin.email]).answer().await?;
    Ok(admin)
}

#[tokio::test]
async fn an_article_is_made_stocked_changed_sold_and_retired() -> Tested {
    let stack = Stack::from_env().await?;
    let admin = admin(&stack).await?;
    let shopper = Visitor::signed_up(&stack).await?;
    let sku = unique("ARTICLE");
    let money = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    let article = json!({ "sku": sku, "name": "A teapot", "price": money("20.00"), "categories": ["tea"] });
    let made = admin.send_once("/products", "make", article.clone()).await?;
    assert_eq!(made.status, 201, "{}", made.body);
    let again = admin.send_once("/products", "make", article.clone()).await?;
    assert_eq!((again.status, &again.headers["idempotent-replayed"]), (201, &"true".parse()?));
    assert_eq!(admin.send("POST", "/products", article).await?.status, 409);

    let stock = format!("/products/{sku}/stock");
    let moved =
        admin.send("PUT", &stock, json!({ "movement": 5, "reason": "delivery" })).await?.expect(200)?;
    assert_eq!((&moved["onHand"], &moved["available"]), (&json!(5), &json!(5)), "{moved}");
    let refused = admin.send("PUT", &stock, json!({ "movement": -6, "reason": "broken" })).await?;
    assert_eq!(refused.status, 409, "{}", refused.body);
    let path = format!("/products/{sku}");
    eventually("the level to be shown", || async {
        let product = shopper.get(&path).await?.expect(200)?;
        anyhow::ensure!(product["available"] == 5, "{product}");
        Ok(())
    })
    .await?;

    let change = json!({ "name": "A teapot", "price": money("25.00"), "categories": ["tea"] });
    admin.send("PUT", &path, change).await?.expect(200)?;
    let id = shopper.send("POST", "/orders", order_of(&sku, 2, "pm_card_visa")).await?.text("/id")?;
    let order = reaches(&shopper, &id, "Completed").await?;
    assert_eq!(order["total"], money("50.00"));
    assert_eq!(admin.ask("DELETE", &path, &[], None).await?.status, 204);
    assert_eq!(shopper.get(&path).await?.expect(200)?["retired"], true, "orders lead to it");
    let found = shopper.get(&format!("/products?query={sku}")).await?.expect(200)?;
    assert_eq!(found["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn money_is_given_back_by_who_may_and_the_order_says_who_and_why() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let admin = admin(&stack).await?;
    let shopper = Visitor::signed_up(&stack).await?;
    let id = shopper.send("POST", "/orders", order_of(&sku, 1, "pm_card_visa")).await?.text("/id")?;
    let order = reaches(&shopper, &id, "Completed").await?;
    let path = format!("/payments/{id}/refund");
    assert_eq!(shopper.send("POST", &path, json!({ "reason": "mine" })).await?.status, 403);
    let asked = admin.send("POST", &path, json!({ "reason": "it was broken" })).await?;
    assert_eq!(asked.status, 202, "{}", asked.body);
    eventually("the money to be back", || async {
        let payment = shopper.get(&format!("/payments/{id}")).await?.expect(200)?;
        anyhow::ensure!(payment["refunded"]["amount"] == "15.90", "{payment}");
        Ok(())
    })
    .await?;
    let name = order["name"].as_str().unwrap_or_default();
    let repairs =
        ["get", "order", name, "-o", "jsonpath={.status.repairs[0].by} {.status.repairs[0].reason}"];
    let said = Program::kubectl("default", &repairs).answer().await?;
    assert_eq!(said, format!("{} it was broken", admin.email));
    let part = json!({ "amount": { "amount": "4.00", "currency": "EUR" }, "reason": "a scratch" });
    let refused = admin.send("POST", &path, part).await?;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.text("/detail")?.contains("has been given back"), "{}", refused.body);
    Ok(())
}

#[tokio::test]
async fn a_part_of_the_money_is_given_back_and_the_order_keeps_its_course() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let admin = admin(&stack).await?;
    let shopper = Visitor::signed_up(&stack).await?;
    let id = shopper.send("POST", "/orders", order_of(&sku, 1, "pm_card_visa")).await?.text("/id")?;
    reaches(&shopper, &id, "Completed").await?;
    let path = format!("/payments/{id}/refund");
    let part = json!({ "amount": { "amount": "4.00", "currency": "EUR" }, "reason": "a scratch" });
    for _ in 0..2 {
        admin.send("POST", &path, part.clone()).await?.expect(202)?;
    }
    eventually("the part to be back, once", || async {
        let payment = shopper.get(&format!("/payments/{id}")).await?.expect(200)?;
        anyhow::ensure!(payment["refunded"]["amount"] == "4.00", "{payment}");
        anyhow::ensure!(payment["partialRefunds"][0]["phase"] == "Refunded", "{payment}");
        Ok(())
    })
    .await?;
    let much = json!({ "amount": { "amount": "11.91", "currency": "EUR" }, "reason": "more" });
    let refused = admin.send("POST", &path, much).await?;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.text("/detail")?.contains("at most 11.90 EUR"), "{}", refused.body);
    let order = shopper.get(&format!("/orders/{id}")).await?.expect(200)?;
    assert_eq!(order["phase"], "Completed", "{order}");
    let money = stack.money(&id).await?;
    assert_eq!((money.captured, money.refunded), (1590, 400), "by the provider's books");
    let audit = Program::supercargo(&["audit", "--order", &id]).run().await?;
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    Ok(())
}

#[tokio::test]
async fn permissions_count_at_once_and_a_disabled_user_is_out() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = TestShop::open().await?;
    let sku = shop.article("1.00", 5).await?;
    let admin = admin(&stack).await?;
    let helper = Visitor::signed_up(&stack).await?;
    let list = "/users?limit=1";
    assert_eq!(helper.get(list).await?.status, 403);
    let path = format!("/users/{}/permissions", helper.id);
    admin.send("PUT", &path, json!({ "permissions": ["users:admin"] })).await?.expect(200)?;
    helper.get(list).await?.expect(200)?;
    let unknown = admin.send("PUT", &path, json!({ "permissions": ["users:admim"] })).await?;
    assert_eq!(unknown.status, 422, "{}", unknown.body);
    assert!(unknown.text("/detail")?.contains("orders:write"), "{}", unknown.body);
    admin.send("PUT", &path, json!({ "permissions": [] })).await?.expect(200)?;
    assert_eq!(helper.get(list).await?.status, 403);
    let disabled = admin.ask("POST", &format!("/users/{}/disable", helper.id), &[], None).await?;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    assert_eq!(helper.get("/users/me").await?.status, 401);
    let wanted = order().item(&sku, 1).customer(&helper.id, &helper.email);
    crate::rejected::rejected(&shop, wanted, "CustomerDisabled", "disabled").await?;
    shop.close().await
}
