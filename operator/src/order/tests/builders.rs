//! Orders, children and shops as a test needs them, in few words.

use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use money::{Currency, Money};
use resources::{
    Cancel, Compensation, FINALIZER, HistoryEntry, Item, Line, Order, OrderPhase, OrderStatus, Payment,
    PaymentChoice, PaymentDesired, PaymentPhase, PaymentSpec, PaymentStatus, RepairAction,
    ReservationDesired, ReservationPhase, Shipment, ShipmentDesired, ShipmentPhase, ShipmentSpec,
    ShipmentStatus, Shop, ShopSpec, StockReservation, StockReservationSpec, StockReservationStatus,
};

use super::super::{DeadLetter, Quotation};
use super::situations::{quotation, reference};

pub(super) const ID: &str = "9f1c2d3e";

/// `seconds` after the order came into its phase.
pub(super) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    start.checked_add(seconds.seconds()).unwrap()
}

pub(super) fn euro(minor_units: i64) -> Money {
    Money::from_minor_units(minor_units, Currency::EUR)
}

/// `quantity` pieces at 10 euro each.
pub(super) fn line(sku: &str, quantity: u32) -> Line {
    let total = euro(1000 * i64::from(quantity));
    Line { sku: sku.into(), quantity, unit_price: euro(1000), total }
}

/// An order and all that a decision about it rests on.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) order: Order,
    pub(super) status: Option<OrderStatus>,
    pub(super) reservation: Option<StockReservation>,
    pub(super) payment: Option<Payment>,
    pub(super) shipment: Option<Shipment>,
    pub(super) quotation: Option<Quotation>,
    pub(super) askers: Vec<(RepairAction, String)>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) shop: ShopSpec,
    pub(super) now: Timestamp,
}

/// Two mugs, paid by card; not quoted yet, and the services answer that all is well.
pub(super) fn order() -> Case {
    let mut order: Order = serde_yaml::from_str(
        "
        metadata: {name: web-1, namespace: shop, uid: 9f1c2d3e, generation: 1}
        spec:
          customer: {email: shopper@example.com}
          items: [{sku: MUG, quantity: 2}]
          shippingAddress: {name: A. Shopper, line1: 1 High Street, city: Berlin, country: DE}
          payment: {method: pm_card_visa}
        ",
    )
    .unwrap();
    order.metadata.finalizers = Some(vec![FINALIZER.into()]);
    Case {
        order,
        status: None,
        reservation: None,
        payment: None,
        shipment: None,
        quotation: Some(quotation(vec![line("MUG", 2)])),
        askers: RepairAction::ALL.into_iter().map(|action| (action, "jane".to_owned())).collect(),
        dead_letters: Vec::new(),
        shop: ShopSpec::default(),
        now: at(0),
    }
}

/// The order as it is in `phase`, with the children that such an order has.
pub(super) fn order_in(phase: OrderPhase) -> Case {
    order().phase(phase)
}

impl Case {
    /// In `phase` since [`at`]`(0)`, come there by the usual path.
    pub(super) fn phase(mut self, phase: OrderPhase) -> Self {
        use OrderPhase::{
            AwaitingPayment, Cancelled, Compensating, Completed, Failed, Paid, Placed, Rejected, Reserved,
            Shipped, Stuck,
        };
        let path = match phase {
            Placed => vec![Placed],
            Reserved => vec![Placed, Reserved],
            AwaitingPayment => vec![Placed, Reserved, AwaitingPayment],
            Paid => vec![Placed, Reserved, Paid],
            Shipped => vec![Placed, Reserved, Paid, Shipped],
            Completed => vec![Placed, Reserved, Paid, Shipped, Completed],
            Rejected => vec![Rejected],
            Failed | Cancelled => vec![Placed, Reserved, Compensating, phase],
            Compensating => vec![Placed, Reserved, Compensating],
            Stuck => vec![Placed, Reserved, Compensating, Stuck],
        };
        let compensated = matches!(phase, Failed | Cancelled | Compensating | Stuck);
        let target = if phase == Failed { Failed } else { Cancelled };
        let reason = match phase {
            AwaitingPayment => Some("PaymentDeclined"),
            Compensating | Cancelled => Some("CancelRequested"),
            Rejected => Some("UnknownArticle"),
            Failed => Some("ShippingFailed"),
            Stuck => Some("RefundFailed"),
            Placed | Reserved | Paid | Shipped | Completed => None,
        };
        let compensation_reason = if phase == Failed { "ShippingFailed" } else { "CancelRequested" };
        let quoted = phase != Rejected;
        self.status = Some(OrderStatus {
            phase: Some(phase),
            sequence: i64::try_from(path.len()).unwrap(),
            observed_generation: self.order.metadata.generation,
            total: quoted.then(|| euro(2000)),
            lines: if quoted { vec![line("MUG", 2)] } else { Vec::new() },
            reason: reason.map(str::to_owned),
            message: Some("So it is.".into()),
            compensation: compensated
                .then(|| Compensation { target, reason: compensation_reason.to_owned() }),
            history: path
                .iter()
                .zip(1..)
                .map(|(phase, sequence)| HistoryEntry {
                    at: MicroTime(at(0)),
                    sequence,
                    phase: *phase,
                    reason: reason.filter(|_| Some(phase) == path.last()).map(str::to_owned),
                })
                .collect(),
            waiting_since: Some(MicroTime(at(0))),
            start_time: Some(Time(at(0))),
            completion_time: phase.is_finished().then(|| Time(at(0))),
            ..OrderStatus::default()
        });
        match phase {
            Placed | Rejected => self,
            Reserved => self.reservation(ReservationPhase::Held),
            AwaitingPayment => self.reservation(ReservationPhase::Held).payment(PaymentPhase::Declined),
            Paid => self.reservation(ReservationPhase::Held).payment(PaymentPhase::Captured),
            Shipped => self
                .reservation(ReservationPhase::Held)
                .payment(PaymentPhase::Captured)
                .shipment(ShipmentPhase::InTransit),
            Completed => self
                .reservation(ReservationPhase::Committed)
                .payment(PaymentPhase::Captured)
                .shipment(ShipmentPhase::Delivered),
            Compensating | Stuck => self.reservation(ReservationPhase::Held).payment(PaymentPhase::Captured),
            Failed | Cancelled => self
                .reservation(ReservationPhase::Released)
                .reservation_wanted(ReservationDesired::Released)
                .payment(PaymentPhase::Refunded)
                .payment_wanted(PaymentDesired::Refunded)
                .shipment(ShipmentPhase::Cancelled)
                .shipment_wanted(ShipmentDesired::Cancelled),
        }
    }

    /// Why it came into its phase.
    pub(super) fn because(mut self, reason: &str) -> Self {
        let status = self.status.as_mut().unwrap();
        status.reason = Some(reason.to_owned());
        status.history.last_mut().unwrap().reason = Some(reason.to_owned());
        self
    }

    pub(super) fn shop(mut self, yaml: &str) -> Self {
        self.shop = serde_yaml::from_str(yaml).unwrap();
        self
    }

    pub(super) fn at(mut self, seconds: i64) -> Self {
        self.now = at(seconds);
        self
    }

    /// The spec is edited.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut resources::OrderSpec)) -> Self {
        edit(&mut self.order.spec);
        self.order.metadata.generation = self.order.metadata.generation.map(|generation| generation + 1);
        self
    }

    pub(super) fn items(self, items: &[(&str, u32)]) -> Self {
        let item = |(sku, quantity): &(&str, u32)| Item { sku: (*sku).into(), quantity: *quantity };
        let items = items.iter().map(item).collect();
        self.edited(|spec| spec.items = items)
    }

    pub(super) fn method(self, method: Option<&str>, retry: u32) -> Self {
        let method = method.map(str::to_owned);
        self.edited(|spec| spec.payment = Some(PaymentChoice { method, retry }))
    }

    pub(super) fn suspended(self) -> Self {
        self.edited(|spec| spec.suspend = true)
    }

    pub(super) fn resumed(self) -> Self {
        self.edited(|spec| spec.suspend = false)
    }

    pub(super) fn cancelled(self) -> Self {
        self.edited(|spec| spec.cancel = Some(Cancel { reason: "customer request".into() }))
    }

    pub(super) fn deleted(self) -> Self {
        let now = self.now;
        let mut deleted = self.edited(|_| {});
        deleted.order.metadata.deletion_timestamp = Some(Time(now));
        deleted
    }

    /// A person asks for it by annotation.
    pub(super) fn asked(mut self, action: RepairAction, reason: &str) -> Self {
        let annotations = self.order.metadata.annotations.get_or_insert_default();
        annotations.insert(action.annotation().to_owned(), reason.to_owned());
        self
    }

    pub(super) fn quoted(mut self, quotation: Quotation) -> Self {
        self.quotation = Some(quotation);
        self
    }

    pub(super) fn unasked(mut self) -> Self {
        self.quotation = None;
        self
    }

    /// Inventory has answered the present spec.
    pub(super) fn reservation(mut self, phase: ReservationPhase) -> Self {
        let desired = if phase == ReservationPhase::Committed {
            ReservationDesired::Committed
        } else {
            ReservationDesired::Held
        };
        let spec = StockReservationSpec {
            order_ref: reference(),
            lines: vec![line("MUG", 2)],
            total: euro(2000),
            desired,
            expires_at: None,
        };
        let mut child = self.reservation.take().unwrap_or_else(|| {
            let mut child = StockReservation::new("web-1", spec);
            child.metadata.uid = Some("reservation".into());
            child.metadata.generation = Some(1);
            child
        });
        child.status = Some(StockReservationStatus {
            phase: Some(phase),
            observed_generation: child.metadata.generation,
            ..StockReservationStatus::default()
        });
        self.reservation = Some(child);
        self
    }

    pub(super) fn reservation_wanted(mut self, desired: ReservationDesired) -> Self {
        self.reservation.as_mut().unwrap().spec.desired = desired;
        self
    }

    /// The hold runs out then.
    pub(super) fn expiring(mut self, seconds: i64) -> Self {
        self.reservation.as_mut().unwrap().spec.expires_at = Some(Time(at(seconds)));
        self
    }

    /// Payment has answered the present spec.
    pub(super) fn payment(mut self, phase: PaymentPhase) -> Self {
        let spec = PaymentSpec {
            order_ref: reference(),
            amount: euro(2000),
            method: Some("pm_card_visa".into()),
            retry: 0,
            attempt: 1,
            desired: if phase == PaymentPhase::Authorized {
                PaymentDesired::Authorized
            } else {
                PaymentDesired::Captured
            },
            undo_retry: 0,
        };
        let mut child = self.payment.take().unwrap_or_else(|| {
            let mut child = Payment::new("web-1", spec);
            child.metadata.uid = Some("payment".into());
            child.metadata.generation = Some(1);
            child
        });
        child.status = Some(PaymentStatus {
            phase: Some(phase),
            attempt: child.spec.attempt,
            observed_generation: child.metadata.generation,
            ..PaymentStatus::default()
        });
        self.payment = Some(child);
        self
    }

    /// The payment says that so much was taken, in minor units.
    pub(super) fn captured(mut self, minor_units: i64) -> Self {
        if let Some(status) = self.payment.as_mut().and_then(|payment| payment.status.as_mut()) {
            status.captured = Some(euro(minor_units));
        }
        self
    }

    pub(super) fn payment_wanted(mut self, desired: PaymentDesired) -> Self {
        self.payment.as_mut().unwrap().spec.desired = desired;
        self
    }

    /// The payment is of that attempt.
    pub(super) fn attempt(mut self, attempt: u32) -> Self {
        let payment = self.payment.as_mut().unwrap();
        payment.spec.attempt = attempt;
        payment.status.as_mut().unwrap().attempt = attempt;
        self
    }

    /// Shipping has answered the present spec.
    pub(super) fn shipment(mut self, phase: ShipmentPhase) -> Self {
        let spec = ShipmentSpec {
            order_ref: reference(),
            items: self.order.spec.items.clone(),
            shipping_address: self.order.spec.shipping_address.clone(),
            service: self.order.spec.shipping_service,
            attempt: 1,
            desired: ShipmentDesired::Delivered,
        };
        let mut child = self.shipment.take().unwrap_or_else(|| {
            let mut child = Shipment::new("web-1", spec);
            child.metadata.uid = Some("shipment".into());
            child.metadata.generation = Some(1);
            child
        });
        child.status = Some(ShipmentStatus {
            phase: Some(phase),
            attempt: child.spec.attempt,
            observed_generation: child.metadata.generation,
            ..ShipmentStatus::default()
        });
        self.shipment = Some(child);
        self
    }

    pub(super) fn shipment_wanted(mut self, desired: ShipmentDesired) -> Self {
        self.shipment.as_mut().unwrap().spec.desired = desired;
        self
    }

    pub(super) fn policy(&self) -> crate::policy::Policy {
        crate::policy::Policy::of(Some(&Shop::new("default", self.shop.clone())))
    }
}
