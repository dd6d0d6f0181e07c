//! What is made again of what was kept. Pure.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DynamicObject, ObjectMeta, TypeMeta};
use kube::{Resource, ResourceExt};
use orders::keep::KeptOrder;
use resources::{FINALIZER, ORDER_ID_ANNOTATION, Order, OrderStatus, RESTORING_ANNOTATION};
use serde_json::{Value, json};

/// An order that was not accepted by then has waited for its customer to change their mind: whether it was deleted while nobody
/// wrote that down cannot be told.
const UNACCEPTED: SignedDuration = SignedDuration::from_hours(1);

/// An order to make again.
#[derive(Clone, Debug)]
pub(super) struct Remake {
    pub(super) order_id: String,
    /// Without a status, and marked as not whole yet.
    pub(super) order: Order,
    pub(super) status: Option<OrderStatus>,
    /// Its deletion was asked for.
    pub(super) is_deleted: bool,
    children: Vec<Child>,
}

/// A child without its owner, whose UID is not known before it is made.
#[derive(Clone, Debug)]
struct Child {
    types: TypeMeta,
    metadata: ObjectMeta,
    spec: Value,
}

impl Remake {
    /// What to make of `kept`.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    pub(super) fn of(kept: &KeptOrder) -> anyhow::Result<Self> {
        let mut children = Vec::new();
        let mut order = None;
        for resource in &kept.resources {
            match resource["kind"].as_str() {
                Some("Order") => {
                    let found: Order =
                        serde_json::from_value(resource.clone()).context("the order cannot be read")?;
                    order = Some(found);
                }
                Some(_) => children.push(child(resource)?),
                None => anyhow::bail!("a resource without a kind was kept"),
            }
        }
        let kept_order = order.context("its children were kept, and the order itself was not")?;
        let mut metadata = carried(kept_order.meta());
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(ORDER_ID_ANNOTATION.to_owned(), kept.order_id.clone());
        annotations.insert(RESTORING_ANNOTATION.to_owned(), "true".to_owned());
        metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let is_deleted = kept_order.metadata.deletion_timestamp.is_some();
        let order = Order { metadata, spec: kept_order.spec, status: None };
        Ok(Self { order_id: kept.order_id.clone(), order, status: kept_order.status, is_deleted, children })
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.namespace(), self.order.name_any())
    }

    pub(super) fn namespace(&self) -> String {
        self.order.namespace().unwrap_or_default()
    }

    /// True of an order that was kept at `kept_at`, was not accepted then, and is old beside the newest of all.
    pub(super) fn may_be_withdrawn(&self, kept_at: Timestamp, newest: Timestamp) -> bool {
        let accepted = self.status.as_ref().is_some_and(|status| status.phase.is_some());
        !accepted && newest.duration_since(kept_at) > UNACCEPTED
    }

    /// The children of the order that was made, which owns them.
    pub(super) fn children_of(&self, made: &Order) -> Vec<DynamicObject> {
        let owner: Option<OwnerReference> = made.controller_owner_ref(&());
        let of = |child: &Child| {
            let mut metadata = child.metadata.clone();
            metadata.owner_references = owner.clone().map(|owner| vec![owner]);
            DynamicObject { types: Some(child.types.clone()), metadata, data: json!({"spec": child.spec}) }
        };
        self.children.iter().map(of).collect()
    }
}

fn child(resource: &Value) -> anyhow::Result<Child> {
    let types: TypeMeta = serde_json::from_value(resource.clone()).context("a child has no kind")?;
    let metadata: ObjectMeta =
        serde_json::from_value(resource["metadata"].clone()).context("a child's metadata cannot be read")?;
    Ok(Child { types, metadata: carried(&metadata), spec: resource["spec"].clone() })
}

/// What another cluster takes over of an object's metadata: what people and the operator wrote, not what the old cluster made.
fn carried(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(status: Value) -> KeptOrder {
        let order = json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Order",
            "metadata": {
                "name": "web-1", "namespace": "shop", "uid": "old", "resourceVersion": "7", "generation": 3,
                "annotations": {"team": "a"}, "labels": {"tier": "gold"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "customer": {"email": "a@example.com"}, "items": [{"sku": "MUG", "quantity": 1}],
                "shippingAddress": {"name": "A", "line1": "1 High Street", "city": "Berlin", "postalCode": "1", "country": "DE"},
            },
            "status": status,
        });
        let payment = json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Payment",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "older", "ownerReferences": [{"uid": "old"}]},
            "spec": {"attempt": 2}, "status": {"phase": "Captured"},
        });
        KeptOrder { order_id: "o-1".into(), kept_at: Timestamp::UNIX_EPOCH, resources: vec![order, payment] }
    }

    #[test]
    fn an_order_is_made_under_its_order_id_with_its_status_and_its_children_as_they_were_wished() {
        let remake = Remake::of(&kept(json!({"phase": "Paid", "sequence": 3, "orderId": "o-1"}))).unwrap();
        let metadata = &remake.order.metadata;
        assert_eq!((metadata.uid.as_deref(), metadata.resource_version.as_deref()), (None, None));
        let annotations = metadata.annotations.clone().unwrap();
        assert_eq!(annotations[ORDER_ID_ANNOTATION], "o-1");
        assert_eq!((annotations["team"].as_str(), remake.is_deleted), ("a", true));
        assert!(annotations.contains_key(RESTORING_ANNOTATION) && remake.order.status.is_none());
        assert_eq!(remake.status.as_ref().unwrap().sequence, 3);

        let mut made = remake.order.clone();
        made.metadata.uid = Some("new".into());
        let children = remake.children_of(&made);
        let [payment] = children.as_slice() else { panic!("{children:?}") };
        assert_eq!(payment.types.as_ref().unwrap().kind, "Payment");
        assert_eq!((&payment.data["spec"]["attempt"], &payment.data["status"]), (&json!(2), &Value::Null));
        let owners = payment.metadata.owner_references.as_ref().unwrap();
        assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "new"));
    }

    #[test]
    fn an_order_that_was_never_accepted_and_is_old_is_left_out() {
        let later = |seconds| Timestamp::from_second(seconds).unwrap();
        let unaccepted = Remake::of(&kept(json!({"sequence": 0}))).unwrap();
        assert!(!unaccepted.may_be_withdrawn(Timestamp::UNIX_EPOCH, later(3600)));
        assert!(unaccepted.may_be_withdrawn(Timestamp::UNIX_EPOCH, later(3601)));
        let paid = Remake::of(&kept(json!({"phase": "Paid", "sequence": 3}))).unwrap();
        assert!(!paid.may_be_withdrawn(Timestamp::UNIX_EPOCH, later(1_000_000)));
    }
}
