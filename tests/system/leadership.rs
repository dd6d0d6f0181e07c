//! Two operators agree on a leader by a Lease; when it dies, the other one takes over within seconds.

use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Program, TestShop, eventually, order};
use tokio::process::Child;

use crate::Tested;

/// An operator of this test's own, for its namespace alone, with a Lease there.
struct Operator {
    process: Child,
    address: String,
}

impl Operator {
    fn start(shop: &TestShop, log: &Path) -> anyhow::Result<Self> {
        let address = testkit::free_address().to_string();
        let process = Program::supercargo(&["run", "operator"])
            .with("HTTP_ADDR", &address)
            .with("LEASE_NAMESPACE", &shop.namespace)
            .with("WATCH_NAMESPACES", &shop.namespace)
            .start(log)?;
        Ok(Self { process, address })
    }

    async fn is(&self, shop: &TestShop, leading: bool) -> anyhow::Result<()> {
        eventually("it leads, or stands by, as it should", || async {
            let ready = shop.stack.http.get(format!("http://{}/ready", self.address)).send().await?;
            anyhow::ensure!(ready.status().is_success(), "it is not ready: {}", ready.status());
            let metrics =
                shop.stack.http.get(format!("http://{}/metrics", self.address)).send().await?.text().await?;
            let leads = metrics.lines().any(|line| line == "supercargo_operator_leading 1");
            anyhow::ensure!(leads == leading, "it leads: {leads}, it should: {leading}");
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn a_standby_takes_over_within_seconds_when_the_leader_is_killed() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let mut first = Operator::start(&shop, &folder.path().join("first"))?;
    first.is(&shop, true).await?;
    let second = Operator::start(&shop, &folder.path().join("second"))?;
    second.is(&shop, false).await?;
    first.process.kill().await?;
    let killed = Instant::now();
    second.is(&shop, true).await?;
    assert!(killed.elapsed() < Duration::from_secs(25), "it took {:?}", killed.elapsed());
    // Two operators drive the orders of this namespace now, the shared one and ours: still everything happens once.
    let sku = shop.article("12.50", 30).await?;
    let placed = futures::future::try_join_all((0..5).map(|_| shop.place(order().item(&sku, 1)))).await?;
    futures::future::try_join_all(placed.iter().map(|one| shop.completes(one))).await?;
    shop.settled().await?;
    drop(second);
    shop.close().await
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_ends_well_and_hands_over() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let mut first = Operator::start(&shop, &folder.path().join("first"))?;
    first.is(&shop, true).await?;
    let second = Operator::start(&shop, &folder.path().join("second"))?;
    second.is(&shop, false).await?;
    let pid = first.process.id().unwrap_or_default().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status()?.success());
    let asked = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(20), first.process.wait()).await??;
    assert!(ended.success(), "it ends well: {ended}");
    second.is(&shop, true).await?;
    assert!(asked.elapsed() < Duration::from_secs(25), "it took {:?}", asked.elapsed());
    drop(second);
    shop.close().await
}
