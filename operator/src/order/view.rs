//! Children as a decision sees them: a phase counts only when it answers the present spec.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use resources::{
    Payment, PaymentPhase, PaymentSpec, ReservationPhase, Shipment, ShipmentPhase, ShipmentSpec,
    StockReservation, StockReservationSpec,
};

/// The phase last reported, if it answers the present spec.
fn answer<P>(latest: Option<P>, observed_generation: Option<i64>, metadata: &ObjectMeta) -> Option<P> {
    latest.filter(|_| observed_generation == metadata.generation)
}

/// A reservation and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservationView<'a> {
    pub(crate) spec: &'a StockReservationSpec,
    /// The answer to the present spec.
    pub(crate) answer: Option<ReservationPhase>,
    /// The last report, whichever spec it answers.
    pub(crate) latest: Option<ReservationPhase>,
    pub(crate) message: Option<&'a str>,
}

impl<'a> ReservationView<'a> {
    pub(crate) fn of(child: &'a StockReservation) -> Self {
        let status = child.status.as_ref();
        let latest = status.and_then(|status| status.phase);
        let observed = status.and_then(|status| status.observed_generation);
        Self {
            spec: &child.spec,
            answer: answer(latest, observed, &child.metadata),
            latest,
            message: status.and_then(|status| status.message.as_deref()),
        }
    }
}

/// A payment and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaymentView<'a> {
    pub(crate) spec: &'a PaymentSpec,
    /// The answer to the present spec and attempt.
    pub(crate) answer: Option<PaymentPhase>,
    pub(crate) latest: Option<PaymentPhase>,
    /// The last report, if it is of the present attempt.
    pub(crate) of_attempt: Option<PaymentPhase>,
    pub(crate) message: Option<&'a str>,
}

impl<'a> PaymentView<'a> {
    pub(crate) fn of(child: &'a Payment) -> Self {
        let status = child.status.as_ref();
        let latest = status.and_then(|status| status.phase);
        let observed = status.and_then(|status| status.observed_generation);
        Self {
            spec: &child.spec,
            answer: answer(latest, observed, &child.metadata),
            latest,
            of_attempt: status.filter(|status| status.attempt == child.spec.attempt).and(latest),
            message: status.and_then(|status| status.message.as_deref()),
        }
    }

    /// True when nothing is kept, for certain, and nothing will be.
    pub(crate) fn is_void(&self) -> bool {
        !self.is_wanted() && matches!(self.answer, Some(PaymentPhase::Voided | PaymentPhase::Refunded))
    }

    /// True when the present spec wants the money kept, or promised.
    pub(crate) fn is_wanted(&self) -> bool {
        use resources::PaymentDesired::{Authorized, Cancelled, Captured, Refunded};
        match self.spec.desired {
            Captured | Authorized => true,
            Cancelled | Refunded => false,
        }
    }
}

/// A shipment and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShipmentView<'a> {
    pub(crate) spec: &'a ShipmentSpec,
    /// The answer to the present spec.
    pub(crate) answer: Option<ShipmentPhase>,
    /// The last report, whichever spec it answers: parcels move on their own.
    pub(crate) latest: Option<ShipmentPhase>,
    pub(crate) message: Option<&'a str>,
}

impl<'a> ShipmentView<'a> {
    pub(crate) fn of(child: &'a Shipment) -> Self {
        let status = child.status.as_ref();
        let latest = status.and_then(|status| status.phase);
        let observed = status.and_then(|status| status.observed_generation);
        Self {
            spec: &child.spec,
            answer: answer(latest, observed, &child.metadata),
            latest,
            message: status.and_then(|status| status.message.as_deref()),
        }
    }

    /// True once the carrier has, or had, the goods, under whichever label.
    pub(crate) fn has_left(&self) -> bool {
        self.latest.is_some_and(ShipmentPhase::has_left)
    }

    /// True when there is no label any more, for certain, and there will be none.
    pub(crate) fn is_void(&self) -> bool {
        !self.is_wanted() && matches!(self.answer, Some(ShipmentPhase::Cancelled | ShipmentPhase::Rejected))
    }

    /// True when the present spec wants the goods to travel.
    pub(crate) fn is_wanted(&self) -> bool {
        match self.spec.desired {
            resources::ShipmentDesired::Delivered => true,
            resources::ShipmentDesired::Cancelled => false,
        }
    }
}

/// True of a child that exists at its service alone: the effect asks for it again, as no watch tells of it.
pub(crate) fn is_direct<C: kube::Resource>(child: Option<&C>) -> bool {
    child.is_some_and(|child| child.meta().uid.is_none())
}
