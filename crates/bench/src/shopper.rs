//! Who places orders: a ServiceAccount, as every real client is, so that the API server's fairness applies to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, NotUsed, Object};
use kube::runtime::{WatchStreamExt, watcher};
use resources::{Order, OrderPhase};
use serde::Deserialize;
use testkit::{OrderBuilder, TestShop};
use tokio::sync::oneshot;

use crate::account::Account;

/// How long an order may take before the run fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of an order's status only what is waited for.
#[derive(Clone, Debug, Default, Deserialize)]
struct Glance {
    phase: Option<OrderPhase>,
}

type Waiting = Arc<Mutex<HashMap<String, (OrderPhase, oneshot::Sender<Instant>)>>>;

/// Places orders and sees them arrive.
pub struct Shopper {
    /// The orders of the shop, as the ServiceAccount.
    pub orders: Api<Order>,
    waiting: Waiting,
    watch: tokio::task::JoinHandle<()>,
}

impl Drop for Shopper {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Shopper {
    /// A shopper in `shop`.
    ///
    /// # Errors
    /// When the account cannot be made.
    pub async fn open(shop: &TestShop) -> anyhow::Result<Self> {
        let client = Account::of_shoppers(shop).await?.client().await?;
        let orders = Api::namespaced(client.clone(), &shop.namespace);
        let waiting = Waiting::default();
        let glances: Api<Object<NotUsed, Glance>> =
            Api::namespaced_with(client, &shop.namespace, &ApiResource::erase::<Order>(&()));
        let watch = tokio::spawn(watch(glances, waiting.clone()));
        Ok(Self { orders, waiting, watch })
    }

    /// Places `order` and waits until it is in `phase`; answers how long that took from the start of the create.
    ///
    /// # Errors
    /// When it is refused or does not get there.
    pub async fn carry(&self, order: OrderBuilder, phase: OrderPhase) -> anyhow::Result<Duration> {
        let order = order.build();
        let name = order.metadata.name.clone().context("the order has no name")?;
        let (seen, arrived) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (phase, seen));
        let began = Instant::now();
        self.orders
            .create(&PostParams::default(), &order)
            .await
            .with_context(|| format!("failed to place the order {name}"))?;
        let at = tokio::time::timeout(PATIENCE, arrived)
            .await
            .with_context(|| format!("the order {name} is not {phase} within {PATIENCE:?}"))?
            .with_context(|| format!("the watch for the order {name} ended"))?;
        Ok(at.duration_since(began))
    }
}

async fn watch(api: Api<Object<NotUsed, Glance>>, waiting: Waiting) {
    let mut events =
        std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    while let Some(event) = events.next().await {
        // A failed watch is begun anew by the library.
        let Ok(object) = event else { continue };
        let now = Instant::now();
        let (Some(name), Some(phase)) = (object.metadata.name, object.status.and_then(|status| status.phase))
        else {
            continue;
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&name).is_some_and(|(wanted, _)| *wanted == phase)
            && let Some((_, seen)) = waiting.remove(&name)
        {
            // Nobody waits any more when the run has failed.
            let _ = seen.send(now);
        }
    }
}

/// A dynamic resource, for what has no type here.
#[must_use]
pub fn dynamic(
    client: &kube::Client,
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural))
}
