//! A small world for one order: an API server, two leaders with caches and memories of their own, and model services.

use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::{
    Cancel, Order, OrderPhase, OrderStatus, Payment, PaymentChoice, PaymentStatus, RepairAction,
    ReservationPhase, Shipment, ShipmentStatus, StockReservation, StockReservationStatus,
};

use super::super::memory::Recollection;
use super::super::{Decision, Effect, Plan, Situation, Urgency, decide};
use super::builders::{Case, ID, line, order};
use super::services::{Carrier, Inventory, Till};
use super::situations::quotation;
use crate::child::Child;
use crate::policy::Policy;

/// The resources, at the server or in a cache.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) order: Order,
    pub(super) reservation: Option<StockReservation>,
    pub(super) payment: Option<Payment>,
    pub(super) shipment: Option<Shipment>,
}

/// One that drives the order, or believes so.
#[derive(Clone)]
pub(super) struct Leader {
    pub(super) cache: Objects,
    memory: Recollection,
    heard: Heard,
}

/// What a leader was told ahead of the resources: the children as they will be once the reports are written.
#[derive(Clone, Default)]
struct Heard {
    reservation: Option<StockReservation>,
    payment: Option<Payment>,
    shipment: Option<Shipment>,
}

pub(super) struct World {
    pub(super) server: Objects,
    pub(super) leaders: [Leader; 2],
    pub(super) inventory: Inventory,
    pub(super) till: Till,
    pub(super) carrier: Carrier,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    pub(super) terminating: bool,
    pub(super) archived: bool,
    sent: Vec<Wish>,
    version: i64,
}

/// A command on its way.
#[derive(Clone)]
enum Wish {
    Goods(StockReservation),
    Money(Payment),
    Parcel(Shipment),
}

/// How far a leader comes with what it has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Luck {
    /// To the end; what may wait to be written waits.
    Lazy,
    /// To the end, and what may wait is written.
    Prompt,
    /// It dies before it writes.
    Dies,
}

struct Conflict;

impl World {
    pub(super) fn new(shop: &str) -> Self {
        let Case { order, shop, now, .. } = order().shop(shop);
        let server = Objects { order, reservation: None, payment: None, shipment: None };
        let leader =
            Leader { cache: server.clone(), memory: Recollection::default(), heard: Heard::default() };
        let mut world = Self {
            server,
            leaders: [leader.clone(), leader],
            inventory: Inventory::new(),
            till: Till::new(),
            carrier: Carrier::new(),
            policy: Policy::of(Some(&resources::Shop::new("default", shop))),
            now,
            terminating: false,
            archived: false,
            sent: Vec::new(),
            version: 0,
        };
        world.touch();
        world
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn touch(&mut self) {
        self.server.order.metadata.resource_version = Some(self.next_version());
    }

    pub(super) fn phase(&self) -> Option<OrderPhase> {
        self.server.order.status.as_ref().and_then(|status| status.phase)
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).unwrap();
        self.inventory.expire(self.now);
    }

    /// The customer, or whoever runs the shop, edits the order.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Order)) {
        if self.archived {
            return;
        }
        edit(&mut self.server.order);
        let generation = &mut self.server.order.metadata.generation;
        *generation = generation.map(|generation| generation + 1);
        self.touch();
    }

    pub(super) fn cancel(&mut self) {
        self.edit(|order| order.spec.cancel = Some(Cancel { reason: "customer request".into() }));
    }

    /// A person asks for a repair; annotations change no generation.
    pub(super) fn ask(&mut self, action: RepairAction, reason: &str) {
        if !self.archived {
            let annotations = self.server.order.metadata.annotations.get_or_insert_default();
            annotations.insert(action.annotation().to_owned(), reason.to_owned());
            self.touch();
        }
    }

    pub(super) fn delete(&mut self) {
        if self.server.order.metadata.deletion_timestamp.is_none() {
            let now = Time(self.now);
            self.edit(|order| order.metadata.deletion_timestamp = Some(now));
        }
    }

    /// The namespace goes: the order is deleted, its children are gone, and none can be made.
    pub(super) fn terminate(&mut self) {
        self.delete();
        self.terminating = true;
        (self.server.reservation, self.server.payment, self.server.shipment) = (None, None, None);
    }

    pub(super) fn pay_with(&mut self, method: &str, retry: u32) {
        if matches!(self.phase(), None | Some(OrderPhase::Placed | OrderPhase::AwaitingPayment)) {
            let choice = PaymentChoice { method: Some(method.to_owned()), retry };
            self.edit(|order| order.spec.payment = Some(choice));
        }
    }

    /// A leader's caches see what `what` says: bit by bit order, reservation, payment, shipment.
    pub(super) fn see(&mut self, leader: usize, what: u8) {
        let cache = &mut self.leaders[leader].cache;
        let server = &self.server;
        if what & 1 != 0 {
            cache.order.clone_from(&server.order);
        }
        if what & 2 != 0 {
            cache.reservation.clone_from(&server.reservation);
        }
        if what & 4 != 0 {
            cache.payment.clone_from(&server.payment);
        }
        if what & 8 != 0 {
            cache.shipment.clone_from(&server.shipment);
        }
    }

    /// A leader loses its memory and reads everything anew.
    pub(super) fn restart(&mut self, leader: usize) {
        self.leaders[leader].memory = Recollection::default();
        self.leaders[leader].heard = Heard::default();
        self.see(leader, 15);
    }

    /// A leader is told what services will report, by the bits of `what`.
    pub(super) fn hear(&mut self, leader: usize, what: u8) {
        self.version += 1;
        let (revision, heard) = (self.version, &mut self.leaders[leader].heard);
        if what & 1 != 0 && self.inventory.state != ReservationPhase::Pending {
            let report = StockReservationStatus { revision, ..self.inventory.status() };
            heard.reservation = self.server.reservation.as_ref().map(|child| child.with_report(report));
        }
        if what & 2 != 0 {
            let report = PaymentStatus { revision, ..self.till.status() };
            heard.payment = self.server.payment.as_ref().map(|child| child.with_report(report));
        }
        if what & 4 != 0 {
            let report = ShipmentStatus { revision, ..self.carrier.status() };
            heard.shipment = self.server.shipment.as_ref().map(|child| child.with_report(report));
        }
    }

    pub(super) fn plan(&self, leader: usize) -> Option<Plan> {
        let Leader { cache, memory, heard } = &self.leaders[leader];
        let own_write = memory.replaced.is_some() && memory.replaced == cache.order.metadata.resource_version;
        if own_write || self.archived {
            return None;
        }
        let status = memory.newest(cache.order.status.as_ref());
        let direct = &memory.direct;
        let reservation = newest(cache.reservation.as_ref(), heard.reservation.as_ref());
        let payment = newest(cache.payment.as_ref(), heard.payment.as_ref());
        let shipment = newest(cache.shipment.as_ref(), heard.shipment.as_ref());
        let answers = quotation(vec![line("MUG", 2)]);
        let situation = Situation {
            order: &cache.order,
            id: ID,
            status: &status,
            reservation: reservation.as_ref().or(direct.reservation.as_ref()),
            payment: payment.as_ref().or(direct.payment.as_ref()),
            shipment: shipment.as_ref().or(direct.shipment.as_ref()),
            quotation: Some(&answers),
            askers: &[],
            dead_letters: &[],
            policy: &self.policy,
            now: self.now,
        };
        match decide(&situation) {
            Decision::Act(plan) => Some(*plan),
            Decision::Ask => panic!("it has the answers and asks"),
        }
    }

    /// A leader decides, acts and writes, as far as its luck goes. The plan, if it got so far.
    pub(super) fn reconcile(&mut self, leader: usize, luck: Luck) -> Option<Plan> {
        let plan = self.plan(leader)?;
        if plan.ends_without_goods() && !self.is_current(leader) {
            // As the edge does: it reads the children before an order ends, and decides again when it was behind.
            return None;
        }
        let performed = plan.effects.iter().try_for_each(|effect| self.perform(leader, effect));
        if performed.is_err() || self.archived {
            return None;
        }
        if luck == Luck::Dies {
            self.restart(leader);
            return Some(plan);
        }
        self.leaders[leader].memory.status = Some(plan.status.clone());
        let write = match plan.urgency {
            Urgency::Unchanged => false,
            Urgency::Cosmetic | Urgency::Soon => luck == Luck::Prompt,
            Urgency::Now => true,
        };
        let version = self.leaders[leader].cache.order.metadata.resource_version.clone();
        if write && version == self.server.order.metadata.resource_version {
            super::properties::check_write(self, &plan.status);
            self.server.order.status = Some(plan.status.clone());
            self.touch();
            self.leaders[leader].memory.replaced = version;
        }
        Some(plan)
    }

    fn is_current(&self, leader: usize) -> bool {
        let (cache, server) = (&self.leaders[leader].cache, &self.server);
        cache.reservation == server.reservation
            && cache.payment == server.payment
            && cache.shipment == server.shipment
    }

    fn perform(&mut self, leader: usize, effect: &Effect) -> Result<(), Conflict> {
        let version = self.next_version();
        let Self { server, leaders, inventory, till, carrier, terminating, .. } = self;
        let Leader { cache, memory, .. } = &mut leaders[leader];
        match effect {
            Effect::EnsureReservation(spec) => {
                if ensure(&mut server.reservation, cache.reservation.as_ref(), spec, *terminating, version)? {
                    inventory.apply(spec, None);
                    let child = StockReservation::new("web-1", spec.clone()).with_status(inventory.status());
                    memory.direct.reservation = Some(child);
                }
            }
            Effect::EnsurePayment(spec) => {
                if ensure(&mut server.payment, cache.payment.as_ref(), spec, *terminating, version)? {
                    till.apply(spec, None);
                    memory.direct.payment =
                        Some(Payment::new("web-1", spec.clone()).with_status(till.status()));
                }
            }
            Effect::EnsureShipment(spec) => {
                if ensure(&mut server.shipment, cache.shipment.as_ref(), spec, *terminating, version)? {
                    carrier.apply(spec, None);
                    let child = Shipment::new("web-1", spec.clone()).with_status(carrier.status());
                    memory.direct.shipment = Some(child);
                }
            }
            Effect::Archive => {
                if cache.order.metadata.resource_version != server.order.metadata.resource_version {
                    return Err(Conflict);
                }
                self.archived = true;
            }
            Effect::AddFinalizer | Effect::AskAgain(_) | Effect::Tell(_) => {}
        }
        Ok(())
    }

    /// The wishes of all children are sent, as a leader's caches have them.
    pub(super) fn command(&mut self, leader: usize) {
        let cache = &self.leaders[leader].cache;
        self.sent.extend(cache.reservation.clone().filter(|child| !child.is_answered()).map(Wish::Goods));
        self.sent.extend(cache.payment.clone().filter(|child| !child.is_answered()).map(Wish::Money));
        self.sent.extend(cache.shipment.clone().filter(|child| !child.is_answered()).map(Wish::Parcel));
    }

    /// Any command that was ever sent arrives, maybe not for the first time.
    pub(super) fn deliver(&mut self, dice: u8) {
        if self.sent.is_empty() {
            return;
        }
        let chosen = self.sent.len() - 1 - usize::from(dice) % self.sent.len().min(8);
        match self.sent[chosen].clone() {
            Wish::Goods(child) => self.inventory.apply(&child.spec, child.metadata.generation),
            Wish::Money(child) => self.till.apply(&child.spec, child.metadata.generation),
            Wish::Parcel(child) => self.carrier.apply(&child.spec, child.metadata.generation),
        }
    }

    /// Inventory hears of `order.shipped`.
    pub(super) fn hear_of_dispatch(&mut self) {
        if matches!(self.phase(), Some(OrderPhase::Shipped)) {
            self.inventory.shipped();
        }
    }

    /// Services report to the resources, by the bits of `what`.
    pub(super) fn report(&mut self, what: u8) {
        let versions = [self.next_version(), self.next_version(), self.next_version()];
        let [first, second, third] = versions.map(Some);
        let revision = self.version;
        if let Some(child) = self.server.reservation.as_mut().filter(|_| what & 1 != 0)
            && self.inventory.state != ReservationPhase::Pending
        {
            child.status = Some(StockReservationStatus { revision, ..self.inventory.status() });
            child.metadata.resource_version = first;
        }
        if let Some(child) = self.server.payment.as_mut().filter(|_| what & 2 != 0) {
            child.status = Some(PaymentStatus { revision, ..self.till.status() });
            child.metadata.resource_version = second;
        }
        if let Some(child) = self.server.shipment.as_mut().filter(|_| what & 4 != 0) {
            child.status = Some(ShipmentStatus { revision, ..self.carrier.status() });
            child.metadata.resource_version = third;
        }
    }

    pub(super) fn written(&self) -> OrderStatus {
        self.server.order.status.clone().unwrap_or_default()
    }
}

/// The child as a cache shows it, with what was heard of it where that is newer.
fn newest<C: Child>(cached: Option<&C>, heard: Option<&C>) -> Option<C> {
    let cached = cached?;
    let heard = heard.filter(|heard| heard.meta().uid == cached.meta().uid).and_then(Child::status);
    let shown = cached.status().map(C::report_number);
    let newer = heard.filter(|report| shown < Some(C::report_number(report)));
    Some(newer.map_or_else(|| cached.clone(), |report| cached.with_report(report.clone())))
}

/// As the operator ensures a child: by compare-and-swap on what it has seen. True when the service is to be asked itself.
fn ensure<C: Child>(
    server: &mut Option<C>,
    seen: Option<&C>,
    spec: &C::Spec,
    terminating: bool,
    version: String,
) -> Result<bool, Conflict> {
    let made = match (seen, server.as_ref()) {
        (Some(seen), _) if seen.spec() == spec => return Ok(false),
        (Some(seen), Some(present)) if seen.meta().resource_version == present.meta().resource_version => {
            let mut changed = present.with_spec(spec.clone());
            changed.meta_mut().generation = present.meta().generation.map(|generation| generation + 1);
            changed
        }
        (Some(_), _) => return Err(Conflict),
        (None, Some(_)) => return Ok(false),
        (None, None) if terminating => return Ok(true),
        (None, None) => {
            let mut child = C::new("web-1", spec.clone());
            child.meta_mut().uid = Some(format!("uid-{version}"));
            child.meta_mut().generation = Some(1);
            child
        }
    };
    let made = server.insert(made);
    made.meta_mut().resource_version = Some(version);
    Ok(false)
}
