//! Deciding in a test: once, or until nothing is left to do for the operator.

use events::questions::{CheckCustomerAnswer, ProcessedOrder, QuoteAnswer, RecallNameAnswer, Refusal};
use money::Money;
use resources::{
    Line, OrderPhase, OrderReference, OrderStatus, PaymentSpec, ShipmentSpec, StockReservationSpec,
};

use super::super::{Decision, Effect, Plan, Quotation, Situation, Tell, decide};
use super::builders::{Case, ID, at, euro};

pub(super) fn reference() -> OrderReference {
    OrderReference { name: "web-1".into(), id: ID.into() }
}

/// All is well at these prices.
pub(super) fn quotation(lines: Vec<Line>) -> Quotation {
    let total = lines.iter().map(|line| line.total.minor_units()).sum();
    Quotation {
        quote: QuoteAnswer::Quoted { lines, total: euro(total) },
        customer: CheckCustomerAnswer::Allowed,
        recalled: RecallNameAnswer { processed: None },
    }
}

pub(super) fn refusal(reason: &str) -> Refusal {
    Refusal { reason: reason.into(), message: format!("It is refused: {reason}.") }
}

/// An order of the same name that came so far.
pub(super) fn processed(phase: OrderPhase) -> ProcessedOrder {
    ProcessedOrder { order_id: "earlier".into(), phase, at: at(0) }
}

impl Case {
    pub(super) fn decision(&self) -> Decision {
        let none = OrderStatus::default();
        let mut order = self.order.clone();
        order.status.clone_from(&self.status);
        let policy = self.policy();
        decide(&Situation {
            order: &order,
            id: ID,
            status: self.status.as_ref().unwrap_or(&none),
            reservation: self.reservation.as_ref(),
            payment: self.payment.as_ref(),
            shipment: self.shipment.as_ref(),
            quotation: self.quotation.as_ref(),
            askers: &self.askers,
            dead_letters: &self.dead_letters,
            policy: &policy,
            now: self.now,
        })
    }

    pub(super) fn decide(&self) -> Plan {
        match self.decision() {
            Decision::Act(plan) => *plan,
            Decision::Ask => panic!("the services have to be asked first"),
        }
    }

    /// Makes the effects true and writes the status.
    pub(super) fn after(mut self, plan: &Plan) -> Self {
        for effect in &plan.effects {
            match effect {
                Effect::EnsureReservation(spec) => {
                    if self.reservation.is_none() {
                        self = self.reservation(resources::ReservationPhase::Pending);
                        self.reservation.as_mut().unwrap().status = None;
                    }
                    let child = self.reservation.as_mut().unwrap();
                    if child.spec != *spec {
                        child.metadata.generation = child.metadata.generation.map(|it| it + 1);
                    }
                    child.spec = spec.clone();
                }
                Effect::EnsurePayment(spec) => {
                    if self.payment.is_none() {
                        self = self.payment(resources::PaymentPhase::Pending);
                        self.payment.as_mut().unwrap().status = None;
                    }
                    let child = self.payment.as_mut().unwrap();
                    if child.spec != *spec {
                        child.metadata.generation = child.metadata.generation.map(|it| it + 1);
                    }
                    child.spec = spec.clone();
                }
                Effect::EnsureShipment(spec) => {
                    if self.shipment.is_none() {
                        self = self.shipment(resources::ShipmentPhase::Pending);
                        self.shipment.as_mut().unwrap().status = None;
                    }
                    let child = self.shipment.as_mut().unwrap();
                    if child.spec != *spec {
                        child.metadata.generation = child.metadata.generation.map(|it| it + 1);
                    }
                    child.spec = spec.clone();
                }
                Effect::AddFinalizer | Effect::AskAgain(_) | Effect::Tell(_) | Effect::Archive => {}
            }
        }
        self.status = Some(plan.status.clone());
        self
    }

    /// Decides, acts and writes until nothing changes any more.
    pub(super) fn drive(self) -> Driven {
        let mut driven = Driven {
            case: self,
            phases: Vec::new(),
            reasons: Vec::new(),
            effects: Vec::new(),
            told: Vec::new(),
        };
        for _ in 0..10 {
            let plan = driven.case.decide();
            for transition in &plan.transitions {
                driven.phases.push(transition.data.phase);
                driven.reasons.push(transition.data.reason.clone().unwrap_or_default());
                driven.told.extend(transition.tell.clone());
            }
            driven.told.extend(plan.effects.iter().filter_map(|effect| match effect {
                Effect::Tell(tell) => Some(tell.clone()),
                Effect::AddFinalizer
                | Effect::AskAgain(_)
                | Effect::EnsureReservation(_)
                | Effect::EnsurePayment(_)
                | Effect::EnsureShipment(_)
                | Effect::Archive => None,
            }));
            driven.effects.extend(plan.effects.clone());
            let before = (driven.case.status.clone(), driven.case.specs());
            driven.case = driven.case.after(&plan);
            if before == (driven.case.status.clone(), driven.case.specs()) {
                return driven;
            }
        }
        panic!("it never comes to rest: {:?}", driven.phases);
    }

    fn specs(&self) -> (Option<StockReservationSpec>, Option<PaymentSpec>, Option<ShipmentSpec>) {
        (
            self.reservation.as_ref().map(|child| child.spec.clone()),
            self.payment.as_ref().map(|child| child.spec.clone()),
            self.shipment.as_ref().map(|child| child.spec.clone()),
        )
    }
}

/// What came of driving an order.
pub(super) struct Driven {
    pub(super) case: Case,
    /// The phases passed.
    pub(super) phases: Vec<OrderPhase>,
    /// Their reasons, empty where there is none.
    pub(super) reasons: Vec<String>,
    pub(super) effects: Vec<Effect>,
    pub(super) told: Vec<Tell>,
}

impl Driven {
    pub(super) fn status(&self) -> &OrderStatus {
        self.case.status.as_ref().unwrap()
    }

    pub(super) fn phase(&self) -> OrderPhase {
        self.status().phase.unwrap()
    }

    pub(super) fn reason(&self) -> &str {
        self.status().reason.as_deref().unwrap_or_default()
    }

    /// The reservation's spec, if it was changed.
    pub(super) fn reservation(&self) -> Option<&StockReservationSpec> {
        self.effects.iter().rev().find_map(|effect| reservation(effect))
    }

    pub(super) fn payment(&self) -> Option<&PaymentSpec> {
        self.effects.iter().rev().find_map(|effect| payment(effect))
    }

    pub(super) fn shipment(&self) -> Option<&ShipmentSpec> {
        self.effects.iter().rev().find_map(|effect| shipment(effect))
    }

    pub(super) fn wants_nothing(&self) -> bool {
        (self.reservation(), self.payment(), self.shipment()) == (None, None, None)
    }

    pub(super) fn archives(&self) -> bool {
        self.effects.contains(&Effect::Archive)
    }

    pub(super) fn condition(&self, type_: &str) -> (String, String) {
        let found = resources::find_condition(&self.status().conditions, type_).unwrap();
        (found.status.clone(), found.reason.clone())
    }
}

fn reservation(effect: &Effect) -> Option<&StockReservationSpec> {
    if let Effect::EnsureReservation(spec) = effect { Some(spec) } else { None }
}

fn payment(effect: &Effect) -> Option<&PaymentSpec> {
    if let Effect::EnsurePayment(spec) = effect { Some(spec) } else { None }
}

fn shipment(effect: &Effect) -> Option<&ShipmentSpec> {
    if let Effect::EnsureShipment(spec) = effect { Some(spec) } else { None }
}

/// The same amount as text.
pub(super) fn text(amount: Option<Money>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}
