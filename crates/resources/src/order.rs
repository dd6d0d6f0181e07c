//! `Order`: what a shopper wants, and how far it has come.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::{Line, MoneyRepair, Repair, Settled, order_rules as rules, text};

/// What a shopper orders: articles, where they go, and how they are paid. The operator drives the order to its end and
/// writes how far it has come to the status.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "supercargo.dev",
    version = "v1alpha1",
    kind = "Order",
    plural = "orders",
    shortname = "ord",
    category = "supercargo",
    namespaced,
    status = "OrderStatus",
    derive = "PartialEq",
    doc = "An order of a shop: what a shopper wants, and how far it has come. Set spec.cancel to stop it.",
    selectable = ".status.phase",
    selectable = ".spec.customer.id",
    selectable = ".spec.customer.email",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Total", type_ = "string", json_path = ".status.total.amount"),
    printcolumn(name = "Customer", type_ = "string", json_path = ".spec.customer.email"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = "1"),
    printcolumn(name = "Payment", type_ = "string", json_path = ".status.payment", priority = "1"),
    printcolumn(name = "Tracking", type_ = "string", json_path = ".status.tracking", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::name_fits_a_label(),
    validation = rules::items_are_fixed(),
    validation = rules::customer_is_fixed(),
    validation = rules::pricing_is_fixed(),
    validation = rules::shipping_is_fixed(),
    validation = rules::payment_is_fixed(),
    validation = rules::cancel_stays(),
    validation = rules::sequence_never_falls()
)]
#[serde(rename_all = "camelCase")]
pub struct OrderSpec {
    /// Who ordered. Fixed once the order is reserved.
    pub customer: Customer,
    /// What is ordered, one entry an article. Fixed once the order is reserved.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    pub items: Vec<Item>,
    /// Where the goods go. May change until the order is paid.
    pub shipping_address: Address,
    /// How fast the goods travel. May change until the order is paid.
    #[serde(default)]
    pub shipping_service: ShippingService,
    /// How the order is paid. Without a method it waits in AwaitingPayment, reason MethodMissing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentChoice>,
    /// A coupon's code. An unknown one is Rejected, reason CouponUnknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = text::SKU))]
    pub coupon: Option<String>,
    /// The total that the shopper saw. When the quote differs the order is Rejected, reason PriceChanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// True: the order is quoted and Placed, then asks for no new stock, money or label. Answers still count, cancel
    /// still works, timers stand still.
    #[serde(default)]
    pub suspend: bool,
    /// Set to cancel the order. Once set it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// Seconds from the order's end to its archiving and deletion. Overrides the Shop's ttlAfterFinished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<i64>,
}

/// Who ordered.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The user id at `accounts`; absent for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = text::SKU))]
    pub id: Option<String>,
    /// Where messages about the order go.
    #[schemars(length(min = 3, max = 254), regex(pattern = text::EMAIL))]
    pub email: String,
}

/// An article and how many of it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The article's stock keeping unit, as in the catalog.
    #[schemars(length(min = 1, max = 63), regex(pattern = text::SKU))]
    pub sku: String,
    /// How many pieces: 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub quantity: u32,
}

/// A postal address.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Who receives the goods.
    #[schemars(length(min = 1, max = 200), regex(pattern = text::PRINTABLE))]
    pub name: String,
    /// Street and number.
    #[schemars(length(min = 1, max = 200), regex(pattern = text::PRINTABLE))]
    pub line1: String,
    /// More of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200), regex(pattern = text::PRINTABLE))]
    pub line2: Option<String>,
    /// City or town.
    #[schemars(length(min = 1, max = 200), regex(pattern = text::PRINTABLE))]
    pub city: String,
    /// State, province or county, where addresses have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200), regex(pattern = text::PRINTABLE))]
    pub region: Option<String>,
    /// Postal code, where the country has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = text::PRINTABLE))]
    pub postal_code: Option<String>,
    /// Country, two capital letters of ISO 3166-1: DE.
    #[schemars(length(min = 2, max = 2), regex(pattern = "^[A-Z]{2}$"))]
    pub country: String,
    /// Telephone number for the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = text::PRINTABLE))]
    pub phone: Option<String>,
}

/// How fast the goods travel.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ShippingService {
    /// The usual way.
    #[default]
    Standard,
    /// The quick way.
    Express,
}

impl ShippingService {
    /// The text in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Express => "express",
        }
    }
}

/// How an order is paid.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentChoice {
    /// The payment provider's token of a method, like pm_card_visa; never card data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"))]
    pub method: Option<String>,
    /// Raise by one to try the same method again.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub retry: u32,
}

/// The wish to stop an order.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// Why, in words that the customer may read.
    #[schemars(length(min = 1, max = 200), regex(pattern = text::PRINTABLE))]
    pub reason: String,
}

/// How far an order has come. Absent until it is quoted.
#[derive(
    Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum OrderPhase {
    /// Quoted; stock is asked for.
    Placed,
    /// Stock is held; payment is asked for.
    Reserved,
    /// The customer has to do something about the payment.
    AwaitingPayment,
    /// Paid; a shipment is asked for.
    Paid,
    /// The carrier has the goods.
    Shipped,
    /// Delivered and paid.
    Completed,
    /// Refused before anything was done.
    Rejected,
    /// Ended without goods, by a failure; no stock and no money is kept.
    Failed,
    /// Ended without goods, by wish; no stock and no money is kept.
    Cancelled,
    /// What was done is being undone.
    Compensating,
    /// Needs a person.
    Stuck,
}

impl OrderPhase {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Placed,
        Self::Reserved,
        Self::AwaitingPayment,
        Self::Paid,
        Self::Shipped,
        Self::Completed,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Compensating,
        Self::Stuck,
    ];

    /// True for the four ends.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        match self {
            Self::Completed | Self::Rejected | Self::Failed | Self::Cancelled => true,
            Self::Placed
            | Self::Reserved
            | Self::AwaitingPayment
            | Self::Paid
            | Self::Shipped
            | Self::Compensating
            | Self::Stuck => false,
        }
    }

    /// The text in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "Placed",
            Self::Reserved => "Reserved",
            Self::AwaitingPayment => "AwaitingPayment",
            Self::Paid => "Paid",
            Self::Shipped => "Shipped",
            Self::Completed => "Completed",
            Self::Rejected => "Rejected",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Compensating => "Compensating",
            Self::Stuck => "Stuck",
        }
    }
}

impl std::fmt::Display for OrderPhase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far the order has come; written by the operator alone.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    /// How far the order has come. Absent until it is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OrderPhase>,
    /// The order id, by which every ledger, key and message knows the order; fixed by the first status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub order_id: Option<String>,
    /// The id of the order's trace, which its log lines carry too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub trace_id: Option<String>,
    /// How many transitions the order has made.
    #[serde(default)]
    pub sequence: i64,
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the customer owes for the whole order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The quote, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    pub lines: Vec<Line>,
    /// Accepted, StockReserved, Paid, Shipped and Finished; DeadLettered once a message about the order could not be handled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Why it is where it is, one word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Why it is where it is, in words that a customer service agent can read out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Where compensation ends and why; set on entering Compensating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Compensation>,
    /// The phase of the payment, for people who list orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub payment: Option<String>,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub tracking: Option<String>,
    /// The last 20 transitions, oldest first; the whole of it is kept by `orders`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub history: Vec<HistoryEntry>,
    /// The events of the transitions up to this number were told for certain when this status was written; a new leader
    /// tells those of later ones again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_sequence: Option<i64>,
    /// Since when the timers of this phase run; absent while the order is suspended, when they stand still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<MicroTime>,
    /// How long the timers of this phase had run when the order was suspended, in milliseconds; they go on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_milliseconds: Option<i64>,
    /// What people have asked of the order to repair it, newest last: the last of each kind, ten in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub repairs: Vec<Repair>,
    /// What counts as settled by hand: nobody waits for it or asks for it any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub settled_by_hand: Vec<Settled>,
    /// What people have had done for the money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money_repair: Option<MoneyRepair>,
    /// When the order was first placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the order came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

/// Where compensation ends, and why it began.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Compensation {
    /// The phase in which the order ends once everything is undone: Failed or Cancelled.
    pub target: OrderPhase,
    /// The reason that the ended order shows.
    #[schemars(length(max = 64))]
    pub reason: String,
}

/// One transition.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When the operator decided it.
    pub at: MicroTime,
    /// Its number, from 1.
    pub sequence: i64,
    /// The phase that it led to.
    pub phase: OrderPhase,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
}
