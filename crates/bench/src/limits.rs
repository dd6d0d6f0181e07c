//! The raw limit of the API server, in the same run: the same resources, with nobody who acts on them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::{Resource, ResourceExt};
use resources::{Order, OrderStatus, Payment, Shipment, StockReservation};
use serde::de::DeserializeOwned;
use testkit::{TestShop, order};

use crate::load::per_second;
use crate::shopper::dynamic;

const COUNT: usize = 2000;
const AT_ONCE: usize = 64;
const ADMISSION: &str = "admissionregistration.k8s.io";
const FINALIZER_POLICY: &str = "order-finalizer.supercargo.dev";

/// Requests a second, each kind alone.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Creates of an Order.
    pub creates: f64,
    /// PUTs of an Order's status.
    pub status_puts: f64,
    /// Deletes of an Order.
    pub deletes: f64,
}

/// Measures them. Nothing that acts on orders may run; `status` is what is written.
///
/// # Errors
/// When a request fails.
pub async fn measure(
    admin: &kube::Client,
    orders: &Api<Order>,
    status: &OrderStatus,
) -> anyhow::Result<Limits> {
    // Without the policy that puts on the finalizer: a delete is then one request, as it is after the archive.
    let plural = "mutatingadmissionpolicybindings";
    let bindings = dynamic(admin, ADMISSION, "v1", "MutatingAdmissionPolicyBinding", plural);
    let binding = bindings.get(FINALIZER_POLICY).await.context("failed to read the finalizer's policy")?;
    bindings.delete(FINALIZER_POLICY, &DeleteParams::default()).await.context("failed to lift a policy")?;
    let outcome = measure_all(orders, status).await;
    let again = DynamicObject { metadata: Default::default(), ..binding.clone() };
    let again = DynamicObject { metadata: named(binding.name_any()), ..again };
    bindings.create(&PostParams::default(), &again).await.context("failed to put a policy back")?;
    outcome
}

fn named(name: String) -> kube::api::ObjectMeta {
    kube::api::ObjectMeta { name: Some(name), ..kube::api::ObjectMeta::default() }
}

async fn measure_all(orders: &Api<Order>, status: &OrderStatus) -> anyhow::Result<Limits> {
    until_without_finalizer(orders).await?;
    let templates: Vec<Order> = (0..COUNT).map(|_| order().item("RAW", 1).suspended().build()).collect();
    let began = Instant::now();
    let created: Vec<Order> = futures::stream::iter(&templates)
        .map(async |template| orders.create(&PostParams::default(), template).await)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .context("failed to create")?;
    let creates = per_second(COUNT, began.elapsed());
    let began = Instant::now();
    let written: Vec<Order> = futures::stream::iter(created)
        .map(async |mut order| {
            order.status = Some(status.clone());
            orders.replace_status(&order.name_any(), &PostParams::default(), &order).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .context("failed to write a status")?;
    let status_puts = per_second(COUNT, began.elapsed());
    let began = Instant::now();
    let deleted = futures::stream::iter(&written)
        .map(async |order| orders.delete(&order.name_any(), &DeleteParams::background()).await.map(drop))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .context("failed to delete")?;
    let deletes = per_second(deleted.len(), began.elapsed());
    Ok(Limits { creates, status_puts, deletes })
}

/// The API server needs a moment to see that the policy is lifted.
async fn until_without_finalizer(orders: &Api<Order>) -> anyhow::Result<()> {
    for _ in 0..300 {
        let probe = orders
            .create(&PostParams::default(), &order().item("RAW", 1).suspended().build())
            .await
            .context("failed to create a probe")?;
        let name = probe.name_any();
        let lifted = probe.finalizers().is_empty();
        if !lifted {
            let mut free = orders.get(&name).await.context("failed to read a probe")?;
            free.finalizers_mut().clear();
            orders.replace(&name, &PostParams::default(), &free).await.context("failed to free a probe")?;
        }
        orders.delete(&name, &DeleteParams::default()).await.context("failed to delete a probe")?;
        if lifted {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the API server still puts the finalizer on orders 30 s after its policy was lifted")
}

/// Waits until no more than `but` orders are there, and no more of their children.
///
/// # Errors
/// When some are still there after ten minutes.
pub async fn until_gone(shop: &TestShop, but: usize) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(600) {
        let gone = at_most::<Order>(shop, but).await?
            && at_most::<StockReservation>(shop, but).await?
            && at_most::<Payment>(shop, but).await?
            && at_most::<Shipment>(shop, but).await?;
        if gone {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    anyhow::bail!("orders are still not archived after ten minutes")
}

async fn at_most<K>(shop: &TestShop, but: usize) -> anyhow::Result<bool>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    // One and the number of the others: what is measured meanwhile is not to pay for long lists.
    let left = shop.api::<K>().list_metadata(&ListParams::default().limit(1)).await;
    let left = left.with_context(|| format!("failed to list objects of kind {}", K::kind(&())))?;
    let others = left.metadata.remaining_item_count.unwrap_or(0);
    Ok(left.items.len() + usize::try_from(others).unwrap_or(usize::MAX - 1) <= but)
}
