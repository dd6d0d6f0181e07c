//! The mailbox: SMTP in, HTTP out.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use world::World;

/// Says everything at once, as a pipelining client may, and answers all that came back.
async fn talk(world: &World, lines: &str) -> String {
    let mut stream = TcpStream::connect(&world.settings.smtp_addr).await.unwrap();
    stream.write_all(lines.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    answers
}

const MAIL: &str = "EHLO test\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<shop@example.com>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n\
    From: Shop <shop@example.com>\r\nTo: a@example.com\r\nSubject: Your order\r\nX-Order-Id: o-1\r\nMessage-ID: <1@shop>\r\n\
    \r\nHello\r\n..dotted\r\n.\r\nQUIT\r\n";

#[tokio::test]
async fn a_message_is_taken_shown_and_kept() {
    let mut world = World::open("0s").await;
    let answers = talk(&world, MAIL).await;
    assert!(answers.contains("250 2.0.0 Taken as 1\r\n221"), "{answers}");
    talk(&world, MAIL).await;
    world.restart().await;
    let address = world.settings.mailbox_addr.clone();
    let found = world.get(&address, "/messages?order=o-1&to=a@example.com&subject=order").await;
    assert_eq!(found.as_array().unwrap().len(), 2, "a repeated delivery is kept: {found}");
    assert_eq!(found[0]["text"], "Hello\r\n.dotted\r\n");
    assert_eq!((&found[0]["from"], &found[0]["to"]), (&json!("shop@example.com"), &json!(["a@example.com"])));
    assert_eq!(world.get(&address, "/api/v1/messages").await["total"], 2);
    assert_eq!(world.get(&address, "/messages/1").await["messageId"], "<1@shop>");
    let home = format!("http://{address}/");
    let list = world.client.get(&home).header("Accept", "application/json").send().await.unwrap();
    assert_eq!(list.json::<serde_json::Value>().await.unwrap(), world.get(&address, "/messages").await);
    let page = world.client.get(&home).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Your order") && page.starts_with("<!doctype html>"), "{page}");
    let view = world.client.get(format!("{home}view/1")).send().await.unwrap().text().await.unwrap();
    assert!(view.contains("Hello"), "{view}");
    assert_eq!(world.client.delete(format!("{home}messages")).send().await.unwrap().status(), 204);
    assert_eq!(world.get(&address, "/messages").await, json!([]));
}

#[tokio::test]
async fn faults_refuse_mail_for_a_while() {
    let world = World::open("0s").await;
    let address = world.settings.mailbox_addr.clone();
    world.faults(&address, json!({"rate": 1.0})).await;
    assert!(talk(&world, MAIL).await.contains("451 "));
    world.faults(&address, json!({"down": true})).await;
    assert!(talk(&world, "").await.starts_with("421 "));
    world.client.delete(format!("http://{address}/faults")).send().await.unwrap();
    assert!(talk(&world, MAIL).await.contains("Taken as 1"));
}

#[tokio::test]
async fn a_folder_serves_one_sandbox_at_a_time() {
    let world = World::open("0s").await;
    let mut settings = world.settings.clone();
    settings.stripe_addr = "127.0.0.1:0".into();
    let error = sandbox::run(settings, tokio_util::sync::CancellationToken::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains("SANDBOX_DATA"), "{error:#}");
}
