//! Our own programs under measurement, each a process of its own: the operator, and the services together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use testkit::{Program, Stack, eventually};
use tokio::process::Child;

const SERVICES: [&str; 10] = [
    "run",
    "inventory",
    "payment",
    "shipping",
    "notifications",
    "catalog",
    "accounts",
    "orders",
    "cart",
    "storefront",
];

/// One process.
pub struct Running {
    name: &'static str,
    child: Child,
    address: String,
}

/// Where logs go.
pub struct Logs(pub PathBuf);

impl Running {
    /// The operator.
    ///
    /// # Errors
    /// When it cannot be started or does not get ready.
    pub async fn operator(stack: &Stack, logs: &Logs, kubeconfig: &Path) -> anyhow::Result<Self> {
        let address = testkit::free_address().to_string();
        Self::start("operator", &["run", "operator"], address, stack, &logs.0, kubeconfig).await
    }

    /// Every service, at the address that webhooks go to.
    ///
    /// # Errors
    /// As [`Running::operator`].
    pub async fn services(stack: &Stack, logs: &Logs, kubeconfig: &Path) -> anyhow::Result<Self> {
        let address = stack.addresses.shop.trim_start_matches("http://").to_owned();
        Self::start("services", &SERVICES, address, stack, &logs.0, kubeconfig).await
    }

    async fn start(
        name: &'static str,
        arguments: &[&str],
        address: String,
        stack: &Stack,
        logs: &Path,
        kubeconfig: &Path,
    ) -> anyhow::Result<Self> {
        let child = Program::supercargo(arguments)
            .with("HTTP_ADDR", &address)
            .with("RUST_LOG", "warn")
            // All load comes from one address and a few users.
            .with("RATE_LIMIT_ADDRESS", "1000000")
            .with("RATE_LIMIT_USER", "1000000")
            .with("RATE_LIMIT_SIGNUP", "1000000")
            .with("RATE_LIMIT_LOGIN", "1000000")
            .with("LIVE_STREAMS", "2000")
            .with("LIVE_STREAMS_PER_USER", "2000")
            .with("KUBECONFIG", &kubeconfig.to_string_lossy())
            .start(&logs.join(format!("bench-{name}.log")))?;
        let running = Self { name, child, address };
        eventually(&format!("{name} is ready"), || async {
            let url = format!("http://{}/ready", running.address);
            let answer = stack.http.get(&url).send().await?;
            anyhow::ensure!(answer.status().is_success(), "{}", answer.text().await?);
            Ok(())
        })
        .await?;
        Ok(running)
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} has ended: see bench-{}.log", self.name, self.name))
    }

    /// Ends it as Kubernetes would.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        tokio::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .context("failed to run kill")?;
        tokio::time::timeout(Duration::from_secs(40), self.child.wait())
            .await
            .with_context(|| format!("{} did not end within 40 s", self.name))?
            .with_context(|| format!("failed to wait for {}", self.name))?;
        Ok(())
    }
}
