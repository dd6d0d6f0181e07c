//! The shop as it is struck: every role a process of its own, each operator behind a proxy of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use testkit::{ApiProxy, Stack};

use crate::processes::{Launch, Supervisor};
use crate::schedule::{INFRASTRUCTURE, Name, SHOP};

/// How often the leader lists everything anew.
pub const RELIST: Duration = Duration::from_secs(20);
/// The mark by which `dev/clean` finds what belongs to a stack.
const MARK: &str = "SUPERCARGO_PROCESS_OF";

/// The running shop.
pub struct Shop {
    /// Connections past every proxy.
    pub stack: Stack,
    /// Keeps the processes.
    pub supervisor: Supervisor,
    /// By the process behind it; the services share one.
    pub proxies: BTreeMap<Name, ApiProxy>,
    /// Where each process answers HTTP.
    pub addresses: BTreeMap<Name, String>,
    /// The state folder of the stack.
    pub state: PathBuf,
    /// The offset of the injected clock, in seconds.
    pub clock: PathBuf,
}

/// One of the shop's own: their names end with their number.
pub fn is_ours(name: &str) -> bool {
    name.ends_with("-1") || name.ends_with("-2")
}

/// The proxy of the services.
pub const SERVICES: Name = "services";

impl Shop {
    /// Takes over the infrastructure of `state` and adds the shop's processes; nothing is started yet.
    ///
    /// # Errors
    /// When the stack is not up.
    pub async fn prepare(state: &Path, seed: u64) -> anyhow::Result<Self> {
        let stack = Stack::from_env().await?;
        let supervisor = Supervisor::default();
        for name in INFRASTRUCTURE {
            supervisor.adopt(name, state)?;
        }
        let folder = state.join("chaos");
        std::fs::create_dir_all(&folder).context("failed to make a folder for kubeconfigs")?;
        let mut proxies = BTreeMap::new();
        for (index, name) in (0..).zip(["operator-1", "operator-2", SERVICES]) {
            let config = kube::Config::infer().await.context("failed to read KUBECONFIG")?;
            let proxy = ApiProxy::start(config, seed.wrapping_add(index)).await?;
            std::fs::write(folder.join(name), proxy.kubeconfig()).context("failed to write a kubeconfig")?;
            proxies.insert(name, proxy);
        }
        let clock = folder.join("clock");
        std::fs::write(&clock, "0").context("failed to write the clock's offset")?;
        let mut shop =
            Self { stack, supervisor, proxies, addresses: BTreeMap::new(), state: state.to_owned(), clock };
        for (name, role) in SHOP {
            let address = testkit::free_address().to_string();
            shop.supervisor.add(name, shop.launch(name, role, &address, &folder)?);
            shop.addresses.insert(name, address);
        }
        Ok(shop)
    }

    fn launch(&self, name: Name, role: Name, address: &str, folder: &Path) -> anyhow::Result<Launch> {
        let program = std::env::var("SUPERCARGO_BIN").unwrap_or_else(|_| "supercargo".into());
        let proxy = if self.proxies.contains_key(name) { name } else { SERVICES };
        let mut environment: BTreeMap<String, String> = std::env::vars().collect();
        let own = [
            ("KUBECONFIG", folder.join(proxy).display().to_string()),
            ("HTTP_ADDR", address.to_owned()),
            ("DATABASE_CONNECTIONS", "4".to_owned()),
            ("OPERATOR_RELIST", format!("{}s", RELIST.as_secs())),
            ("SUPERCARGO_TEST_CLOCK", self.clock.display().to_string()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
            (MARK, self.state.display().to_string()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Ok(Launch {
            arguments: vec![program, "run".to_owned(), role.to_owned()],
            environment: environment.into_iter().collect(),
            folder: self.state.clone(),
            user: None,
            log: self.state.join("log").join(format!("{name}.log")),
        })
    }

    /// Waits until every process of the shop is ready.
    ///
    /// # Errors
    /// When one is not after `patience`, with its reason.
    pub async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + patience;
        for (name, address) in &self.addresses {
            loop {
                let asked = self.stack.http.get(format!("http://{address}/ready")).send().await;
                let fault = match asked {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                anyhow::ensure!(
                    tokio::time::Instant::now() < deadline,
                    "{name} is not ready after {patience:?}: {fault}"
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// The operator that leads, as it says itself.
    pub async fn leader(&self) -> Option<Name> {
        for name in ["operator-1", "operator-2"] {
            if self.leads(name).await {
                return Some(name);
            }
        }
        None
    }

    /// True when this operator says that it leads.
    pub async fn leads(&self, name: Name) -> bool {
        let Some(address) = self.addresses.get(name) else { return false };
        let asking = async {
            let request = self.stack.http.get(format!("http://{address}/metrics"));
            let answer = request.timeout(Duration::from_millis(500)).send().await.ok()?;
            answer.text().await.ok()
        };
        asking.await.is_some_and(|text| text.lines().any(|line| line == "supercargo_operator_leading 1"))
    }
}

#[derive(Clone)]
struct Gateway {
    http: reqwest::Client,
    targets: Arc<BTreeMap<String, Vec<String>>>,
}

/// Passes webhooks on to whom they are for, where the sandbox sends them all: one process takes them in `run all`. Whoever
/// is away has them sent again by the sandbox.
///
/// # Errors
/// When the port is taken.
pub async fn pass_webhooks(shop: &Shop) -> anyhow::Result<()> {
    let of = |names: &[Name]| names.iter().filter_map(|name| shop.addresses.get(name).cloned()).collect();
    let targets = BTreeMap::from([
        ("stripe".to_owned(), of(&["payment-1", "payment-2"])),
        ("carrier".to_owned(), of(&["shipping-1"])),
    ]);
    let gateway = Gateway { http: shop.stack.http.clone(), targets: Arc::new(targets) };
    let address = shop.stack.addresses.shop.trim_start_matches("http://").to_owned();
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .with_context(|| format!("failed to listen on {address} for webhooks"))?;
    let router = Router::new().route("/api/v1/webhooks/{provider}", post(pass)).with_state(gateway);
    axum::serve(listener, router).await.context("failed to serve webhooks")
}

async fn pass(
    State(gateway): State<Gateway>,
    UrlPath(provider): UrlPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Some(targets) = gateway.targets.get(&provider) else { return StatusCode::NOT_FOUND };
    for target in targets {
        let mut request = gateway.http.post(format!("http://{target}/api/v1/webhooks/{provider}"));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
            request = request.header(name, value);
        }
        let request = request.timeout(Duration::from_secs(5)).body(body.clone());
        if let Ok(answer) = request.send().await {
            return StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        }
    }
    StatusCode::BAD_GATEWAY
}
