//! `Payment`: the money of an order.

use kube::{CustomResource, KubeSchema};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::{OrderReference, order_rules as rules};

/// The money of an order: made by the operator, answered by `payment`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "supercargo.dev",
    version = "v1alpha1",
    kind = "Payment",
    plural = "payments",
    shortname = "pay",
    category = "supercargo",
    namespaced,
    status = "PaymentStatus",
    derive = "PartialEq",
    doc = "The money of an order. Made by the operator and answered by payment; change the order instead.",
    selectable = ".status.phase",
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".spec.desired"),
    printcolumn(name = "Amount", type_ = "string", json_path = ".spec.amount.amount"),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".spec.attempt"),
    printcolumn(name = "Refunded", type_ = "string", json_path = ".status.refunded.amount", priority = "1"),
    printcolumn(name = "Reference", type_ = "string", json_path = ".status.reference", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::order_reference_is_fixed(),
    validation = rules::attempts_only_rise("'Cancelled', 'Refunded'"),
    validation = amount_is_fixed(),
    validation = rules::revision_never_falls()
)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSpec {
    /// The order that is paid.
    pub order_ref: OrderReference,
    /// What is to be paid.
    pub amount: Money,
    /// The provider's token of the method; absent only on a payment made to be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub method: Option<String>,
    /// The order's spec.payment.retry that this attempt answers.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub retry: u32,
    /// The number of the attempt, from 1; 100000 on a payment made only to be undone. The provider's idempotency key is the order
    /// id and this number.
    #[schemars(range(min = 0, max = 100_000))]
    pub attempt: u32,
    /// What the operator wants to come true.
    pub desired: PaymentDesired,
    /// How often a person has had an undo asked for again that the provider had refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 100_000))]
    pub undo_retry: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The ledger knows an attempt by its number: another amount or method is another attempt.
fn amount_is_fixed() -> kube::core::Rule {
    kube::core::Rule::new(
        "self.spec.attempt > oldSelf.spec.attempt || (self.spec.amount == oldSelf.spec.amount && \
         has(self.spec.method) == has(oldSelf.spec.method) && \
         (!has(self.spec.method) || self.spec.method == oldSelf.spec.method))",
    )
    .message("spec.amount and spec.method cannot change within an attempt: change the order's spec.payment instead")
    .field_path(".spec.amount")
}

/// What the operator wants of a payment.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentDesired {
    /// The money is taken.
    Captured,
    /// The money is promised by the provider and taken later.
    Authorized,
    /// No money is kept: an open charge is voided, a taken one refunded.
    Cancelled,
    /// The money that was taken is given back.
    Refunded,
}

/// What has come true.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentPhase {
    /// Asked for, not answered.
    Pending,
    /// Promised by the provider, not taken.
    Authorized,
    /// Taken.
    Captured,
    /// The customer has to confirm at their bank.
    ActionRequired,
    /// Refused by the provider; nothing was taken.
    Declined,
    /// The provider's answer did not arrive; it is asked until it is known.
    Unknown,
    /// Nothing was taken and nothing can be any more.
    Voided,
    /// Everything that was taken is given back.
    Refunded,
    /// An undo failed for good; a person is needed.
    Failed,
}

impl PaymentPhase {
    /// The text in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Authorized => "Authorized",
            Self::Captured => "Captured",
            Self::ActionRequired => "ActionRequired",
            Self::Declined => "Declined",
            Self::Unknown => "Unknown",
            Self::Voided => "Voided",
            Self::Refunded => "Refunded",
            Self::Failed => "Failed",
        }
    }
}

/// What payment reports.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentStatus {
    /// What has come true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PaymentPhase>,
    /// The number of this report: an older one is refused.
    #[serde(default)]
    pub revision: i64,
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The attempt that the phase is of.
    #[serde(default)]
    pub attempt: u32,
    /// How much was taken, over all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// How much of it was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
    /// The provider's id of the charge, to find it in their books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub reference: Option<String>,
    /// Where the customer confirms, while ActionRequired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub action_url: Option<String>,
    /// One word for machines: the provider's decline code, for example insufficient_funds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
