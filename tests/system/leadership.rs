//! Two operators agree on a leader by a Lease; when it dies, is paused, or is cut off from the API server, the other one takes
//! over within seconds, and what the first one had begun happens once.
//!
//! The stack's own operator drives the orders of these tests as well: two drive at once, as after a pause past the lease. How
//! long an order waits where nobody else drives is measured by `dev/chaos`.

use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{ApiProxy, Placed, Program, ProxyFaults, TestShop, eventually, order};
use tokio::process::Child;

use crate::Tested;

/// Another one leads within this.
const WITHIN: Duration = Duration::from_secs(15);

/// An operator of this test's own, for its namespace alone, with a Lease there.
struct Operator {
    process: Child,
    address: String,
}

impl Operator {
    fn start(shop: &TestShop, log: &Path) -> anyhow::Result<Self> {
        Self::start_with(shop, &shop.namespace, &std::env::var("KUBECONFIG")?, log)
    }

    fn start_with(
        shop: &TestShop,
        lease_namespace: &str,
        kubeconfig: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let address = testkit::free_address().to_string();
        let process = Program::supercargo(&["run", "operator"])
            .with("HTTP_ADDR", &address)
            .with("LEASE_NAMESPACE", lease_namespace)
            .with("WATCH_NAMESPACES", &shop.namespace)
            .with("KUBECONFIG", kubeconfig)
            .start(log)?;
        Ok(Self { process, address })
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self.process.id().unwrap_or_default().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status()?;
        anyhow::ensure!(sent.success(), "kill {signal} {pid} failed");
        Ok(())
    }

    /// What it says of itself, whether it is ready or not.
    async fn leads(&self, shop: &TestShop) -> anyhow::Result<bool> {
        let request = shop.stack.http.get(format!("http://{}/metrics", self.address));
        let metrics = request.send().await?.text().await?;
        Ok(metrics.lines().any(|line| line == "supercargo_operator_leading 1"))
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
    assert!(killed.elapsed() < WITHIN, "it took {:?}", killed.elapsed());
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
    first.signal("-TERM")?;
    let ended = tokio::time::timeout(Duration::from_secs(20), first.process.wait()).await??;
    assert!(ended.success(), "it ends well: {ended}");
    let let_go = Instant::now();
    second.is(&shop, true).await?;
    assert!(let_go.elapsed() < Duration::from_secs(5), "it took {:?}", let_go.elapsed());
    drop(second);
    shop.close().await
}

/// Orders under way while leaders change.
async fn load(shop: &TestShop, sku: &str) -> anyhow::Result<Vec<Placed>> {
    futures::future::try_join_all((0..6).map(|_| shop.place(order().item(sku, 1)))).await
}

#[tokio::test]
async fn a_leader_that_is_paused_past_its_lease_and_woken_does_nothing_twice() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let first = Operator::start(&shop, &folder.path().join("first"))?;
    first.is(&shop, true).await?;
    let second = Operator::start(&shop, &folder.path().join("second"))?;
    second.is(&shop, false).await?;
    let sku = shop.article("12.50", 30).await?;
    let mut placed = load(&shop, &sku).await?;
    first.signal("-STOP")?;
    let paused = Instant::now();
    placed.extend(load(&shop, &sku).await?);
    let followed = second.is(&shop, true).await;
    let took = paused.elapsed();
    placed.extend(load(&shop, &sku).await?);
    first.signal("-CONT")?;
    followed?;
    assert!(took < WITHIN, "it took {took:?}");
    first.is(&shop, false).await?;
    futures::future::try_join_all(placed.iter().map(|one| shop.completes(one))).await?;
    shop.settled().await?;
    drop((first, second));
    shop.close().await
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_driving_before_another_one_begins() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let proxy = ApiProxy::start(kube::Config::infer().await?, 1).await?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, proxy.kubeconfig())?;
    let through_proxy = kubeconfig.display().to_string();
    let first = Operator::start_with(&shop, &shop.namespace, &through_proxy, &folder.path().join("first"))?;
    first.is(&shop, true).await?;
    let second = Operator::start(&shop, &folder.path().join("second"))?;
    second.is(&shop, false).await?;
    let sku = shop.article("12.50", 30).await?;
    let mut placed = load(&shop, &sku).await?;
    proxy.set(ProxyFaults { silent: true, ..ProxyFaults::default() });
    let cut = Instant::now();
    placed.extend(load(&shop, &sku).await?);
    eventually("the second one leads", || async {
        // Asked in this order: whoever leads then has begun after the first one was seen to lead.
        let (second_leads, first_leads) = (second.leads(&shop).await?, first.leads(&shop).await?);
        assert!(!(first_leads && second_leads), "both lead after {:?}", cut.elapsed());
        anyhow::ensure!(second_leads, "it does not lead");
        Ok(())
    })
    .await?;
    assert!(cut.elapsed() < WITHIN, "it took {:?}", cut.elapsed());
    proxy.set(ProxyFaults::default());
    first.is(&shop, false).await?;
    futures::future::try_join_all(placed.iter().map(|one| shop.completes(one))).await?;
    shop.settled().await?;
    drop((first, second));
    shop.close().await
}

#[tokio::test]
async fn operators_of_two_namespaces_lead_side_by_side_though_their_leases_share_one() -> Tested {
    let (berlin, paris) = (TestShop::open().await?, TestShop::open().await?);
    let folder = tempfile::tempdir()?;
    let kubeconfig = std::env::var("KUBECONFIG")?;
    let start = |shop: &TestShop, name: &str| {
        Operator::start_with(shop, &berlin.namespace, &kubeconfig, &folder.path().join(name))
    };
    let (one, other) = (start(&berlin, "berlin")?, start(&paris, "paris")?);
    one.is(&berlin, true).await?;
    other.is(&paris, true).await?;
    drop((one, other));
    berlin.close().await?;
    paris.close().await
}
