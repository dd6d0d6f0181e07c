//! A shopper's day through `/api/v1` alone; the same orders are there with kubectl.

use anyhow::Context as _;
use base64::Engine as _;
use kube::api::Api;
use resources::{Order, OrderPhase};
use serde_json::{Value, json};
use sqlx::Connection as _;
use testkit::{Answer, PASSWORD, Program, Stack, TestShop, Visitor, eventually, order, unique};

use crate::Tested;

const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Where orders that come through REST are.
const NAMESPACE: &str = "default";

pub(crate) fn address() -> Value {
    json!({ "name": "A. Shopper", "line1": "1 High Street", "city": "Berlin", "postalCode": "10115", "country": "DE" })
}

pub(crate) fn order_of(sku: &str, quantity: u32, method: &str) -> Value {
    json!({
        "items": [{ "sku": sku, "quantity": quantity }],
        "shippingAddress": address(),
        "payment": { "method": method },
    })
}

/// The order's phase once it is the one expected.
pub(crate) async fn reaches(visitor: &Visitor, id: &str, phase: &str) -> anyhow::Result<Value> {
    eventually(&format!("the order {id} to be {phase}"), || async {
        let order = visitor.get(&format!("/orders/{id}")).await?.expect(200)?;
        anyhow::ensure!(order["phase"] == phase, "it is {order}");
        Ok(order)
    })
    .await
}

/// Sends again what was answered with 503, as its sentence says.
async fn insistently(
    visitor: &Visitor,
    path: &str,
    key: Option<&str>,
    body: &Value,
) -> anyhow::Result<Answer> {
    eventually("the request is answered", || async {
        let answer = match key {
            Some(key) => visitor.send_once(path, key, body.clone()).await?,
            None => visitor.send("POST", path, body.clone()).await?,
        };
        anyhow::ensure!(answer.status != 503, "{}", answer.body);
        Ok(answer)
    })
    .await
}

#[tokio::test]
async fn a_shopper_signs_up_browses_fills_a_cart_checks_out_and_follows_the_order_to_its_end() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let visitor = Visitor::signed_up(&stack).await?;

    let me = visitor.get("/users/me").await?.expect(200)?;
    assert_eq!(
        (me["email"].as_str(), me["name"].as_str()),
        (Some(visitor.email.as_str()), Some("A. Shopper"))
    );
    assert_eq!(me["permissions"], json!([]));

    // Browse.
    let product = eventually("the stock level to be shown", || async {
        let product = visitor.get(&format!("/products/{sku}")).await?.expect(200)?;
        anyhow::ensure!(product["available"] == 10, "it is {product}");
        Ok(product)
    })
    .await?;
    assert_eq!(product["price"], json!({ "amount": "15.90", "currency": "EUR" }));
    let found = visitor.get(&format!("/products?query={sku}")).await?.expect(200)?;
    assert_eq!(found["items"][0]["sku"], sku.as_str(), "{found}");

    // A picture of oneself.
    let data = format!("data:image/png;base64,{PICTURE}");
    let image = visitor.send("POST", "/images", json!({ "data": data })).await?;
    let image = image.text("/id")?;
    let picture = visitor.open("GET", &format!("/images/{image}"), &[], None).await?;
    assert_eq!(picture.headers()["content-type"], "image/png");
    let original = base64::engine::general_purpose::STANDARD.decode(PICTURE)?;
    assert_eq!(picture.bytes().await?, original);

    // The cart.
    let cart =
        visitor.send("PUT", &format!("/cart/items/{sku}"), json!({ "quantity": 2 })).await?.expect(200)?;
    assert_eq!(cart["items"][0]["quantity"], 2, "{cart}");
    let cart = visitor.send("POST", "/cart/validate", json!({})).await?.expect(200)?;
    assert_eq!(cart["warnings"], json!([]), "{cart}");
    let wish = json!({ "shippingAddress": address(), "payment": { "method": "pm_card_visa" } });
    let taken = visitor.send("POST", "/cart/checkout", wish).await?;
    assert_eq!(taken.status, 202, "{}", taken.body);
    let id = taken.text("/id")?;
    let cart = visitor.get("/cart").await?.expect(200)?;
    assert_eq!(cart["items"], json!([]), "the next cart is empty");

    // Live.
    let told = visitor.follow(&id, None, "Completed").await?;
    let names: Vec<&str> = told.iter().map(|told| told.name.as_str()).collect();
    assert_eq!(names, ["order.placed", "order.reserved", "order.paid", "order.shipped", "order.completed"]);
    let ids: Vec<&str> = told.iter().map(|told| told.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    let resumed = visitor.follow(&id, Some("3"), "Completed").await?;
    assert_eq!(resumed.len(), 2, "what was told is not told again");
    let path = format!("/orders/{id}/events");
    assert_eq!(visitor.ask("GET", &path, &[("last-event-id", "5")], None).await?.status, 204);

    // Read.
    let order = reaches(&visitor, &id, "Completed").await?;
    assert_eq!(order["total"], json!({ "amount": "31.80", "currency": "EUR" }));
    let audit = Program::supercargo(&["audit", "--order", &id]).run().await?;
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    assert_eq!(order["shippingAddress"]["city"], "Berlin");
    let orders = visitor.get("/orders").await?.expect(200)?;
    assert_eq!(orders["items"][0]["id"], id.as_str());
    let payment = visitor.get(&format!("/payments/{id}")).await?.expect(200)?;
    assert_eq!((&payment["phase"], &payment["captured"]["amount"]), (&json!("Captured"), &json!("31.80")));
    let history = visitor.get(&format!("/orders/{id}/history?limit=100")).await?.expect(200)?;
    let events: Vec<&str> = history["items"]
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert!(events.contains(&"order.completed") && events.contains(&"payment.captured"), "{events:?}");

    // The same with kubectl.
    let name = order["name"].as_str().context("a name")?;
    let listed = Program::kubectl(NAMESPACE, &["get", "order", name, "-o", "jsonpath={.status.phase}"]);
    assert_eq!(listed.answer().await?, "Completed");
    let refused =
        visitor.send("PUT", &format!("/orders/{id}/cancel"), json!({ "reason": "too late" })).await?;
    assert_eq!(refused.status, 409, "{}", refused.body);
    Ok(())
}

#[tokio::test]
async fn a_declined_order_is_paid_by_another_method_and_another_is_cancelled() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let taken = visitor.send("POST", "/orders", order_of(&sku, 1, "pm_card_visa_chargeDeclined")).await?;
    assert_eq!((taken.status, &taken.body["phase"]), (202, &Value::Null), "{}", taken.body);
    let id = taken.text("/id")?;
    let waiting = reaches(&visitor, &id, "AwaitingPayment").await?;
    assert_eq!(waiting["reason"], "PaymentDeclined");
    let message = waiting["message"].as_str().context("a message")?;
    assert!(message.contains("PUT /orders/{id}/payment") && !message.contains("spec."), "{message}");
    let paid =
        visitor.send("PUT", &format!("/orders/{id}/payment"), json!({ "method": "pm_card_visa" })).await?;
    assert_eq!(paid.status, 202, "{}", paid.body);
    reaches(&visitor, &id, "Completed").await?;
    let again =
        visitor.send("PUT", &format!("/orders/{id}/payment"), json!({ "method": "pm_card_visa" })).await?;
    assert_eq!(again.status, 409);

    let mut unpaid = order_of(&sku, 1, "");
    unpaid.as_object_mut().context("an object")?.remove("payment");
    let taken = visitor.send("POST", "/checkout", unpaid).await?;
    let id = taken.text("/id")?;
    assert_eq!(reaches(&visitor, &id, "AwaitingPayment").await?["reason"], "MethodMissing");
    let cancelled = visitor
        .send("PUT", &format!("/orders/{id}/cancel"), json!({ "reason": "found it elsewhere" }))
        .await?;
    assert_eq!(cancelled.status, 202, "{}", cancelled.body);
    reaches(&visitor, &id, "Cancelled").await?;
    Ok(())
}

#[tokio::test]
async fn a_key_places_one_order_however_often_it_is_sent() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("1.00", 100).await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let key = unique("key");
    let wish = order_of(&sku, 1, "pm_card_visa");
    let sent = (0..50).map(|_| insistently(&visitor, "/orders", Some(&key), &wish));
    let answers = futures::future::try_join_all(sent).await?;
    let first = answers[0].text("/id")?;
    for answer in &answers {
        assert_eq!((answer.status, answer.text("/id")?), (202, first.clone()), "{}", answer.body);
    }
    let replayed = visitor.send_once("/orders", &key, wish).await?;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(replayed.body["phase"], Value::Null, "the first answer");
    let other = visitor.send_once("/orders", &key, order_of(&sku, 2, "pm_card_visa")).await?;
    assert_eq!(other.status, 422, "{}", other.body);
    let stranger = Visitor::signed_up(&stack).await?;
    let own = stranger.send_once("/orders", &key, order_of(&sku, 1, "pm_card_visa")).await?;
    assert_ne!(own.text("/id")?, first, "a key is its user's own");
    assert_eq!(visitor.get("/orders").await?.expect(200)?["items"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn one_cart_makes_one_order_however_many_clicks() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("1.00", 100).await?;
    let wish = json!({ "shippingAddress": address(), "payment": { "method": "pm_card_visa" } });
    for key in [None, Some(unique("key"))] {
        let visitor = Visitor::signed_up(&stack).await?;
        visitor.send("PUT", &format!("/cart/items/{sku}"), json!({ "quantity": 1 })).await?.expect(200)?;
        let sent = (0..50).map(|_| insistently(&visitor, "/cart/checkout", key.as_deref(), &wish));
        let answers = futures::future::try_join_all(sent).await?;
        let ids: std::collections::BTreeSet<String> = answers
            .iter()
            .filter(|answer| answer.status == 202)
            .filter_map(|answer| answer.text("/id").ok())
            .collect();
        assert_eq!(ids.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        if key.is_some() {
            assert!(answers.iter().all(|answer| answer.status == 202));
        } else {
            assert!(answers.iter().all(|answer| [202, 409].contains(&answer.status)));
        }
        let orders: Api<Order> = Api::namespaced(stack.kubernetes.clone(), NAMESPACE);
        let of_user = kube::api::ListParams::default().fields(&format!("spec.customer.id={}", visitor.id));
        assert_eq!(orders.list(&of_user).await?.items.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn who_signs_out_is_signed_out_everywhere_at_once() -> Tested {
    let stack = Stack::from_env().await?;
    let visitor = Visitor::signed_up(&stack).await?;
    for path in ["/users/me", "/orders", "/cart"] {
        visitor.get(path).await?.expect(200)?;
    }
    let out = visitor.ask("POST", "/users/logout", &[], None).await?;
    assert_eq!(out.status, 204, "{}", out.body);
    for path in ["/users/me", "/orders", "/cart"] {
        let refused = visitor.get(path).await?;
        assert_eq!(refused.status, 401, "{path}: {}", refused.body);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    let login = json!({ "email": visitor.email, "password": PASSWORD });
    let back = visitor.send("POST", "/users/login", login).await?;
    assert_eq!(back.status, 200);
    let wrong = json!({ "email": visitor.email, "password": "not the right one" });
    assert_eq!(visitor.send("POST", "/users/login", wrong).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn who_changes_their_password_stays_in_here_and_is_out_elsewhere() -> Tested {
    let stack = Stack::from_env().await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let login = json!({ "email": visitor.email, "password": PASSWORD });
    let entered = visitor.send("POST", "/users/login", login.clone()).await?;
    let elsewhere = {
        let mut elsewhere = visitor.clone();
        elsewhere.token = Some(entered.text("/token")?);
        elsewhere
    };
    elsewhere.get("/orders").await?.expect(200)?;
    let change = |current: &str| json!({ "current": current, "new": "battery staple" });
    let refused = visitor.send("PUT", "/users/me/password", change("not the right one")).await?;
    assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!("/current")), "{}", refused.body);
    elsewhere.get("/orders").await?.expect(200)?;
    let changed = visitor.send("PUT", "/users/me/password", change(PASSWORD)).await?;
    assert_eq!(changed.status, 204, "{}", changed.body);
    visitor.get("/orders").await?.expect(200)?;
    assert_eq!(elsewhere.get("/orders").await?.status, 401);
    assert_eq!(visitor.send("POST", "/users/login", login).await?.status, 401);
    let login = json!({ "email": visitor.email, "password": "battery staple" });
    visitor.send("POST", "/users/login", login).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn whose_account_is_disabled_has_no_token_any_more_and_no_new_order() -> Tested {
    let stack = Stack::from_env().await?;
    let visitor = Visitor::signed_up(&stack).await?;
    visitor.get("/users/me").await?.expect(200)?;
    Program::supercargo(&["accounts", "disable", &visitor.id]).answer().await?;
    assert_eq!(visitor.get("/users/me").await?.status, 401);
    let login = json!({ "email": visitor.email, "password": PASSWORD });
    assert!([401, 403].contains(&visitor.send("POST", "/users/login", login).await?.status));
    Ok(())
}

#[tokio::test]
async fn an_address_is_replaced_as_a_whole_and_shown_as_it_is() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let declined = order_of(&sku, 1, "pm_card_visa_chargeDeclined");
    let id = visitor.send("POST", "/orders", declined).await?.text("/id")?;
    let order = reaches(&visitor, &id, "AwaitingPayment").await?;
    let path = format!("/orders/{id}");
    let first = json!({ "name": "C", "line1": "3", "line2": "flat 9", "city": "Bonn", "postalCode": "53111", "country": "DE" });
    let second = json!({ "name": "D", "line1": "4", "city": "Reykjavik", "country": "IS" });
    for address in [first, second.clone()] {
        visitor.send("PATCH", &path, json!({ "shippingAddress": address })).await?.expect(202)?;
        let shown = visitor.get(&path).await?.expect(200)?;
        assert_eq!(shown["shippingAddress"], address, "{shown}");
    }
    let name = order["name"].as_str().unwrap_or_default();
    let said = Program::kubectl(NAMESPACE, &["get", "order", name, "-o", "jsonpath={.spec.shippingAddress}"]);
    assert_eq!(serde_json::from_str::<Value>(&said.answer().await?)?, second, "nothing of the first is left");
    visitor.send("PATCH", &path, json!({ "shippingService": "express" })).await?.expect(202)?;
    let shown = visitor.get(&path).await?.expect(200)?;
    assert_eq!((&shown["shippingService"], &shown["shippingAddress"]), (&json!("express"), &second));
    Ok(())
}

#[tokio::test]
async fn an_order_that_rests_is_shown_as_it_is_after_an_edit_and_not_as_it_was_quoted_first() -> Tested {
    let shop = TestShop::open().await?;
    let visitor = Visitor::signed_up(&shop.stack).await?;
    let (mug, tea) = (shop.article("12.50", 5).await?, shop.article("3.00", 5).await?);
    let wanted = order().item(&mug, 1).customer(&visitor.id, &visitor.email).suspended();
    let placed = shop.place(wanted).await?;
    shop.rests(&placed, OrderPhase::Placed, "Suspended").await?;
    reaches(&visitor, &placed.id, "Placed").await?;
    let path = format!("/orders/{}", placed.id);
    let items = json!([{ "sku": mug, "quantity": 1 }, { "sku": tea, "quantity": 4 }]);
    visitor.send("PATCH", &path, json!({ "items": items })).await?.expect(202)?;
    let shown = visitor.get(&path).await?.expect(200)?;
    assert_eq!(shown["items"], items, "what is asked for is shown at once: {shown}");
    eventually("the new quote is shown", || async {
        let shown = visitor.get(&path).await?.expect(200)?;
        anyhow::ensure!(shown["total"]["amount"] == "24.50" && shown["reason"] == "Suspended", "{shown}");
        Ok(())
    })
    .await?;
    let elsewhere = json!({"spec": {"suspend": false, "shippingAddress": {"line1": "2 Low Street"}}});
    shop.change(&placed, elsewhere).await?;
    let completed = reaches(&visitor, &placed.id, "Completed").await?;
    assert_eq!(completed["shippingAddress"]["line1"], "2 Low Street", "{completed}");
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_was_placed_with_kubectl_is_shown_whole_also_once_it_is_archived() -> Tested {
    let shop = TestShop::open().await?;
    let visitor = Visitor::signed_up(&shop.stack).await?;
    let sku = shop.article("1.00", 5).await?;
    let wanted = order().item(&sku, 1).customer(&visitor.id, &visitor.email).express().gone_after(1);
    let placed = shop.place(wanted).await?;
    let shown = reaches(&visitor, &placed.id, "Completed").await?;
    let gone = ["get", "order", &placed.name, "--ignore-not-found", "-o", "name"];
    eventually("the resource is archived", || async {
        let listed = Program::kubectl(&shop.namespace, &gone).answer().await?;
        anyhow::ensure!(listed.is_empty(), "{listed}");
        Ok(())
    })
    .await?;
    let archived = visitor.get(&format!("/orders/{}", placed.id)).await?.expect(200)?;
    for order in [shown, archived] {
        assert_eq!(order["shippingAddress"]["country"], "DE", "{order}");
        assert_eq!(order["shippingService"], "express", "{order}");
    }
    shop.close().await
}

#[tokio::test]
async fn a_payment_whose_answer_was_lost_in_a_crash_is_answered_as_the_first_time() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let visitor = Visitor::signed_up(&stack).await?;
    let declined = order_of(&sku, 1, "pm_card_visa_chargeDeclined");
    let id = visitor.send("POST", "/orders", declined).await?.text("/id")?;
    reaches(&visitor, &id, "AwaitingPayment").await?;
    let key = unique("key");
    let wish = json!({ "orderId": id, "method": "pm_card_visa" });
    let first = visitor.send_once("/payments", &key, wish.clone()).await?;
    assert_eq!(first.status, 202, "{}", first.body);
    reaches(&visitor, &id, "Completed").await?;
    // The payment was chosen, and the answer never recorded.
    let mut database = sqlx::PgConnection::connect(&stack.addresses.database).await?;
    let forget = "UPDATE payment.idempotency SET status = NULL, body = NULL WHERE key = $1";
    assert_eq!(sqlx::query(forget).bind(&key).execute(&mut database).await?.rows_affected(), 1);
    let again = visitor.send_once("/payments", &key, wish.clone()).await?;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let other = visitor.send_once("/payments", &unique("key"), wish).await?;
    assert_eq!(other.status, 409, "{}", other.body);
    let money = stack.money(&id).await?;
    assert_eq!((money.captured, money.refunded), (1590, 0), "by the provider's books");
    Ok(())
}
