//! `StockReservation`: the goods that an order holds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::{Line, OrderReference, order_rules as rules, text};

/// The goods that an order holds: made by the operator, answered by `inventory`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "supercargo.dev",
    version = "v1alpha1",
    kind = "StockReservation",
    plural = "stockreservations",
    shortname = "stk",
    category = "supercargo",
    namespaced,
    status = "StockReservationStatus",
    derive = "PartialEq",
    doc = "The goods that an order holds. Made by the operator and answered by inventory; change the order instead.",
    selectable = ".status.phase",
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".spec.desired"),
    printcolumn(name = "Total", type_ = "string", json_path = ".spec.total.amount"),
    printcolumn(name = "Expires", type_ = "date", json_path = ".spec.expiresAt", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::order_reference_is_fixed(),
    validation = released_is_final(),
    validation = rules::revision_never_falls()
)]
#[serde(rename_all = "camelCase")]
pub struct StockReservationSpec {
    /// The order that holds the goods.
    pub order_ref: OrderReference,
    /// The quote: what is held, and at which price. Empty only on a reservation made to be released.
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    pub lines: Vec<Line>,
    /// The quote's total.
    pub total: Money,
    /// What the operator wants to come true.
    pub desired: ReservationDesired,
    /// When the hold may be given to others; set only while the order awaits its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "Z$"), extend("format" = "date-time"))]
    pub expires_at: Option<Time>,
}

fn released_is_final() -> kube::core::Rule {
    kube::core::Rule::new(
        "oldSelf.spec.desired == 'Released' ? self.spec.desired == 'Released' : \
         (oldSelf.spec.desired == 'Committed' ? self.spec.desired != 'Held' : true)",
    )
    .message("spec.desired goes from Held to Committed to Released and never back: place a new order")
    .field_path(".spec.desired")
}

/// What the operator wants of a reservation.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationDesired {
    /// The goods are set aside: all lines or none.
    Held,
    /// The goods have left the house.
    Committed,
    /// The goods are free again, or back on the shelf when they had left.
    Released,
}

/// What has come true.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationPhase {
    /// Asked for, not answered.
    Pending,
    /// All lines are set aside.
    Held,
    /// At least one line is short; nothing is held.
    Insufficient,
    /// The goods have left the house.
    Committed,
    /// Nothing is held any more.
    Released,
    /// The hold ran out while the payment was awaited; nothing is held.
    Expired,
}

/// What inventory reports.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StockReservationStatus {
    /// What has come true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ReservationPhase>,
    /// The number of this report: an older one is refused.
    #[serde(default)]
    pub revision: i64,
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The lines that are short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub shortages: Vec<Shortage>,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// An article of which too little is there.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// The article.
    #[schemars(length(min = 1, max = 63), regex(pattern = text::SKU))]
    pub sku: String,
    /// How many were asked for.
    pub requested: i64,
    /// How many were there.
    pub available: i64,
}
