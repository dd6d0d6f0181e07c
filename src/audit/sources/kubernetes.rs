//! The resources, in pages: lists of all kinds come in the same order of namespace and name, so that each order meets its
//! children without any of them being kept.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use anyhow::Context as _;
use kube::api::{Api, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use operator::policy::Policy;
use orders::audit::ByHand;
use resources::{Order, OrderPhase, Payment, Shipment, Shop, StockReservation};
use serde::de::DeserializeOwned;

use crate::audit::facts::{LiveChild, LiveOrder};
use crate::audit::finding::Place;

/// How many objects of a kind are asked for at once.
const PAGE: u32 = 500;

/// The resources.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    namespace: Option<String>,
    policies: BTreeMap<String, Policy>,
}

/// An order's resource with its order id.
pub type Live = (String, LiveOrder);

impl Cluster {
    /// A client of the cluster of `KUBECONFIG`; fails instead of waiting.
    pub async fn connect(namespace: Option<String>) -> anyhow::Result<Self> {
        let could_not = "could not check Kubernetes";
        let mut config =
            kube::Config::infer().await.context("KUBECONFIG leads to no cluster").context(could_not)?;
        config.connect_timeout = Some(std::time::Duration::from_secs(5));
        config.read_timeout = Some(std::time::Duration::from_secs(60));
        let client = kube::Client::try_from(config)
            .context("failed to make a client from KUBECONFIG")
            .context(could_not)?;
        Self::over(client, namespace).await
    }

    /// The resources that `client` reaches, with the policies as they are now.
    pub async fn over(client: kube::Client, namespace: Option<String>) -> anyhow::Result<Self> {
        let mut cluster = Self { client, namespace, policies: BTreeMap::new() };
        let shops = cluster.lister::<Shop>().all().await?;
        cluster.policies =
            shops.iter().map(|shop| (shop.namespace().unwrap_or_default(), Policy::of(Some(shop)))).collect();
        Ok(cluster)
    }

    /// The client.
    pub const fn client(&self) -> &kube::Client {
        &self.client
    }

    fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn lister<K: Listed>(&self) -> Lister<K> {
        Lister { api: self.api(), page: VecDeque::new(), next: None, ended: false, last: None }
    }

    /// Every order with its children, page by page.
    pub fn orders(&self) -> Walk {
        Walk {
            policies: self.policies.clone(),
            orders: self.lister(),
            reservations: self.lister(),
            payments: self.lister(),
            shipments: self.lister(),
        }
    }

    /// The order of that name, with its children.
    pub async fn order(&self, place: &Place) -> anyhow::Result<Option<Live>> {
        let Place { namespace, name } = place;
        let failed = || format!("could not check Kubernetes: failed to read the order {namespace}/{name}");
        let orders: Api<Order> = Api::namespaced(self.client.clone(), namespace);
        let Some(order) = orders.get_opt(name).await.with_context(failed)? else { return Ok(None) };
        let reservations: Api<StockReservation> = Api::namespaced(self.client.clone(), namespace);
        let payments: Api<Payment> = Api::namespaced(self.client.clone(), namespace);
        let shipments: Api<Shipment> = Api::namespaced(self.client.clone(), namespace);
        let (reservation, payment, shipment) =
            futures::try_join!(reservations.get_opt(name), payments.get_opt(name), shipments.get_opt(name))
                .with_context(failed)?;
        let policy = self.policies.get(namespace).cloned();
        Ok(live(&order, reservation, payment, shipment, policy.as_ref()))
    }
}

trait Listed:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + 'static
{
}
impl<
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + 'static,
> Listed for K
{
}

/// A list that is asked for page by page, all as of one moment.
struct Lister<K> {
    api: Api<K>,
    page: VecDeque<K>,
    next: Option<String>,
    ended: bool,
    last: Option<String>,
}

fn key_of<K: Resource>(object: &K) -> String {
    let meta = object.meta();
    format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

impl<K: Listed> Lister<K> {
    /// Makes the next object be there, unless the list has ended.
    async fn fill(&mut self) -> anyhow::Result<()> {
        while self.page.is_empty() && !self.ended {
            let mut parameters = ListParams::default().limit(PAGE);
            if let Some(token) = self.next.take() {
                parameters = parameters.continue_token(&token);
            }
            let kind = K::plural(&());
            let list = self.api.list(&parameters).await.with_context(|| {
                format!("could not check Kubernetes: failed to list {kind} (too slow a list expires: run it again)")
            })?;
            self.next = list.metadata.continue_.filter(|token| !token.is_empty());
            self.ended = self.next.is_none();
            self.page = list.items.into();
        }
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<Option<K>> {
        self.fill().await?;
        let Some(object) = self.page.pop_front() else { return Ok(None) };
        let key = key_of(&object);
        anyhow::ensure!(
            self.last.as_ref().is_none_or(|last| *last < key),
            "could not check Kubernetes: the list of {} is in no order ({key} after {:?})",
            K::plural(&()),
            self.last
        );
        self.last = Some(key);
        Ok(Some(object))
    }

    /// The object of this name, when the list has it; those before it are passed over.
    async fn seek(&mut self, key: &str) -> anyhow::Result<Option<K>> {
        loop {
            self.fill().await?;
            match self.page.front().map(key_of) {
                Some(front) if front.as_str() < key => drop(self.next().await?),
                Some(front) if front == key => return self.next().await,
                Some(_) | None => return Ok(None),
            }
        }
    }

    async fn all(mut self) -> anyhow::Result<Vec<K>> {
        let mut all = Vec::new();
        while let Some(object) = self.next().await? {
            all.push(object);
        }
        Ok(all)
    }
}

/// A walk over all orders.
pub struct Walk {
    policies: BTreeMap<String, Policy>,
    orders: Lister<Order>,
    reservations: Lister<StockReservation>,
    payments: Lister<Payment>,
    shipments: Lister<Shipment>,
}

impl Walk {
    /// The next orders, at most a page; empty at the end.
    pub async fn page(&mut self) -> anyhow::Result<Vec<Live>> {
        futures::try_join!(
            self.orders.fill(),
            self.reservations.fill(),
            self.payments.fill(),
            self.shipments.fill()
        )?;
        let mut page = Vec::new();
        while page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            let Some(order) = self.orders.next().await? else { break };
            let key = key_of(&order);
            let reservation = self.reservations.seek(&key).await?;
            let payment = self.payments.seek(&key).await?;
            let shipment = self.shipments.seek(&key).await?;
            let policy = self.policies.get(&order.namespace().unwrap_or_default());
            page.extend(live(&order, reservation, payment, shipment, policy));
        }
        Ok(page)
    }
}

fn live(
    order: &Order,
    reservation: Option<StockReservation>,
    payment: Option<Payment>,
    shipment: Option<Shipment>,
    policy: Option<&Policy>,
) -> Option<Live> {
    let id = resources::order_id(order)?;
    let status = order.status.clone().unwrap_or_default();
    let own = |reference: &str| reference == id;
    let child = |uid: Option<String>, revision: i64| uid.map(|uid| LiveChild { uid, revision });
    let reservation = reservation.filter(|it| own(&it.spec.order_ref.id));
    let payment = payment.filter(|it| own(&it.spec.order_ref.id));
    let shipment = shipment.filter(|it| own(&it.spec.order_ref.id));
    let default = Policy::of(None);
    let live = LiveOrder {
        namespace: order.namespace().unwrap_or_default(),
        name: order.name_any(),
        phase: status.phase,
        sequence: status.sequence,
        due: due(&status, policy.unwrap_or(&default)),
        by_hand: ByHand::of(&status.settled_by_hand, status.money_repair.as_ref()),
        told: status.history.iter().map(|entry| (entry.sequence, entry.phase)).collect(),
        reason: status.reason,
        message: status.message,
        total: status.total,
        created_at: order.metadata.creation_timestamp.as_ref().map(|at| at.0),
        reservation: reservation
            .and_then(|it| child(it.uid(), it.status.map_or(0, |status| status.revision))),
        payment: payment.and_then(|it| child(it.uid(), it.status.map_or(0, |status| status.revision))),
        shipment: shipment.and_then(|it| child(it.uid(), it.status.map_or(0, |status| status.revision))),
    };
    Some((id, live))
}

/// When the phase should be over. Timers stand still while an order is suspended: then nothing is waited since.
fn due(status: &resources::OrderStatus, policy: &Policy) -> Option<jiff::Timestamp> {
    let phase = status.phase?;
    let wait = match phase {
        OrderPhase::AwaitingPayment => Some(policy.payment_timeout),
        OrderPhase::Placed
        | OrderPhase::Reserved
        | OrderPhase::Paid
        | OrderPhase::Shipped
        | OrderPhase::Completed
        | OrderPhase::Rejected
        | OrderPhase::Failed
        | OrderPhase::Cancelled
        | OrderPhase::Compensating
        | OrderPhase::Stuck => policy.deadline(phase),
    };
    status.waiting_since.as_ref().zip(wait).and_then(|(since, wait)| since.0.checked_add(wait).ok())
}
