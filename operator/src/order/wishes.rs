//! The specs of children: what the operator may want of each.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::{
    Capture, PaymentDesired, PaymentSpec, ReservationDesired, ShipmentDesired, ShipmentSpec,
    StockReservationSpec,
};

use super::draft::Draft;
use super::plan::Effect;

/// The attempt of a child that is made only to be undone: above every attempt that could be on its way.
pub(crate) const EVERY_ATTEMPT: u32 = 100_000;

impl Draft<'_> {
    pub(crate) fn hold(&self, expires_at: Option<Timestamp>) -> Effect {
        Effect::EnsureReservation(StockReservationSpec {
            order_ref: self.reference(),
            lines: self.lines().to_vec(),
            total: self.total(),
            desired: ReservationDesired::Held,
            expires_at: expires_at.map(|at| Time(at.round(jiff::Unit::Second).unwrap_or(at))),
        })
    }

    pub(crate) fn reservation_to(&self, desired: ReservationDesired) -> Effect {
        let spec = match self.situation.reservation {
            Some(child) => StockReservationSpec { desired, expires_at: None, ..child.spec.clone() },
            None => StockReservationSpec {
                order_ref: self.reference(),
                lines: self.lines().to_vec(),
                total: self.total(),
                desired,
                expires_at: None,
            },
        };
        Effect::EnsureReservation(spec)
    }

    pub(crate) fn charge(&self, method: &str, attempt: u32) -> Effect {
        let desired = match self.situation.policy.capture {
            Capture::Immediate => PaymentDesired::Captured,
            Capture::OnDispatch => PaymentDesired::Authorized,
        };
        self.charge_to(desired, method, attempt)
    }

    /// A further attempt, wanted like this.
    pub(crate) fn charge_to(&self, desired: PaymentDesired, method: &str, attempt: u32) -> Effect {
        Effect::EnsurePayment(PaymentSpec {
            order_ref: self.reference(),
            amount: self.total(),
            method: Some(method.to_owned()),
            retry: self.spec().payment.as_ref().map_or(0, |payment| payment.retry),
            attempt,
            desired,
            undo_retry: self.undo_retry(),
        })
    }

    /// How often a person has had an undo asked for again: never less than the payment knows.
    fn undo_retry(&self) -> u32 {
        let wanted = self.status.money_repair.as_ref().map_or(0, |repair| repair.undo_retry);
        wanted.max(self.situation.payment.map_or(0, |child| child.spec.undo_retry))
    }

    /// The same attempt, wanted otherwise; without a payment one that can only be undone.
    pub(crate) fn payment_to(&self, desired: PaymentDesired) -> Effect {
        let undo_retry = self.undo_retry();
        let spec = match self.situation.payment {
            Some(child) => PaymentSpec { desired, undo_retry, ..child.spec.clone() },
            None => PaymentSpec {
                order_ref: self.reference(),
                amount: self.total(),
                method: None,
                retry: 0,
                attempt: EVERY_ATTEMPT,
                desired,
                undo_retry,
            },
        };
        Effect::EnsurePayment(spec)
    }

    pub(crate) fn book(&self, attempt: u32) -> Effect {
        Effect::EnsureShipment(ShipmentSpec {
            order_ref: self.reference(),
            items: self.sold_items(),
            shipping_address: self.spec().shipping_address.clone(),
            service: self.spec().shipping_service,
            attempt,
            desired: ShipmentDesired::Delivered,
        })
    }

    pub(crate) fn cancel_label(&self) -> Effect {
        let spec = match self.situation.shipment {
            Some(child) => ShipmentSpec { desired: ShipmentDesired::Cancelled, ..child.spec.clone() },
            None => ShipmentSpec {
                order_ref: self.reference(),
                items: self.sold_items(),
                shipping_address: self.spec().shipping_address.clone(),
                service: self.spec().shipping_service,
                attempt: EVERY_ATTEMPT,
                desired: ShipmentDesired::Cancelled,
            },
        };
        Effect::EnsureShipment(spec)
    }
}
