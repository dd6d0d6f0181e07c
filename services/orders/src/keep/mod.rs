//! Keeping the resources of live orders, so that they survive the loss of the cluster.
//!
//! History tells what has happened; to go on from there, the wishes are needed too: specs, and what the operator has noted in the
//! order's status. So each order and its children are written down as they change, many at once, until the order is
//! archived. `supercargo orders restore` makes them again ([`ReadKept`] tells it what there is).
//!
//! # Guarantees
//! - What is kept is at most seconds older than what the API server had, while this service runs and reaches its database.
//! - An order that is deleted before it was accepted is forgotten; any other one is kept until it is in the archive.
//! - An older state never replaces a newer one of the same resource, whichever replica writes it.

mod questions;
mod table;

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use chassis::{Backoff, Platform, Store};
use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use resources::{Order, Payment, Shipment, StockReservation};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::questions::{KeptOrder, KeptOrders, ReadKept, Storekeeper};
use self::table::{Kept, write};
pub(crate) use self::table::{forget_in_tx, orders_of};

/// What changes within this time is written together.
const TOGETHER: Duration = Duration::from_millis(250);
/// How many are written together at most.
const BATCH: usize = 200;

/// Keeps what changes in `namespaces` (in all, when there are none) until the process is to stop.
///
/// # Errors
/// None in operation: failures are retried.
pub async fn keep(platform: Platform, store: Store, namespaces: Vec<String>) -> anyhow::Result<()> {
    let namespaces: Vec<String> = namespaces.into_iter().filter(|name| !name.is_empty()).collect();
    let mut seen = select_all(scopes(&namespaces).flat_map(|namespace| {
        let client = &platform.kubernetes;
        [
            watched(client, namespace, kept_id),
            watched(client, namespace, |child: &StockReservation| Some(child.spec.order_ref.id.clone())),
            watched(client, namespace, |child: &Payment| Some(child.spec.order_ref.id.clone())),
            watched(client, namespace, |child: &Shipment| Some(child.spec.order_ref.id.clone())),
        ]
    }));
    let mut specs = Specs::default();
    loop {
        let batch = tokio::select! {
            batch = gather(&mut seen, &mut specs) => batch,
            () = platform.stop.cancelled() => return Ok(()),
        };
        let mut failures = 0;
        while let Err(error) = write(&store, &batch).await {
            failures += 1;
            tracing::warn!("failed to keep {} resources, will retry: {error}", batch.len());
            tokio::select! {
                () = tokio::time::sleep(Backoff::DEFAULT.jittered(failures)) => {}
                () = platform.stop.cancelled() => return Ok(()),
            }
        }
    }
}

/// Keeps an order as the API server has just answered it. One that is not accepted yet comes with the watch: it may be deleted and
/// forgotten by now.
pub(crate) async fn note(store: &Store, order: Order) -> Result<(), sqlx::Error> {
    let kept = kept_id(&order).and_then(|id| Kept::of(order, id, false)).filter(Kept::is_accepted);
    write(store, kept.as_slice()).await
}

/// The id of an order that is kept as it is. One that is being restored is not whole: what was kept of it before stays.
fn kept_id(order: &Order) -> Option<String> {
    let whole = !order.annotations().contains_key(resources::RESTORING_ANNOTATION);
    whole.then(|| resources::order_id(order)).flatten()
}

fn scopes(namespaces: &[String]) -> impl Iterator<Item = Option<&str>> {
    let all = namespaces.is_empty().then_some(None);
    all.into_iter().chain(namespaces.iter().map(|namespace| Some(namespace.as_str())))
}

/// Each state of the resources of a kind, for ever.
fn watched<K>(
    client: &kube::Client,
    namespace: Option<&str>,
    order_id: impl Fn(&K) -> Option<String> + Send + 'static,
) -> BoxStream<'static, Kept>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static,
{
    // One that cannot be read is left out, and holds up no other.
    let api: Api<DeserializeGuard<K>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    watcher(api, watcher::Config::default())
        .default_backoff()
        .filter_map(move |event| {
            let kept = |guard: DeserializeGuard<K>, is_gone| {
                let resource = readable(guard)?;
                let id = order_id(&resource)?;
                Kept::of(resource, id, is_gone)
            };
            let kept = match event {
                Ok(Event::Apply(resource) | Event::InitApply(resource)) => kept(resource, false),
                Ok(Event::Delete(resource)) => kept(resource, true),
                Ok(Event::Init | Event::InitDone) => None,
                Err(error) => {
                    tracing::warn!("the watch of {} to keep them failed, will retry: {error}", K::kind(&()));
                    None
                }
            };
            async move { kept }
        })
        .boxed()
}

/// The resource, unless this program cannot read it: then what was kept of it stays.
fn readable<K: Resource<DynamicType = ()>>(guard: DeserializeGuard<K>) -> Option<K> {
    guard
        .0
        .inspect_err(|invalid| {
            let kind = K::kind(&());
            metrics::counter!("supercargo_unreadable_objects_total", "kind" => kind.to_string()).increment(1);
            let (namespace, name) = (&invalid.metadata.namespace, &invalid.metadata.name);
            tracing::error!(%kind, ?namespace, ?name, "an object cannot be read and is not kept: {}", invalid.error);
        })
        .ok()
}

/// The next that change, each as it is last.
async fn gather(seen: &mut (impl Stream<Item = Kept> + Unpin), specs: &mut Specs) -> Vec<Kept> {
    let mut batch: HashMap<(String, String), Kept> = HashMap::new();
    let mut until = None;
    while batch.len() < BATCH {
        let next = async {
            match until {
                None => seen.next().await,
                Some(until) => tokio::time::timeout_at(until, seen.next()).await.unwrap_or(None),
            }
        };
        let Some(kept) = next.await else { break };
        if !specs.is_known(&kept) {
            until.get_or_insert_with(|| tokio::time::Instant::now() + TOGETHER);
            batch.insert((kept.order_id.clone(), kept.kind.clone()), kept);
        }
    }
    batch.into_values().collect()
}

/// Which generation of a child was kept: what its service reports is not kept, it knows that itself.
#[derive(Default)]
struct Specs(HashMap<String, i64>);

/// More are forgotten, and kept once more when they change.
const MOST_REMEMBERED: usize = 50_000;

impl Specs {
    fn is_known(&mut self, kept: &Kept) -> bool {
        let Some(generation) = kept.generation.filter(|_| !kept.is_order()) else { return false };
        if self.0.len() >= MOST_REMEMBERED {
            self.0.clear();
        }
        self.0.insert(kept.uid.clone(), generation) == Some(generation)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::json;

    use super::*;

    fn kept(kind: &str, uid: &str, generation: i64, version: u64) -> Kept {
        Kept {
            order_id: "o-1".into(),
            kind: kind.into(),
            uid: uid.into(),
            generation: Some(generation),
            version,
            is_gone: false,
            resource: json!({"version": version}),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_in_a_moment_is_kept_once_as_it_is_last() {
        let states = [kept("Order", "a", 1, 1), kept("Payment", "b", 1, 2), kept("Order", "a", 1, 3)];
        let mut seen = stream::iter(states).chain(stream::pending()).boxed();
        let mut batch = gather(&mut seen, &mut Specs::default()).await;
        batch.sort_by_key(|kept| kept.version);
        assert_eq!(batch.iter().map(|kept| kept.version).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn an_order_that_is_being_restored_is_not_kept_before_it_is_whole() {
        let order = |annotations: serde_json::Value| -> Order {
            let value = json!({
                "apiVersion": "supercargo.dev/v1alpha1", "kind": "Order",
                "metadata": {"name": "web-1", "uid": "u-1", "annotations": annotations},
                "spec": {
                    "customer": {"email": "a@example.com"}, "items": [{"sku": "MUG", "quantity": 1}],
                    "shippingAddress": {"name": "A", "line1": "1 High Street", "city": "Berlin", "postalCode": "1", "country": "DE"},
                },
            });
            serde_json::from_value(value).unwrap()
        };
        assert_eq!(kept_id(&order(json!({}))).as_deref(), Some("u-1"));
        assert_eq!(kept_id(&order(json!({resources::RESTORING_ANNOTATION: "true"}))), None);
    }

    #[test]
    fn reports_of_services_are_not_kept_and_every_status_of_an_order_is() {
        let mut specs = Specs::default();
        let known = |specs: &mut Specs, kept: Kept| specs.is_known(&kept);
        assert!(!known(&mut specs, kept("Payment", "b", 1, 1)));
        assert!(known(&mut specs, kept("Payment", "b", 1, 2)), "only its status has changed");
        assert!(!known(&mut specs, kept("Payment", "b", 2, 3)));
        assert!(!known(&mut specs, kept("Order", "a", 1, 1)) && !known(&mut specs, kept("Order", "a", 1, 2)));
    }
}
