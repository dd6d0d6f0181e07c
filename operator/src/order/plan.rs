//! What a decision says: values only, so that tests can read them.

use chassis::ChildKind;
use events::OrderTransition;
use jiff::Timestamp;
use resources::{Compensation, OrderPhase, OrderStatus, PaymentSpec, ShipmentSpec, StockReservationSpec};

/// What is to be done about an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It cannot be said before catalog, accounts and orders have answered: ask them and decide again.
    Ask,
    /// This.
    Act(Box<Plan>),
}

/// Transitions, effects and the status that records them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The transitions passed, oldest first.
    pub transitions: Vec<Transition>,
    /// What to make true before the status is written. All may run at once.
    pub effects: Vec<Effect>,
    /// The status to write.
    pub status: OrderStatus,
    /// How soon it must be written.
    pub urgency: Urgency,
    /// When to look again although nothing has changed.
    pub look_again: Option<Timestamp>,
}

impl Plan {
    /// True when the order is about to end without goods: then the children that it was decided on must be current, since
    /// nobody looks at an ended order's money and goods as closely again.
    #[must_use]
    pub fn ends_without_goods(&self) -> bool {
        self.transitions
            .iter()
            .any(|transition| matches!(transition.data.phase, OrderPhase::Failed | OrderPhase::Cancelled))
    }
}

/// A transition and the event that announces it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The event's data.
    pub data: OrderTransition,
    /// What to tell people who look at the resource; only for refusals, failures and compensation.
    pub tell: Option<Tell>,
}

/// A Kubernetes Event on the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// True for what somebody should look at.
    pub warning: bool,
    /// One word for machines.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
}

/// Something to make true in the world; doing it twice is the same as once.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The finalizer is on the order: before any other effect.
    AddFinalizer,
    /// The reservation exists and has this spec.
    EnsureReservation(StockReservationSpec),
    /// The payment exists and has this spec.
    EnsurePayment(PaymentSpec),
    /// The shipment exists and has this spec.
    EnsureShipment(ShipmentSpec),
    /// The service that answers for this child is asked again, at once.
    AskAgain(ChildKind),
    /// People who look at the resource are told, outside a transition.
    Tell(Tell),
    /// The order is kept for ever by `orders`, then the resource goes.
    Archive,
}

/// How soon a status must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It is as it was.
    Unchanged,
    /// Only what people read has changed; the next transition may carry it.
    Cosmetic,
    /// A transition that its successor may overtake within the policy's `statusDelay`.
    Soon,
    /// At once.
    Now,
}

/// What a phase says of itself, given the situation.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Go to another phase.
    Go(Move),
    /// Stay, wanting these effects.
    Rest(Rest),
    /// A quotation is needed first.
    Ask,
}

/// Into another phase.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) phase: OrderPhase,
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
    pub(crate) compensation: Option<Compensation>,
}

/// Staying.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// Replaces the status's reason; `None` keeps the one of the transition.
    pub(crate) because: Option<(String, String)>,
    /// True when the reason is only what happens meanwhile: that it takes too long is told instead.
    pub(crate) routine: bool,
    pub(crate) effects: Vec<Effect>,
    pub(crate) look_again: Option<Timestamp>,
}

impl Move {
    pub(crate) fn to(phase: OrderPhase, reason: Option<&str>, message: impl Into<String>) -> Step {
        Step::Go(Self {
            phase,
            reason: reason.map(str::to_owned),
            message: message.into(),
            compensation: None,
        })
    }

    pub(crate) fn compensate(target: OrderPhase, reason: &str, message: impl Into<String>) -> Step {
        Step::Go(Self {
            phase: OrderPhase::Compensating,
            reason: Some(reason.to_owned()),
            message: message.into(),
            compensation: Some(Compensation { target, reason: reason.to_owned() }),
        })
    }
}

impl Rest {
    pub(crate) fn wanting(effects: impl IntoIterator<Item = Effect>) -> Self {
        Self { effects: effects.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn because(mut self, reason: &str, message: impl Into<String>) -> Self {
        self.because = Some((reason.to_owned(), message.into()));
        self
    }

    /// A reason for the time being.
    pub(crate) fn meanwhile(self, reason: &str, message: impl Into<String>) -> Self {
        Self { routine: true, ..self.because(reason, message) }
    }

    pub(crate) fn until(mut self, at: Option<Timestamp>) -> Self {
        self.look_again = match (self.look_again, at) {
            (Some(earlier), Some(other)) => Some(earlier.min(other)),
            (one, other) => one.or(other),
        };
        self
    }

    /// Wanting these effects too.
    pub(crate) fn and(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        self.effects.extend(effects);
        self
    }

    pub(crate) fn step(self) -> Step {
        Step::Rest(self)
    }
}
