//! Two of every service that shoppers meet, one of them in processes of its own behind a gateway of its own.

use std::net::SocketAddr;

use serde_json::json;
use testkit::{Program, Stack, Told, Visitor, eventually};
use tokio::process::Child;

use crate::Tested;
use crate::shopper::{address, reaches};

/// The second replicas: services in one process, the gateway that reaches them over HTTP in another.
struct Replicas {
    services: Child,
    gateway: Child,
    /// Where the gateway is.
    origin: String,
}

impl Replicas {
    async fn start(stack: &Stack, folder: &std::path::Path) -> anyhow::Result<Self> {
        let [services_at, gateway_at] = [testkit::free_address(), testkit::free_address()];
        let services =
            Program::supercargo(&["run", "accounts", "catalog", "cart", "orders", "payment", "inventory"])
                .with("HTTP_ADDR", &services_at.to_string())
                .with("DATABASE_CONNECTIONS", "4")
                .start(&folder.join("services"))?;
        let gateway = Program::supercargo(&["run", "storefront"])
            .with("HTTP_ADDR", &gateway_at.to_string())
            .with("SERVICE_URL", &format!("http://{services_at}"))
            .with("CORS_ORIGINS", "https://shop.example.com")
            .start(&folder.join("gateway"))?;
        let replicas = Self { services, gateway, origin: format!("http://{gateway_at}") };
        for at in [services_at, gateway_at] {
            gets_ready(stack, at).await?;
        }
        Ok(replicas)
    }

    /// Lets them finish what they hold: other tests share their consumers.
    async fn stop(self) -> anyhow::Result<()> {
        for mut process in [self.gateway, self.services] {
            let pid = process.id().unwrap_or_default().to_string();
            anyhow::ensure!(tokio::process::Command::new("kill").arg(pid).status().await?.success());
            process.wait().await?;
        }
        Ok(())
    }
}

/// Returns once the process that listens at `at` is ready.
pub(crate) async fn gets_ready(stack: &Stack, at: SocketAddr) -> Tested {
    eventually("a replica is ready", || async {
        let ready = stack.http.get(format!("http://{at}/ready")).send().await?;
        anyhow::ensure!(ready.status().is_success(), "{}", ready.text().await?);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_shopper_may_be_served_by_another_replica_at_every_step() -> Tested {
    let stack = Stack::from_env().await?;
    let shop = stack.shop().await?;
    let sku = shop.article("15.90", 10).await?;
    let folder = tempfile::tempdir()?;
    let replicas = Replicas::start(&stack, folder.path()).await?;
    let here = Visitor::signed_up(&stack).await?;
    let there = here.at(&replicas.origin);

    assert_eq!(there.get("/users/me").await?.expect(200)?["id"], here.id.as_str());
    there.send("PUT", &format!("/cart/items/{sku}"), json!({ "quantity": 2 })).await?.expect(200)?;
    assert_eq!(here.get("/cart").await?.expect(200)?["items"][0]["quantity"], 2);
    let wish = json!({ "shippingAddress": address(), "payment": { "method": "pm_card_visa" } });
    let clicks = [&here, &there, &here, &there]
        .map(|visitor| visitor.send_once("/cart/checkout", "twice", wish.clone()));
    let answers = futures::future::try_join_all(clicks).await?;
    let id = answers[0].text("/id")?;
    for answer in &answers {
        assert_eq!((answer.status, answer.text("/id")?), (202, id.clone()), "{}", answer.body);
    }
    let (told_here, told_there) =
        tokio::try_join!(here.follow(&id, None, "Completed"), there.follow(&id, None, "Completed"))?;
    let ids = |told: Vec<Told>| told.into_iter().map(|told| (told.id, told.data)).collect::<Vec<_>>();
    assert_eq!(ids(told_here), ids(told_there));
    reaches(&there, &id, "Completed").await?;

    let preflight = there
        .ask(
            "OPTIONS",
            "/orders",
            &[("origin", "https://shop.example.com"), ("access-control-request-method", "POST")],
            None,
        )
        .await?;
    assert_eq!(preflight.headers["access-control-allow-origin"], "https://shop.example.com");

    // What one replica ends is over at the other, whose cache knew it a moment ago.
    here.get("/orders").await?.expect(200)?;
    assert_eq!(there.ask("POST", "/users/logout", &[], None).await?.status, 204);
    for visitor in [&here, &there] {
        assert_eq!(visitor.get("/orders").await?.status, 401);
    }
    replicas.stop().await
}
