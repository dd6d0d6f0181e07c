//! The carrier over HTTP.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use serde_json::{Value, json};
use world::{World, hmac_hex, until};

fn parcel(reference: &str, street1: &str) -> Value {
    json!({"reference": reference, "buy": true, "service": "standard", "items": [{"sku": "MUG-01", "quantity": 2}],
        "to_address": {"name": "A. Shopper", "street1": street1, "city": "Berlin", "zip": "10115", "country": "DE"}})
}

fn statuses(world: &World) -> Vec<String> {
    let told = world.arrived();
    told.iter()
        .map(|event| event.json()["result"]["status"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_parcel_travels_and_tells_its_steps_in_order_signed() {
    let world = World::open("200ms").await;
    world.inbox.lock().unwrap().refusals = 1;
    let (status, shipment) = world.carrier("POST", "shipments", Some(parcel("o-1", "1 High Street"))).await;
    assert_eq!((status.as_u16(), &shipment["status"]), (201, &json!("pre_transit")));
    let (status, again) = world.carrier("POST", "shipments", Some(parcel("o-1", "2 Other Street"))).await;
    assert_eq!((status.as_u16(), &again["id"]), (200, &shipment["id"]));
    until("told", async || statuses(&world) == ["in_transit", "delivered"]).await;
    let event = world.arrived().remove(0);
    assert_eq!(
        (event.path.as_str(), &event.json()["description"]),
        ("/hooks/carrier", &json!("tracker.updated"))
    );
    let at = event.headers["x-timestamp"].to_str().unwrap();
    let expected = format!("hmac-sha256-hex={}", hmac_hex("hook_test", &format!("{at}.{}", event.body)));
    assert_eq!(event.headers["x-hmac-signature"], *expected);
    let code = shipment["tracking_code"].as_str().unwrap();
    let (_, tracker) = world.carrier("GET", &format!("trackers/{code}"), None).await;
    assert_eq!(tracker["status"], "delivered");
    assert_eq!(tracker["tracking_details"].as_array().unwrap().len(), 3);
    let (status, refusal) = world.carrier("POST", "shipments/o-1/refund", None).await;
    assert_eq!((status.as_u16(), &refusal["error"]["code"]), (422, &json!("SHIPMENT.REFUND.UNAVAILABLE")));
}

#[tokio::test]
async fn at_once_means_every_step_in_order() {
    let world = World::open("0s").await;
    let (_, shipment) = world.carrier("POST", "shipments", Some(parcel("o-1", "LOST LANE 1"))).await;
    assert_eq!(
        (&shipment["status"], &shipment["tracker"]["status_detail"]),
        (&json!("error"), &json!("lost"))
    );
    until("told", async || statuses(&world) == ["in_transit", "failure", "error"]).await;
}

#[tokio::test]
async fn a_label_is_refunded_before_the_parcel_moves_and_all_of_it_survives_a_restart() {
    let mut world = World::open("1h").await;
    let mut wanted = parcel("o-1", "1 High Street");
    wanted["buy"] = json!(false);
    let (_, shipment) = world.carrier("POST", "shipments", Some(json!({"shipment": wanted}))).await;
    assert_eq!((&shipment["status"], &shipment["tracker"]), (&json!("unknown"), &Value::Null));
    let id = shipment["id"].as_str().unwrap();
    let rate = json!({"rate": {"id": shipment["rates"][1]["id"]}});
    let (_, bought) = world.carrier("POST", &format!("shipments/{id}/buy"), Some(rate)).await;
    assert_eq!((&bought["status"], &bought["service"]), (&json!("pre_transit"), &json!("express")));
    world.restart().await;
    let (status, refunded) = world.carrier("POST", &format!("shipments/{id}/refund"), None).await;
    assert_eq!((status.as_u16(), &refunded["refund_status"]), (200, &json!("refunded")));
    until("told", async || statuses(&world) == ["cancelled"]).await;
    world.restart().await;
    let (_, found) = world.carrier("GET", "shipments?reference=o-1", None).await;
    assert_eq!(found["shipments"][0]["status"], "cancelled");
    let books = world.get(&world.settings.carrier_addr, "/books").await;
    assert_eq!(books["byStatus"], json!({"cancelled": 1}));
}

#[tokio::test]
async fn what_cannot_be_delivered_is_refused() {
    let world = World::open("0s").await;
    let (status, error) = world.carrier("POST", "shipments", Some(parcel("o-1", "UNDELIVERABLE 1"))).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (422, &json!("ADDRESS.VERIFY.FAILURE")));
    let (status, _) = world.carrier("POST", "shipments", Some(json!({"reference": "o-1"}))).await;
    assert_eq!(status, 422);
    let (status, _) = world.carrier("GET", "shipments/shp_none", None).await;
    assert_eq!(status, 404);
    let url = format!("http://{}/v2/shipments", world.settings.carrier_addr);
    assert_eq!(world.client.get(url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again() {
    let world = World::open("1h").await;
    let url = format!("http://{}/v2/shipments", world.settings.carrier_addr);
    let post = async |body: Value| {
        let request = world.client.post(&url).bearer_auth("ez_test").header("Idempotency-Key", "k");
        request.json(&body).send().await.unwrap()
    };
    let first: Value = post(parcel("o-1", "1 High Street")).await.json().await.unwrap();
    let again = post(parcel("o-1", "1 High Street")).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(post(parcel("o-2", "1 High Street")).await.status(), 422);
}
