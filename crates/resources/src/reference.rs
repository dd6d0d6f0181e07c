//! What children say of their order, and the order id.

use kube::{KubeSchema, Resource, ResourceExt};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::{ORDER_ID_ANNOTATION, Order, text};

/// The order that a child belongs to.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OrderReference {
    /// The order's name in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The order id, by which every ledger, key and message knows the order.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9-]+$"))]
    pub id: String,
}

impl OrderReference {
    /// The reference to `order`; `None` while the API server has not given it a UID.
    #[must_use]
    pub fn to(order: &Order) -> Option<Self> {
        Some(Self { name: order.name_any(), id: order_id(order)? })
    }
}

/// The order id: the UID, or the annotation `supercargo.dev/order-id` where a restore set it.
///
/// The status keeps it from the first write on: an annotation that is changed later changes nothing, or ledgers would take
/// the order for another one. An annotation that is no id counts as none.
#[must_use]
pub fn order_id(order: &Order) -> Option<String> {
    let fixed = order.status.as_ref().and_then(|status| status.order_id.clone());
    let restored = || order.annotations().get(ORDER_ID_ANNOTATION).filter(|id| is_order_id(id)).cloned();
    fixed.or_else(restored).or_else(|| order.meta().uid.clone())
}

fn is_order_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// One line of a quote: an article, how many, and what they cost.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The article's stock keeping unit.
    #[schemars(length(min = 1, max = 63), regex(pattern = text::SKU))]
    pub sku: String,
    /// How many pieces.
    #[schemars(range(min = 1, max = 10_000))]
    pub quantity: u32,
    /// The price of one piece.
    pub unit_price: Money,
    /// The price of the line.
    pub total: Money,
}
