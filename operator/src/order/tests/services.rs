//! Model services for one order: as hostile as the real ones may be, with the tombstones that they promise.

use std::collections::BTreeMap;

use jiff::Timestamp;
use resources::{
    PaymentDesired, PaymentPhase, PaymentSpec, PaymentStatus, ReservationDesired, ReservationPhase,
    ShipmentDesired, ShipmentPhase, ShipmentSpec, ShipmentStatus, StockReservationSpec,
    StockReservationStatus,
};

/// True when a command of `generation` was heard, or a newer one; notes it otherwise.
fn is_overtaken(heard: &mut Option<i64>, generation: Option<i64>) -> bool {
    if generation.is_some_and(|generation| heard.is_some_and(|heard| generation <= heard)) {
        return true;
    }
    *heard = generation.or(*heard);
    false
}

#[derive(Clone, Debug)]
pub(super) struct Inventory {
    pub(super) state: ReservationPhase,
    pub(super) expires_at: Option<Timestamp>,
    /// True while others have left enough on the shelf.
    pub(super) enough: bool,
    heard: Option<i64>,
}

impl Inventory {
    pub(super) fn new() -> Self {
        Self { state: ReservationPhase::Pending, expires_at: None, enough: true, heard: None }
    }

    pub(super) fn apply(&mut self, spec: &StockReservationSpec, generation: Option<i64>) {
        use ReservationPhase::{Committed, Expired, Held, Insufficient, Pending, Released};
        if is_overtaken(&mut self.heard, generation) {
            return;
        }
        let acquired = |phase| if self.enough { phase } else { Insufficient };
        self.state = match (self.state, spec.desired) {
            (Released, _) | (_, ReservationDesired::Released) => Released,
            (Committed, _) | (Held, ReservationDesired::Committed) => Committed,
            (Held, ReservationDesired::Held) => Held,
            (Pending | Insufficient | Expired, ReservationDesired::Held) => acquired(Held),
            (Pending | Insufficient | Expired, ReservationDesired::Committed) => acquired(Committed),
        };
        let held = (self.state, spec.desired) == (Held, ReservationDesired::Held);
        if held {
            self.expires_at = spec.expires_at.as_ref().map(|at| at.0);
        }
    }

    /// It hears that the goods have left.
    pub(super) fn shipped(&mut self) {
        if self.state == ReservationPhase::Held {
            self.state = ReservationPhase::Committed;
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        if self.state == ReservationPhase::Held && self.expires_at.is_some_and(|at| at <= now) {
            self.state = ReservationPhase::Expired;
        }
    }

    pub(super) fn status(&self) -> StockReservationStatus {
        StockReservationStatus {
            phase: Some(self.state),
            observed_generation: self.heard,
            ..StockReservationStatus::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Planned,
    /// The answer is lost; true: the money was taken.
    Unknown(bool),
    ActionRequired,
    Authorized,
    Captured,
    Declined,
    Void,
    Refunded,
}

/// Payment and its provider. Unlike the real service it begins an attempt whatever became of the earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Till {
    pub(super) attempts: BTreeMap<u32, Stage>,
    pub(super) refund_refused: bool,
    undo_retry: u32,
    undone: Option<u32>,
    wish: Option<(u32, PaymentDesired)>,
    heard: Option<i64>,
}

impl Till {
    pub(super) fn new() -> Self {
        Self {
            attempts: BTreeMap::new(),
            refund_refused: false,
            undo_retry: 0,
            undone: None,
            wish: None,
            heard: None,
        }
    }

    pub(super) fn kept(&self) -> usize {
        let kept = |stage: &&Stage| matches!(stage, Stage::Captured | Stage::Unknown(true));
        self.attempts.values().filter(kept).count()
    }

    pub(super) fn keeps_nothing(&self) -> bool {
        self.attempts.values().all(|stage| matches!(stage, Stage::Void | Stage::Refunded))
    }

    pub(super) fn apply(&mut self, spec: &PaymentSpec, generation: Option<i64>) {
        if is_overtaken(&mut self.heard, generation) {
            return;
        }
        match spec.desired {
            PaymentDesired::Cancelled | PaymentDesired::Refunded => {
                // What was refused before is granted when it is asked for anew.
                self.refund_refused &= spec.undo_retry <= self.undo_retry;
                self.undo_retry = self.undo_retry.max(spec.undo_retry);
                let newest = self.attempts.keys().next_back().copied();
                self.undone = self.undone.max(newest).max(Some(spec.attempt));
                self.wish = Some((spec.attempt, spec.desired));
            }
            PaymentDesired::Captured | PaymentDesired::Authorized => {
                let undone = self.undone.is_some_and(|undone| spec.attempt <= undone);
                let overtaken = self.attempts.keys().any(|attempt| *attempt > spec.attempt);
                if !undone && !overtaken {
                    self.wish = Some((spec.attempt, spec.desired));
                    self.attempts.entry(spec.attempt).or_insert(Stage::Planned);
                }
            }
        }
    }

    fn is_undone(&self, attempt: u32) -> bool {
        self.undone.is_some_and(|undone| attempt <= undone)
    }

    fn promises(&self) -> bool {
        self.wish.is_some_and(|(_, desired)| desired == PaymentDesired::Authorized)
    }

    /// One call to the provider for each attempt; 0 is the best answer.
    pub(super) fn work(&mut self, dice: u8) {
        let taken = if self.promises() { Stage::Authorized } else { Stage::Captured };
        let numbers: Vec<u32> = self.attempts.keys().copied().collect();
        for number in numbers {
            let undone = self.is_undone(number);
            let wanted = self.wish.is_some_and(|(attempt, _)| attempt == number);
            let before = self.attempts[&number];
            let after = match before {
                Stage::Unknown(true) => Stage::Captured,
                Stage::Unknown(false) => Stage::Declined,
                Stage::Captured if undone && dice % 8 == 7 => {
                    self.refund_refused = true;
                    Stage::Captured
                }
                Stage::Captured if undone && !self.refund_refused => Stage::Refunded,
                Stage::Planned | Stage::ActionRequired | Stage::Authorized | Stage::Declined if undone => {
                    Stage::Void
                }
                Stage::Planned => match dice % 6 {
                    1 => Stage::Declined,
                    2 => Stage::ActionRequired,
                    3 => Stage::Unknown(!self.promises()),
                    4 => Stage::Unknown(false),
                    _ => taken,
                },
                Stage::Authorized if wanted && !self.promises() => match dice % 4 {
                    1 => Stage::Declined,
                    2 => Stage::Unknown(true),
                    _ => Stage::Captured,
                },
                Stage::ActionRequired
                | Stage::Authorized
                | Stage::Captured
                | Stage::Declined
                | Stage::Void
                | Stage::Refunded => before,
            };
            self.attempts.insert(number, after);
        }
    }

    /// What customers and banks do by themselves: confirm, fail to, or pay a declined charge late.
    pub(super) fn elsewhere(&mut self, dice: u8) {
        let taken = if self.promises() { Stage::Authorized } else { Stage::Captured };
        for stage in self.attempts.values_mut() {
            *stage = match *stage {
                Stage::ActionRequired if dice.is_multiple_of(3) => Stage::Declined,
                Stage::ActionRequired => taken,
                Stage::Declined if dice % 8 == 5 => Stage::Captured,
                Stage::Planned
                | Stage::Unknown(_)
                | Stage::Authorized
                | Stage::Captured
                | Stage::Declined
                | Stage::Void
                | Stage::Refunded => *stage,
            };
        }
    }

    pub(super) fn status(&self) -> PaymentStatus {
        let (attempt, _) = self.wish.unwrap_or((0, PaymentDesired::Cancelled));
        PaymentStatus {
            phase: Some(self.phase()),
            attempt,
            observed_generation: self.heard,
            ..PaymentStatus::default()
        }
    }

    fn phase(&self) -> PaymentPhase {
        let of = |stage: Stage| match stage {
            Stage::Planned => PaymentPhase::Pending,
            Stage::Unknown(_) => PaymentPhase::Unknown,
            Stage::ActionRequired => PaymentPhase::ActionRequired,
            Stage::Authorized => PaymentPhase::Authorized,
            Stage::Captured => PaymentPhase::Captured,
            Stage::Declined | Stage::Void => PaymentPhase::Declined,
            Stage::Refunded => PaymentPhase::Refunded,
        };
        let refused = |(number, stage): (&u32, &Stage)| *stage == Stage::Captured && self.is_undone(*number);
        if self.refund_refused && self.attempts.iter().any(refused) {
            return PaymentPhase::Failed;
        }
        match self.wish {
            None => PaymentPhase::Pending,
            Some((_, PaymentDesired::Cancelled | PaymentDesired::Refunded)) => {
                let open =
                    self.attempts.values().find(|stage| !matches!(stage, Stage::Void | Stage::Refunded));
                let refunded = self.attempts.values().any(|stage| *stage == Stage::Refunded);
                match open {
                    Some(stage) => of(*stage),
                    None if refunded => PaymentPhase::Refunded,
                    None => PaymentPhase::Voided,
                }
            }
            Some((attempt, _)) => {
                self.attempts.get(&attempt).map_or(PaymentPhase::Declined, |stage| of(*stage))
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Carrier {
    pub(super) phase: Option<ShipmentPhase>,
    pub(super) parcels: u32,
    attempt: u32,
    wished: u32,
    cancelled: Option<u32>,
    heard: Option<i64>,
    answered: Option<i64>,
}

impl Carrier {
    pub(super) fn new() -> Self {
        Self { phase: None, parcels: 0, attempt: 0, wished: 0, cancelled: None, heard: None, answered: None }
    }

    fn is_cancel_wanted(&self) -> bool {
        self.wished > self.attempt || self.cancelled.is_some_and(|cancelled| self.attempt <= cancelled)
    }

    pub(super) fn has_left(&self) -> bool {
        self.phase.is_some_and(ShipmentPhase::has_left)
    }

    pub(super) fn apply(&mut self, spec: &ShipmentSpec, generation: Option<i64>) {
        if is_overtaken(&mut self.heard, generation) {
            return;
        }
        let first = self.attempt == 0;
        match spec.desired {
            ShipmentDesired::Delivered => {
                let undone = self.cancelled.is_some_and(|cancelled| spec.attempt <= cancelled);
                if spec.attempt >= self.wished && !undone {
                    self.wished = spec.attempt;
                }
            }
            ShipmentDesired::Cancelled => {
                self.cancelled = self.cancelled.max(Some(spec.attempt));
                self.wished = self.wished.max(spec.attempt);
            }
        }
        if first {
            self.attempt = self.wished;
        }
        self.settle();
    }

    /// One call to the carrier; 0 is the best answer.
    pub(super) fn work(&mut self, dice: u8) {
        if self.attempt == 0 {
            return;
        }
        match self.phase {
            None if !self.is_cancel_wanted() => {
                self.phase =
                    Some(if dice % 8 == 7 { ShipmentPhase::Rejected } else { ShipmentPhase::Booked });
            }
            Some(ShipmentPhase::Booked) if self.is_cancel_wanted() => {
                self.enter(if dice % 4 == 3 { ShipmentPhase::InTransit } else { ShipmentPhase::Cancelled });
            }
            Some(_) | None => {}
        }
        self.settle();
    }

    /// The parcel moves by itself.
    pub(super) fn travel(&mut self, dice: u8) {
        use ShipmentPhase::{Booked, Delivered, Exception, InTransit, Lost, OutForDelivery, Returned};
        match self.phase {
            Some(Booked) => self.enter(InTransit),
            Some(InTransit | OutForDelivery | Exception) => self.enter(match dice % 8 {
                1 => Exception,
                2 => OutForDelivery,
                3 => Lost,
                4 => Returned,
                _ => Delivered,
            }),
            Some(_) | None => {}
        }
        self.settle();
    }

    fn enter(&mut self, phase: ShipmentPhase) {
        if phase.has_left() && !self.has_left() {
            self.parcels += 1;
        }
        self.phase = Some(phase);
    }

    fn settle(&mut self) {
        if self.is_cancel_wanted() && !self.has_left() && self.phase != Some(ShipmentPhase::Booked) {
            if self.wished > self.attempt {
                (self.attempt, self.phase) = (self.wished, None);
            }
            if self.is_cancel_wanted() {
                self.phase = Some(ShipmentPhase::Cancelled);
            }
        }
        let undone =
            !self.is_cancel_wanted() || self.has_left() || self.phase == Some(ShipmentPhase::Cancelled);
        if self.phase.is_some() && undone {
            self.answered = self.heard;
        }
    }

    pub(super) fn status(&self) -> ShipmentStatus {
        ShipmentStatus {
            phase: self.phase.or(Some(ShipmentPhase::Pending)),
            attempt: self.attempt,
            observed_generation: self.answered,
            ..ShipmentStatus::default()
        }
    }
}
