//! The custom resources of the group `supercargo.dev`, version `v1alpha1`: what people apply and what the operator and
//! the services report.
//!
//! The Rust types are the source of the CRDs in `crds/` (printed by `supercargo crds`): schemas, CEL rules, print
//! columns, descriptions. A rule's message is the sentence that a person reads when the API server refuses, so it says
//! what to do.

mod conditions;
mod order;
mod order_rules;
mod payment;
mod reference;
mod repair;
mod reservation;
mod shipment;
mod shop;
mod text;

pub use conditions::{ConditionStatus, condition, find_condition, set_condition};
pub use order::{
    Address, Cancel, Compensation, Customer, HistoryEntry, Item, Order, OrderPhase, OrderSpec, OrderStatus,
    PaymentChoice, ShippingService,
};
pub use payment::{Payment, PaymentDesired, PaymentPhase, PaymentSpec, PaymentStatus};
pub use reference::{Line, OrderReference, order_id};
pub use repair::{
    MoneyRepair, REPAIR_BY_ANNOTATION, REPAIR_REASON, REPAIRS, Repair, RepairAction, RepairOutcome, Settled,
};
pub use reservation::{
    ReservationDesired, ReservationPhase, Shortage, StockReservation, StockReservationSpec,
    StockReservationStatus,
};
pub use shipment::{Shipment, ShipmentDesired, ShipmentPhase, ShipmentSpec, ShipmentStatus};
pub use shop::{Capture, CompleteOn, Deadlines, OnDeadline, Retry, Shop, ShopSpec, ShopStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

/// The API group of every kind.
pub const GROUP: &str = "supercargo.dev";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
/// The label on children that names their order.
pub const ORDER_LABEL: &str = "supercargo.dev/order";
/// The annotation that sets the order id where a restore re-created an order under another UID.
pub const ORDER_ID_ANNOTATION: &str = "supercargo.dev/order-id";
/// The annotation of an order that a restore is making again: until its status is written too, nothing is done about it.
pub const RESTORING_ANNOTATION: &str = "supercargo.dev/restoring";
/// The finalizer that keeps a deleted order until it is compensated and archived.
pub const FINALIZER: &str = "supercargo.dev/archive";

/// The definitions of all five kinds, in the order in which a reader meets them.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions =
        vec![Order::crd(), StockReservation::crd(), Payment::crd(), Shipment::crd(), Shop::crd()];
    for definition in &mut definitions {
        for version in &mut definition.spec.versions {
            if let Some(schema) =
                version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut())
            {
                simplify(schema);
            }
        }
    }
    definitions
}

/// No field is nullable: the API server then drops a `null`, and rules that ask whether a field is there are not fooled. Nor has
/// a number a format that Kubernetes does not know, of which it would warn whoever applies the definition.
fn simplify(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.format = schema.format.take().filter(|format| !format.starts_with("uint"));
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        simplify(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        simplify(items);
    }
}

/// The definitions as one YAML document a kind: `(file name, text)`, as committed under `crds/`.
///
/// # Errors
/// When a definition cannot be written as YAML, which would be a defect of a schema.
pub fn definitions_as_yaml() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = format!("{}.yaml", definition.spec.names.plural);
            serde_yaml::to_string(&definition).map(|text| (name, text))
        })
        .collect()
}
