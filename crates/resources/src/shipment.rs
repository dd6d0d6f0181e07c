//! `Shipment`: the parcel of an order.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{Address, Item, OrderReference, ShippingService, order_rules as rules};

/// The parcel of an order: made by the operator, answered by `shipping`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "supercargo.dev",
    version = "v1alpha1",
    kind = "Shipment",
    plural = "shipments",
    shortname = "shp",
    category = "supercargo",
    namespaced,
    status = "ShipmentStatus",
    derive = "PartialEq",
    doc = "The parcel of an order. Made by the operator and answered by shipping; change the order instead.",
    selectable = ".status.phase",
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".spec.desired"),
    printcolumn(name = "Tracking", type_ = "string", json_path = ".status.trackingNumber"),
    printcolumn(name = "Estimated", type_ = "string", json_path = ".status.estimatedDelivery", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::order_reference_is_fixed(),
    validation = rules::attempts_only_rise("'Cancelled'"),
    validation = rules::revision_never_falls()
)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentSpec {
    /// The order whose goods travel.
    pub order_ref: OrderReference,
    /// What is in the parcel.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    pub items: Vec<Item>,
    /// Where it goes.
    pub shipping_address: Address,
    /// How fast it travels.
    #[serde(default)]
    pub service: ShippingService,
    /// The number of the booking, from 1; 100000 on a shipment made only to be cancelled.
    #[schemars(range(min = 0, max = 100_000))]
    pub attempt: u32,
    /// What the operator wants to come true.
    pub desired: ShipmentDesired,
}

/// What the operator wants of a shipment.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShipmentDesired {
    /// The goods reach the customer.
    Delivered,
    /// The label is void and the goods stay here; refused once the carrier has them.
    Cancelled,
}

/// What has come true.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShipmentPhase {
    /// Asked for, not answered.
    Pending,
    /// The carrier has given a label.
    Booked,
    /// The carrier has the goods.
    InTransit,
    /// The goods are on their last way.
    OutForDelivery,
    /// Something is in the way; carriers recover most of these.
    Exception,
    /// The customer has the goods.
    Delivered,
    /// The carrier refuses, for example the address.
    Rejected,
    /// The goods are gone.
    Lost,
    /// The goods came back.
    Returned,
    /// The label is void; nothing left the house.
    Cancelled,
}

impl ShipmentPhase {
    /// True once the carrier has, or had, the goods.
    #[must_use]
    pub const fn has_left(self) -> bool {
        match self {
            Self::InTransit
            | Self::OutForDelivery
            | Self::Exception
            | Self::Delivered
            | Self::Lost
            | Self::Returned => true,
            Self::Pending | Self::Booked | Self::Rejected | Self::Cancelled => false,
        }
    }

    /// The text in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Booked => "Booked",
            Self::InTransit => "InTransit",
            Self::OutForDelivery => "OutForDelivery",
            Self::Exception => "Exception",
            Self::Delivered => "Delivered",
            Self::Rejected => "Rejected",
            Self::Lost => "Lost",
            Self::Returned => "Returned",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What shipping reports.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentStatus {
    /// What has come true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ShipmentPhase>,
    /// The number of this report: an older one is refused.
    #[serde(default)]
    pub revision: i64,
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The booking that the phase is of.
    #[serde(default)]
    pub attempt: u32,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub tracking_number: Option<String>,
    /// Where people follow the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub tracking_url: Option<String>,
    /// The carrier's id of the booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub reference: Option<String>,
    /// When the carrier expects to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<Time>,
    /// True when a wish to cancel came too late: the carrier has the goods.
    #[serde(default)]
    pub cancel_refused: bool,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
