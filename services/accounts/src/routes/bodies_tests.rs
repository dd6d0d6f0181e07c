//! What the schemas of the bodies let through, as the handlers get it.

use axum::body::Body as Bytes;
use axum::extract::{FromRequest, Request};
use rest::Body;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::entrance::{LogIn, Register};
use crate::managed::Permissions;
use crate::profile::ProfileChange;

/// The status of the refusal and the place of the fault, where it is refused.
async fn refusal<T: DeserializeOwned + JsonSchema + 'static>(body: Value) -> Option<(u16, String)> {
    let request =
        Request::post("/").header("content-type", "application/json").body(Bytes::from(body.to_string()));
    let refused = Body::<T>::from_request(request.unwrap(), &()).await.err()?;
    let told = serde_json::to_value(&refused).unwrap();
    Some((refused.status().as_u16(), told["pointer"].as_str().unwrap_or_default().to_owned()))
}

fn address(name: &str, country: &str) -> Value {
    json!({"name": name, "line1": "1 High Street", "city": "Berlin", "postalCode": "10115", "country": country})
}

#[tokio::test]
async fn a_password_has_8_to_200_characters_counted_not_weighed() {
    let sign_up = |password: &str| json!({"email": "a@example.com", "password": password, "name": "A"});
    for (password, refused) in
        [("ü".repeat(7), true), ("ü".repeat(8), false), ("ü".repeat(200), false), ("ü".repeat(201), true)]
    {
        let told = refusal::<Register>(sign_up(&password)).await;
        assert_eq!(told, refused.then(|| (422, "/password".to_owned())), "{password}");
    }
    assert_eq!(refusal::<LogIn>(json!({"email": "a@example.com", "password": ""})).await, None);
}

#[tokio::test]
async fn a_sign_up_is_whole_and_has_nothing_else() {
    for body in [
        json!({"email": "a@example.com", "password": "12345678"}),
        json!({"email": "a@example.com", "password": "12345678", "name": ""}),
        json!({"email": "a@example.com", "password": "12345678", "name": "x".repeat(201)}),
        json!({"email": "a@example.com", "password": 12_345_678, "name": "A"}),
        json!({"email": "a@example.com", "password": "12345678", "name": "A", "permissions": ["admin"]}),
    ] {
        assert_eq!(refusal::<Register>(body.clone()).await.map(|(status, _)| status), Some(422), "{body}");
    }
}

#[tokio::test]
async fn a_profile_is_bounded_in_all_its_parts() {
    let whole = json!({
        "name": "A. Shopper", "phone": "+49 30 1234", "picture": "0f1e2d-3c.png", "tastes": ["mugs", "Tassen"],
        "addresses": [],
        "paymentMethods": [{"method": "pm_card_visa", "label": "Visa, blue"}, {"method": "pm_1"}],
    });
    assert_eq!(refusal::<ProfileChange>(whole).await, None);
    assert_eq!(refusal::<ProfileChange>(json!({})).await, None);
    assert_eq!(refusal::<ProfileChange>(json!({"phone": null, "picture": null})).await, None);
    for (body, place) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "A\nB"}), "/name"),
        (json!({"phone": "1".repeat(33)}), "/phone"),
        (json!({"picture": "../x"}), "/picture"),
        (json!({"tastes": vec!["x"; 51]}), "/tastes"),
        (json!({"tastes": ["x".repeat(101)]}), "/tastes/0"),
        (json!({"tastes": [""]}), "/tastes/0"),
        (json!({"addresses": vec![address("A", "DE"); 21]}), "/addresses"),
        (json!({"paymentMethods": vec![json!({"method": "x"}); 21]}), "/paymentMethods"),
        (json!({"paymentMethods": [{"method": "pm 1"}]}), "/paymentMethods/0/method"),
        (json!({"email": "b@example.com"}), ""),
        (json!({"permissions": ["admin"]}), ""),
    ] {
        let told = refusal::<ProfileChange>(body.clone()).await;
        assert_eq!(told, Some((422, place.to_owned())), "{body}");
    }
}

#[tokio::test]
async fn an_address_is_one_that_an_order_may_have() {
    for (address, refused) in [
        (address("A. Shopper", "DE"), false),
        (address("A\nShopper", "DE"), true),
        (address("", "DE"), true),
        (address("A", "Germany"), true),
    ] {
        let told = refusal::<ProfileChange>(json!({"addresses": [address]})).await;
        assert_eq!(told.is_some(), refused, "{address}: {told:?}");
    }
}

#[tokio::test]
async fn a_permission_is_a_word_or_two() {
    let wish = |permissions: Value| json!({"permissions": permissions});
    assert_eq!(refusal::<Permissions>(wish(json!([]))).await, None);
    assert_eq!(refusal::<Permissions>(wish(json!(["admin", "catalog:write"]))).await, None);
    for wrong in ["", "Admin", "a:", ":a", "a:b:c", "a b", "a\n", &"a".repeat(64)] {
        let told = refusal::<Permissions>(wish(json!([wrong]))).await;
        assert_eq!(told, Some((422, "/permissions/0".to_owned())), "{wrong:?}");
    }
    assert!(refusal::<Permissions>(wish(json!(vec!["a"; 51]))).await.is_some());
    assert!(refusal::<Permissions>(json!({})).await.is_some());
}

#[test]
fn every_route_has_an_id_of_its_own_in_the_document() {
    let document = rest::document(crate::operations());
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let routes = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((routes, ids.len()), (12, 12), "{ids:?}");
    let password = &document["components"]["schemas"]["Register"]["properties"]["password"];
    assert_eq!((&password["minLength"], &password["maxLength"]), (&json!(8), &json!(200)));
}
