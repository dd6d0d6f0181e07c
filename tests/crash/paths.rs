//! The paths: what is ordered, what the customer does, and how it may end.

use chassis::effect::faults::{Fault, Mode};
use testkit::OrderBuilder;

/// Which goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goods {
    Plenty,
    None,
}

/// What the customer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Cancel,
    Delete,
    /// Pays with a card that works.
    Pay,
}

/// When the customer does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Never,
    /// While the effect of the path's own fault is held.
    Held(Deed),
    /// When the order awaits its payment.
    Awaiting(Deed),
    /// When the order is shipped.
    Shipped(Deed),
}

/// Whose policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Much patience with customers.
    Usual,
    /// Customers have three seconds to pay.
    Impatient,
    /// The money is promised first, and taken at the label.
    OnDispatch,
}

/// A path.
pub struct Path {
    pub name: &'static str,
    pub policy: Policy,
    pub goods: Goods,
    pub order: fn(OrderBuilder) -> OrderBuilder,
    /// The faults that are part of the path itself.
    pub base: fn() -> Vec<Fault>,
    pub when: When,
    /// The events that end it: the first without other faults.
    pub ends: &'static [&'static str],
    /// The resource goes by itself.
    pub goes: bool,
}

const COMPLETED: &[&str] = &["order.completed"];
const FAILED: &[&str] = &["order.failed"];
/// A wish to undo that a fault made too late.
const CANCELLED: &[&str] = &["order.cancelled", "order.completed"];
/// One that was too late anyway, unless a fault kept the goods in the house until then.
const DELIVERED: &[&str] = &["order.completed", "order.cancelled"];
const DECLINED: &str = "pm_card_visa_chargeDeclined";

const HAPPY: Path = Path {
    name: "happy",
    policy: Policy::Usual,
    goods: Goods::Plenty,
    order: |order| order,
    base: Vec::new,
    when: When::Never,
    ends: COMPLETED,
    goes: false,
};

fn fault(point: &str, mode: Mode) -> Vec<Fault> {
    vec![Fault { point: point.to_owned(), occurrence: 1, mode }]
}

fn held_before_stock() -> Vec<Fault> {
    fault("inventory.inventory-commands.handle", Mode::Held)
}

fn held_before_money() -> Vec<Fault> {
    fault("payment.provider.confirm", Mode::Held)
}

fn held_before_label() -> Vec<Fault> {
    fault("shipping.carrier.book", Mode::Held)
}

pub const PATHS: &[Path] = &[
    HAPPY,
    Path { name: "on-dispatch", policy: Policy::OnDispatch, ..HAPPY },
    Path { name: "out-of-stock", goods: Goods::None, ends: FAILED, ..HAPPY },
    Path {
        name: "declined-then-paid",
        order: |order| order.method(DECLINED),
        when: When::Awaiting(Deed::Pay),
        ..HAPPY
    },
    Path {
        name: "unknown-then-captured",
        base: || fault("payment.provider.confirm", Mode::AnswerLost),
        ..HAPPY
    },
    Path {
        name: "unknown-then-not-charged",
        base: || fault("payment.provider.confirm", Mode::RequestLost),
        when: When::Awaiting(Deed::Pay),
        ..HAPPY
    },
    Path {
        name: "undeliverable",
        order: |order| order.to_street("UNDELIVERABLE 1 High Street"),
        ends: FAILED,
        ..HAPPY
    },
    Path { name: "lost", order: |order| order.to_street("LOST 1 High Street"), ends: FAILED, ..HAPPY },
    Path {
        name: "cancel-placed",
        base: held_before_stock,
        when: When::Held(Deed::Cancel),
        ends: CANCELLED,
        ..HAPPY
    },
    Path {
        name: "cancel-reserved",
        base: held_before_money,
        when: When::Held(Deed::Cancel),
        ends: CANCELLED,
        ..HAPPY
    },
    Path {
        name: "cancel-awaiting",
        order: |order| order.method(DECLINED),
        when: When::Awaiting(Deed::Cancel),
        ends: CANCELLED,
        ..HAPPY
    },
    Path {
        name: "cancel-paid",
        base: held_before_label,
        when: When::Held(Deed::Cancel),
        ends: CANCELLED,
        ..HAPPY
    },
    Path { name: "cancel-shipped", when: When::Shipped(Deed::Cancel), ends: DELIVERED, ..HAPPY },
    Path {
        name: "delete-placed",
        base: held_before_stock,
        when: When::Held(Deed::Delete),
        ends: CANCELLED,
        goes: true,
        ..HAPPY
    },
    Path {
        name: "delete-reserved",
        base: held_before_money,
        when: When::Held(Deed::Delete),
        ends: CANCELLED,
        goes: true,
        ..HAPPY
    },
    Path {
        name: "delete-awaiting",
        order: |order| order.method(DECLINED),
        when: When::Awaiting(Deed::Delete),
        ends: CANCELLED,
        goes: true,
        ..HAPPY
    },
    Path {
        name: "delete-paid",
        base: held_before_label,
        when: When::Held(Deed::Delete),
        ends: CANCELLED,
        goes: true,
        ..HAPPY
    },
    Path {
        name: "delete-shipped",
        when: When::Shipped(Deed::Delete),
        ends: &["order.completed", "order.shipped", "order.cancelled"],
        goes: true,
        ..HAPPY
    },
    Path {
        name: "hold-expiry",
        policy: Policy::Impatient,
        order: |order| order.method(DECLINED),
        ends: FAILED,
        ..HAPPY
    },
    Path { name: "archive", order: |order| order.gone_after(0), goes: true, ..HAPPY },
];
