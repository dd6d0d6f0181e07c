//! What the controllers see and reach: caches of the resources, the API server, NATS.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use resources::{Order, Payment, Settled, Shipment, Shop, StockReservation};

use crate::child::Child;
use crate::dead_letters::DeadLetters;
use crate::error::{Error, Failed};
use crate::leadership::Mandate;
use crate::order::{Children, Made, Recollection};
use crate::policy::Policy;
use crate::reports::Reports;
use crate::watch::Suspicion;

const PATIENCE: Duration = Duration::from_secs(10);
const SHOP: &str = "default";

/// Shared by all controllers of one leader.
pub(crate) struct World {
    pub(crate) kubernetes: kube::Client,
    pub(crate) nats: async_nats::Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) orders: Store<Order>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) reports: Reports,
    pub(crate) mandate: Mandate,
    pub(crate) suspicion: Suspicion,
    pub(crate) reservations: Store<StockReservation>,
    pub(crate) payments: Store<Payment>,
    pub(crate) shipments: Store<Shipment>,
    pub(crate) shops: Store<Shop>,
}

impl World {
    /// The policy of a namespace, as of now.
    pub(crate) fn policy(&self, namespace: &str) -> Policy {
        let shop = self.shops.get(&ObjectRef::new(SHOP).within(namespace));
        Policy::of(shop.as_deref())
    }

    /// True when a person has settled the money of the order of that name and id by hand.
    pub(crate) fn has_settled_money(&self, name: &str, namespace: &str, id: &str) -> bool {
        let order = self.orders.get(&ObjectRef::new(name).within(namespace));
        let order = order.filter(|order| resources::order_id(order).as_deref() == Some(id));
        let status = order.as_ref().and_then(|order| order.status.as_ref());
        status.is_some_and(|status| status.settled_by_hand.contains(&Settled::Money))
    }

    /// The order as the API server has it, with its managed fields, which the cache does not keep.
    pub(crate) async fn live_order(&self, order: &Order) -> Result<Option<Order>, Error> {
        let api: Api<Order> =
            Api::namespaced(self.kubernetes.clone(), &order.namespace().unwrap_or_default());
        let name = order.name_any();
        let live = self.patiently("read the order", api.get_opt(&name)).await?;
        Ok(live.filter(|live| live.metadata.uid == order.metadata.uid))
    }

    /// The children of the order with that id: cached, or else just made, or else answered directly by their service.
    pub(crate) fn children(&self, order: &Order, id: &str, recollection: &Recollection) -> Children {
        let Recollection { made, direct, .. } = recollection;
        let key = (order.name_any(), order.namespace().unwrap_or_default());
        Children {
            reservation: find(
                &self.reservations,
                &key,
                id,
                made.reservation.as_ref(),
                direct.reservation.as_ref(),
            ),
            payment: find(&self.payments, &key, id, made.payment.as_ref(), direct.payment.as_ref()),
            shipment: find(&self.shipments, &key, id, made.shipment.as_ref(), direct.shipment.as_ref()),
        }
    }

    /// True when the API server has the children as they were observed.
    pub(crate) async fn are_current(&self, order: &Order, children: &Children) -> Result<bool, Error> {
        let Children { reservation, payment, shipment } = children;
        Ok(self.is_child_current(order, reservation.as_deref()).await?
            && self.is_child_current(order, payment.as_deref()).await?
            && self.is_child_current(order, shipment.as_deref()).await?)
    }

    /// True when the API server has the object as it is cached.
    pub(crate) async fn is_current<C: Child>(&self, cached: &C) -> Result<bool, Error> {
        let api: Api<C> = Api::namespaced(self.kubernetes.clone(), &cached.namespace().unwrap_or_default());
        let name = cached.name_any();
        let live = self.patiently("read a child of an order", api.get_opt(&name)).await?;
        Ok(live.and_then(|live| live.resource_version()) == cached.resource_version())
    }

    async fn is_child_current<C: Child>(&self, order: &Order, observed: Option<&C>) -> Result<bool, Error> {
        let api: Api<C> = Api::namespaced(self.kubernetes.clone(), &order.namespace().unwrap_or_default());
        let name = order.name_any();
        let live = self.patiently("read a child of the order", api.get_opt(&name)).await?;
        // A child that exists at its service alone has no version, and is not on the API server.
        let id = resources::order_id(order).unwrap_or_default();
        let own = |child: &C| {
            C::order_reference(child.spec()).id == id && child.meta().deletion_timestamp.is_none()
        };
        let live = live.filter(own);
        let version = |child: &C| child.meta().resource_version.clone();
        Ok(live.as_ref().and_then(version) == observed.and_then(version))
    }

    /// Refuses to act once this replica leads no more.
    pub(crate) fn may_act(&self, operation: &'static str) -> Result<(), Error> {
        if self.mandate.holds() { Ok(()) } else { Err(Error::new(operation, Failed::NotLeading)) }
    }

    /// Waits for the API server with a bound, since the client's reads have none; a replica that leads no more asks nothing.
    pub(crate) async fn patiently<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        self.may_act(operation)?;
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => answer.map_err(|error| Error::new(operation, error)),
            Err(_) => Err(Error::new(operation, Failed::Patience(PATIENCE))),
        }
    }
}

fn find<C>(
    store: &Store<C>,
    (name, namespace): &(String, String),
    id: &str,
    made: Option<&Made<C>>,
    direct: Option<&C>,
) -> Option<Arc<C>>
where
    C: Child + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let cached = store.get(&ObjectRef::new(name).within(namespace));
    let own = cached.filter(|child| {
        C::order_reference(child.spec()).id == id && child.meta().deletion_timestamp.is_none()
    });
    own.or_else(|| made.and_then(Made::recent)).or_else(|| direct.map(|child| Arc::new(child.clone())))
}
