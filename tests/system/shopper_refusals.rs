//! What the API refuses, and how.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::{Answer, Stack, Visitor};

use crate::Tested;
use crate::shopper::order_of;

fn is_problem(answer: &Answer, status: u16) -> bool {
    answer.status == status
        && answer.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json")
        && answer.body["status"] == status
        && answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty())
        && answer.headers.contains_key("ratelimit-remaining")
}

/// Method, path and permission of every operation of the document that needs a token; ids are made up.
async fn guarded(stack: &Stack) -> anyhow::Result<Vec<(String, String, bool)>> {
    let url = format!("{}/api/openapi.json", stack.addresses.shop);
    let document: Value = stack.http.get(url).send().await?.json().await?;
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["security"].as_array().is_some_and(|needs| !needs.is_empty()) {
                let path = path.replace("{id}", "x-1").replace("{sku}", "x-1");
                all.push((method.to_uppercase(), path, operation["responses"].get("403").is_some()));
            }
        }
    }
    Ok(all)
}

#[tokio::test]
async fn every_endpoint_that_needs_a_token_refuses_who_has_none_and_who_has_a_forged_one() -> Tested {
    let stack = Stack::from_env().await?;
    let guarded = guarded(&stack).await?;
    assert!(guarded.len() > 20, "{guarded:?}");
    let shopper = Visitor::signed_up(&stack).await?;
    let nobody = Visitor::new(&stack);
    let token = shopper.token.clone().unwrap_or_default();
    let [header, payload, signature] = [0, 1, 2].map(|part| token.split('.').nth(part).unwrap_or_default());
    let kid: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    let unsigned = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": kid["kid"] }).to_string());
    let other_kid = URL_SAFE_NO_PAD.encode(json!({ "alg": "EdDSA", "kid": "made-up" }).to_string());
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    claims["sub"] = json!("u-somebody-else");
    let changed = URL_SAFE_NO_PAD.encode(claims.to_string());
    let forged = [
        "x".to_owned(),
        format!("{unsigned}.{payload}."),
        format!("{unsigned}.{payload}.{signature}"),
        format!("{other_kid}.{payload}.{signature}"),
        format!("{header}.{changed}.{signature}"),
    ];
    for (method, path, _) in &guarded {
        // A body that cannot be read comes after the question who asks.
        let answer = nobody.ask(method, path, &[], Some("{".to_owned())).await?;
        assert!(is_problem(&answer, 401), "{method} {path}: {answer:?}");
    }
    for token in forged {
        let mut forger = nobody.clone();
        forger.token = Some(token.clone());
        for (method, path, _) in &guarded {
            let answer = forger.ask(method, path, &[], Some("{}".to_owned())).await?;
            assert!(is_problem(&answer, 401), "{method} {path} with {token}: {answer:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_endpoint_that_needs_a_permission_refuses_a_shopper_before_it_reads_the_body() -> Tested {
    let stack = Stack::from_env().await?;
    let shopper = Visitor::signed_up(&stack).await?;
    let mut count = 0;
    for (method, path, permission) in guarded(&stack).await? {
        if permission {
            count += 1;
            let answer = shopper.ask(&method, &path, &[], Some("{".to_owned())).await?;
            assert!(is_problem(&answer, 403), "{method} {path}: {answer:?}");
        }
    }
    assert!(count >= 6, "{count} endpoints need a permission");
    Ok(())
}

#[tokio::test]
async fn what_is_another_users_is_not_there() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("1.00", 10).await?;
    let owner = Visitor::signed_up(&stack).await?;
    let stranger = Visitor::signed_up(&stack).await?;
    let id = owner.send("POST", "/orders", order_of(&sku, 1, "pm_card_visa")).await?.text("/id")?;
    for (method, path, body) in [
        ("GET", format!("/orders/{id}"), None),
        ("GET", format!("/orders/{id}/history"), None),
        ("GET", format!("/orders/{id}/events"), None),
        ("GET", format!("/payments/{id}"), None),
        ("PATCH", format!("/orders/{id}"), Some(json!({ "shippingService": "express" }))),
        ("PUT", format!("/orders/{id}/cancel"), Some(json!({ "reason": "mine" }))),
        ("PUT", format!("/orders/{id}/payment"), Some(json!({ "method": "pm_card_visa" }))),
        ("POST", "/payments".to_owned(), Some(json!({ "orderId": id, "method": "pm_card_visa" }))),
    ] {
        let answer = stranger.ask(method, &path, &[], body.map(|body| body.to_string())).await?;
        assert!(is_problem(&answer, 404), "{method} {path}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bodies_and_addresses_that_cannot_be_are_refused_and_change_nothing() -> Tested {
    let stack = Stack::from_env().await?;
    let shopper = Visitor::signed_up(&stack).await?;
    let good = order_of("MUG-01", 1, "pm_card_visa");
    let with = |pointer: &str, value: Value| {
        let mut order = good.clone();
        if let Some(place) = order.pointer_mut(pointer) {
            *place = value;
        }
        order.to_string()
    };
    for (status, body) in [
        (400, "{".to_owned()),
        (400, "[".repeat(200_000)),
        (422, "[]".to_owned()),
        (422, with("/items", json!([]))),
        (422, with("/items/0/quantity", json!(0))),
        (422, with("/items/0/quantity", json!("1"))),
        (422, with("/items/0/quantity", json!(1.5))),
        (422, with("/items/0/sku", json!("'; DROP TABLE orders; --"))),
        (422, with("/items/0/sku", json!("a\u{0}b"))),
        (422, with("/shippingAddress/country", json!("Germany"))),
        (422, with("/shippingAddress/line1", json!("1 High Street\r\nBcc: x@example.com"))),
        (422, with("/payment/method", json!("4242 4242 4242 4242"))),
        (
            422,
            with("/items", json!([{ "sku": "MUG-01", "quantity": 1 }, { "sku": "MUG-01", "quantity": 1 }])),
        ),
        (413, format!("\"{}\"", "x".repeat(5_000_000))),
    ] {
        let answer = shopper.ask("POST", "/orders", &[], Some(body.clone())).await?;
        let shown: String = body.chars().take(120).collect();
        assert!(is_problem(&answer, status), "{shown}: {answer:?}");
    }
    let plain = shopper.open("POST", "/orders", &[], None).await?;
    assert_eq!(plain.status().as_u16(), 415, "no body is declared");
    for key in ["", "with blank", "ä"] {
        let headers = [("idempotency-key", key)];
        let answer = shopper.ask("POST", "/orders", &headers, Some(good.to_string())).await?;
        assert!(is_problem(&answer, 400), "{key:?}: {answer:?}");
    }
    for path in [
        "/orders/..%2f..%2fusers",
        "/orders/%00",
        "/orders/x%0d%0aSet-Cookie:%20a=b",
        "/orders/'%20OR%201=1",
        "/orders/../../etc/passwd",
        "/nothing",
    ] {
        let answer = shopper.get(path).await?;
        assert!(is_problem(&answer, 404), "{path}: {answer:?}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    for path in [
        "/orders?limit=0",
        "/orders?limit=101",
        "/orders?limit=x",
        "/orders?cursor=%00",
        "/orders?cursor=e30",
    ] {
        let answer = shopper.get(path).await?;
        assert!(is_problem(&answer, 400), "{path}: {answer:?}");
    }
    assert!(is_problem(&shopper.ask("DELETE", "/orders", &[], None).await?, 405));
    assert_eq!(shopper.get("/orders").await?.expect(200)?["items"], json!([]), "nothing was placed");
    Ok(())
}

/// Method and path of every operation of the document that takes a body of the caller's own making; ids are made up.
async fn reading(stack: &Stack) -> anyhow::Result<Vec<(String, String)>> {
    let url = format!("{}/api/openapi.json", stack.addresses.shop);
    let document: Value = stack.http.get(url).send().await?.json().await?;
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["requestBody"].is_object() && operation["tags"] != json!(["webhooks"]) {
                all.push((method.to_uppercase(), path.replace("{id}", "x-1").replace("{sku}", "x-1")));
            }
        }
    }
    Ok(all)
}

#[tokio::test]
async fn every_endpoint_that_takes_a_body_refuses_one_that_is_huge_or_deep() -> Tested {
    let stack = Stack::from_env().await?;
    let admin = crate::staff::admin(&stack).await?;
    let reading = reading(&stack).await?;
    assert!(reading.len() >= 15, "{reading:?}");
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    for (method, path) in reading {
        let huge = if path == "/images" { 16_000_000 } else { 2_000_000 };
        for (statuses, body) in [
            (&[400][..], "[".repeat(200_000)),
            (&[400], nested(10_000)),
            (&[422], nested(100)),
            (&[422, 413], format!("[{}0]", "0,".repeat(200_000))),
            (&[413], format!("{{\"a\": \"{}\"}}", "x".repeat(huge))),
        ] {
            let began = std::time::Instant::now();
            let answer = admin.ask(&method, &path, &[], Some(body.clone())).await?;
            let shown: String = body.chars().take(60).collect();
            let fits = statuses.iter().any(|status| is_problem(&answer, *status));
            assert!(fits, "{method} {path} with {shown}: {answer:?}");
            assert!(
                began.elapsed().as_secs() < 10,
                "{method} {path} with {shown} took {:?}",
                began.elapsed()
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn answers_carry_what_browsers_and_clients_need() -> Tested {
    let stack = Stack::from_env().await?;
    let nobody = Visitor::new(&stack);
    let answer = nobody.ask("GET", "/products", &[("x-request-id", "from-the-client")], None).await?;
    answer.clone().expect(200)?;
    assert_eq!(answer.headers["x-request-id"], "from-the-client");
    for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "content-security-policy"] {
        assert!(answer.headers.contains_key(name), "{name}");
    }
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let docs = stack.http.get(format!("{}/api/docs/", stack.addresses.shop)).send().await?;
    assert_eq!(docs.status().as_u16(), 200);
    let page = docs.text().await?;
    assert!(page.contains("swagger") && !page.contains("https://"), "{page}");
    Ok(())
}
