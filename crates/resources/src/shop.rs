//! `Shop`: the policy of the orders in one namespace.

use std::time::Duration as StandardDuration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use money::Currency;
use serde::{Deserialize, Serialize};

use crate::text;

/// The policy of the orders in one namespace; read live. Without a Shop the defaults below hold.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "supercargo.dev",
    version = "v1alpha1",
    kind = "Shop",
    plural = "shops",
    category = "supercargo",
    namespaced,
    status = "ShopStatus",
    derive = "PartialEq",
    doc = "The policy of the orders in its namespace: one Shop a namespace, named default.",
    printcolumn(name = "Currency", type_ = "string", json_path = ".spec.currency"),
    printcolumn(name = "Paused", type_ = "boolean", json_path = ".spec.paused"),
    printcolumn(name = "Capture", type_ = "string", json_path = ".spec.capture"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == 'default'")
        .message("a Shop is named default: there is one for each namespace")
)]
#[serde(rename_all = "camelCase")]
pub struct ShopSpec {
    /// The currency of every quote, ISO 4217.
    #[serde(default = "defaults::euro")]
    pub currency: Currency,
    /// True: no order asks for new stock, money or labels, as if each were suspended.
    #[serde(default)]
    pub paused: bool,
    /// How long an order waits for the customer to pay.
    #[serde(default = "defaults::one_day")]
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32), extend("default" = "24h"))]
    pub payment_timeout: Duration,
    /// When the money is taken.
    #[serde(default = "defaults::capture")]
    pub capture: Capture,
    /// When an order counts as completed.
    #[serde(default = "defaults::complete_on")]
    pub complete_on: CompleteOn,
    /// How long a finished order stays before it is archived and deleted.
    #[serde(default = "defaults::one_day")]
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32), extend("default" = "24h"))]
    pub ttl_after_finished: Duration,
    /// How long a phase may be overtaken by its successor without being written to the resource; while the API server is slow,
    /// as long as four writes take, a second at most. 0s has every phase written.
    #[serde(default = "defaults::status_delay")]
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub status_delay: Duration,
    /// How long each phase may take before the order says what it waits for.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// What happens when a deadline passes: the order waits on with a reason, or becomes Stuck and needs a person.
    #[serde(default = "defaults::on_deadline")]
    pub on_deadline: OnDeadline,
    /// How commands that are not answered are sent again.
    #[serde(default)]
    pub retry: Retry,
}

fn seconds(count: u64) -> Duration {
    StandardDuration::from_secs(count).into()
}

/// What holds without a Shop, and for fields that a Shop leaves out.
mod defaults {
    use super::{Capture, CompleteOn, Currency, Duration, OnDeadline, StandardDuration, seconds};

    pub(super) fn euro() -> Currency {
        Currency::EUR
    }

    pub(super) fn one_day() -> Duration {
        seconds(24 * 3600)
    }

    pub(super) fn status_delay() -> Duration {
        StandardDuration::from_millis(50).into()
    }

    pub(super) fn capture() -> Capture {
        Capture::Immediate
    }

    pub(super) fn complete_on() -> CompleteOn {
        CompleteOn::Delivery
    }

    pub(super) fn on_deadline() -> OnDeadline {
        OnDeadline::Wait
    }
}

impl Default for ShopSpec {
    fn default() -> Self {
        Self {
            currency: defaults::euro(),
            paused: false,
            payment_timeout: defaults::one_day(),
            capture: defaults::capture(),
            complete_on: defaults::complete_on(),
            ttl_after_finished: defaults::one_day(),
            status_delay: defaults::status_delay(),
            deadlines: Deadlines::default(),
            on_deadline: defaults::on_deadline(),
            retry: Retry::default(),
        }
    }
}

/// When the money is taken.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// At once.
    Immediate,
    /// Authorized at once, taken when the carrier has given a label.
    OnDispatch,
}

/// When an order counts as completed.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompleteOn {
    /// When the customer has the goods.
    Delivery,
    /// When the carrier has the goods.
    Dispatch,
}

/// What happens when a deadline passes.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeadline {
    /// The order stays, and its reason says what it waits for.
    Wait,
    /// The order becomes Stuck.
    Stuck,
}

/// How long each phase may take.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Deadlines {
    /// From Placed to Reserved.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub placed: Duration,
    /// From Reserved to Paid or AwaitingPayment.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub reserved: Duration,
    /// From Paid to a label.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub booking: Duration,
    /// From Paid to Shipped.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub paid: Duration,
    /// From Shipped to Completed.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub shipped: Duration,
    /// From Compensating to the end.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub compensating: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            placed: seconds(60),
            reserved: seconds(120),
            booking: seconds(600),
            paid: seconds(72 * 3600),
            shipped: seconds(30 * 24 * 3600),
            compensating: seconds(600),
        }
    }
}

/// How commands that are not answered are sent again.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// The first wait; each next one is twice as long.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub initial: Duration,
    /// The longest wait.
    #[schemars(with = "String", regex(pattern = text::DURATION), length(max = 32))]
    pub maximum: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { initial: seconds(5), maximum: seconds(300) }
    }
}

/// What the operator says of a shop.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ShopStatus {
    /// Ready: the policy is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
