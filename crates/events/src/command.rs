//! Commands: the wanted state of a child, sent to the service that answers for it.
//!
//! A command carries the child's whole spec and generation, so that the newest one says all: services ignore an older
//! command that arrives after a newer one, and answer each by reporting the present state.

use jiff::Timestamp;
use resources::{
    PaymentDesired, PaymentSpec, ReservationDesired, ShipmentDesired, ShipmentSpec, StockReservationSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The wanted state of a child.
///
/// Its business key, [`Command::key`], is the same however often it is sent; the message id differs each time, or the
/// stream would swallow what is sent again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Command<S> {
    /// The order id.
    pub order_id: String,
    /// The namespace of the child.
    pub namespace: String,
    /// The name of the child, which is the order's.
    pub name: String,
    /// The UID of the child; absent when the child cannot be created any more (its namespace is going): the state is then
    /// wanted for the order id alone, and reported to the asker alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The generation of the child's spec; 0 without a child.
    pub generation: i64,
    /// When it was sent.
    #[schemars(with = "String")]
    pub sent_at: Timestamp,
    /// The child's spec.
    pub spec: S,
}

impl<S: CommandTarget> Command<S> {
    /// The business key: the same for every sending of the same wish.
    #[must_use]
    pub fn key(&self) -> String {
        let uid = self.uid.as_deref().unwrap_or("none");
        format!("{}/{}/{uid}/{}", self.order_id, S::SERVICE, self.generation)
    }

    /// The subject in stream `COMMANDS`.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        self.spec.verb().0
    }
}

/// The subject of a command, `supercargo.command.<service>.<verb>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verb(pub &'static str);

/// A spec that can be commanded.
pub trait CommandTarget {
    /// The service that answers for it.
    const SERVICE: &'static str;
    /// Every subject of its commands.
    const SUBJECTS: &'static str;
    /// The question by which the same wish is made directly and answered at once with the child's status.
    const APPLY: &'static str;
    /// What the spec wishes, as a verb.
    fn verb(&self) -> Verb;
}

impl CommandTarget for StockReservationSpec {
    const SERVICE: &'static str = "inventory";
    const SUBJECTS: &'static str = "supercargo.command.inventory.>";
    const APPLY: &'static str = "inventory.apply";

    fn verb(&self) -> Verb {
        Verb(match self.desired {
            ReservationDesired::Held => "supercargo.command.inventory.hold",
            ReservationDesired::Committed => "supercargo.command.inventory.commit",
            ReservationDesired::Released => "supercargo.command.inventory.release",
        })
    }
}

impl CommandTarget for PaymentSpec {
    const SERVICE: &'static str = "payment";
    const SUBJECTS: &'static str = "supercargo.command.payment.>";
    const APPLY: &'static str = "payment.apply";

    fn verb(&self) -> Verb {
        Verb(match self.desired {
            PaymentDesired::Captured => "supercargo.command.payment.capture",
            PaymentDesired::Authorized => "supercargo.command.payment.authorize",
            PaymentDesired::Cancelled => "supercargo.command.payment.cancel",
            PaymentDesired::Refunded => "supercargo.command.payment.refund",
        })
    }
}

impl CommandTarget for ShipmentSpec {
    const SERVICE: &'static str = "shipping";
    const SUBJECTS: &'static str = "supercargo.command.shipping.>";
    const APPLY: &'static str = "shipping.apply";

    fn verb(&self) -> Verb {
        Verb(match self.desired {
            ShipmentDesired::Delivered => "supercargo.command.shipping.book",
            ShipmentDesired::Cancelled => "supercargo.command.shipping.cancel",
        })
    }
}
