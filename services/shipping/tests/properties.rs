//! Whatever happens in whatever order: a carrier that loses answers, commands that come late and twice, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use resources::ShipmentPhase::{self, Booked, Cancelled};
use shipping::carrier::{Booked as Label, Tracker};
use shipping::observe::{Asked, Observation, apply};
use shipping::parcel::{Change, Parcel, Step, next_step};
use shipping::phases::{is_end, may_follow};
use shipping::receive::receive;
use support::*;

const WAYS: [&[&str]; 5] = [
    &["pre_transit", "in_transit", "delivered"],
    &["pre_transit", "in_transit", "failure", "error"],
    &["pre_transit", "in_transit", "failure", "out_for_delivery", "failure", "in_transit", "delivered"],
    &["pre_transit", "in_transit", "return_to_sender"],
    &["pre_transit", "delivered"],
];

/// What may happen next.
#[derive(Clone, Debug)]
enum Happening {
    Deliver {
        attempt: u32,
    },
    Cancel {
        attempt: u32,
    },
    /// A command of the past is delivered again, late.
    Again {
        index: usize,
    },
    /// The worker takes a step; what becomes of the call, and whether its result is stored.
    Work {
        call: Call,
        stored: bool,
    },
    /// The parcels at the carrier move on.
    Move,
    Wait {
        seconds: i64,
    },
    Hint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Answered,
    /// Executed, and the answer is lost.
    Lost,
    /// Not executed yet: it is some seconds later, when nobody waits for it any more.
    Late {
        seconds: i64,
    },
    /// The carrier answers with an error, having executed it or not.
    Failed {
        executed: bool,
    },
    Refused,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::Answered),
        2 => Just(Call::Lost),
        2 => (1..20_i64).prop_map(|seconds| Call::Late { seconds }),
        2 => any::<bool>().prop_map(|executed| Call::Failed { executed }),
        1 => Just(Call::Refused),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (1..4_u32).prop_map(|attempt| Happening::Deliver { attempt }),
        2 => (0..4_u32).prop_map(|attempt| Happening::Cancel { attempt }),
        2 => (0..20_usize).prop_map(|index| Happening::Again { index }),
        10 => (call(), prop::bool::weighted(0.8)).prop_map(|(call, stored)| Happening::Work { call, stored }),
        3 => Just(Happening::Move),
        4 => (1..40_i64).prop_map(|seconds| Happening::Wait { seconds }),
        1 => Just(Happening::Hint),
    ]
}

/// A shipment in the carrier's books.
#[derive(Clone, Debug)]
struct Shipment {
    reference: String,
    id: String,
    /// How many steps of its way it has taken.
    taken: usize,
    void: bool,
}

/// The carrier, and shipping beside it.
struct World {
    way: &'static [&'static str],
    now: i64,
    books: Vec<Shipment>,
    late: Vec<(i64, String)>,
    commands: Vec<events::Command<resources::ShipmentSpec>>,
    parcel: Option<Parcel>,
    changes: Vec<Change>,
    refused: BTreeSet<String>,
}

impl World {
    fn book(&mut self, reference: &str) -> Observation {
        if self.refused.contains(reference) {
            return Observation::BookingRefused { reason: "No".into(), message: "No.".into() };
        }
        if !self.books.iter().any(|shipment| shipment.reference == reference) {
            let id = format!("shp_{}", self.books.len());
            self.books.push(Shipment { reference: reference.to_owned(), id, taken: 1, void: false });
        }
        // The idempotency key gives the first answer again, however old it is by now.
        let first = self.books.iter().find(|shipment| shipment.reference == reference).unwrap();
        let tracker = tracker(&self.way[..1]);
        Observation::Booked(Label { shipment_id: first.id.clone(), tracker })
    }

    fn live(&self, reference: &str) -> Option<&Shipment> {
        self.books.iter().find(|shipment| shipment.reference == reference && !shipment.void)
    }

    fn find(&self, reference: &str) -> Option<Label> {
        let any = self.books.iter().rfind(|shipment| shipment.reference == reference);
        let shipment = self.live(reference).or(any)?;
        Some(Label { shipment_id: shipment.id.clone(), tracker: self.tracker(shipment) })
    }

    fn tracker(&self, shipment: &Shipment) -> Tracker {
        let mut tracker = tracker(&self.way[..shipment.taken]);
        if shipment.void {
            tracker.details.push(detail("cancelled", 100));
        }
        tracker
    }

    fn cancel(&mut self, id: &str) -> Observation {
        let shipment = self.books.iter_mut().find(|shipment| shipment.id == id).unwrap();
        if shipment.taken == 1 {
            shipment.void = true;
            return Observation::Voided;
        }
        let shipment = shipment.clone();
        Observation::CancelRefused { message: "picked up".into(), tracker: Some(self.tracker(&shipment)) }
    }

    fn command(&mut self, command: events::Command<resources::ShipmentSpec>) {
        let reception = receive(self.parcel.take(), &command, at(self.now));
        self.parcel = Some(reception.parcel);
        self.changes.extend(reception.changes);
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        let due: Vec<String> =
            self.late.iter().filter(|(at, _)| *at <= self.now).map(|(_, r)| r.clone()).collect();
        self.late.retain(|(at, _)| *at > self.now);
        for reference in due {
            self.book(&reference);
        }
    }

    fn work(&mut self, call: Call, stored: bool) {
        let Some(mut parcel) = self.parcel.clone() else { return };
        let step = next_step(&parcel, at(self.now));
        let began = self.now;
        let reference = parcel.reference();
        let observation = match step {
            Step::Nothing | Step::WaitUntil(_) => return,
            Step::Book => {
                parcel.begin_booking(at(began), &POLICY);
                self.parcel = Some(parcel.clone());
                match call {
                    Call::Answered => self.book(&reference),
                    Call::Refused => {
                        if self.live(&reference).is_none() {
                            // The idempotency key keeps the refusal.
                            self.refused.insert(reference.clone());
                        }
                        self.book(&reference)
                    }
                    Call::Failed { executed } => {
                        if executed {
                            self.book(&reference);
                        }
                        Observation::BookingFailed { ended: true }
                    }
                    Call::Lost => {
                        self.book(&reference);
                        Observation::BookingFailed { ended: false }
                    }
                    Call::Late { seconds } => {
                        self.late.push((began + seconds, reference));
                        Observation::BookingFailed { ended: false }
                    }
                }
            }
            Step::LookUp | Step::Track | Step::Cancel if call != Call::Answered && call != Call::Lost => {
                return;
            }
            Step::LookUp => self.find(&reference).map_or(Observation::NotFound, Observation::Booked),
            Step::Track => Observation::Tracked(self.find(&reference).unwrap().tracker),
            Step::Cancel => self.cancel(&parcel.booking.label.clone().unwrap().shipment_id),
        };
        if !stored || (step != Step::Book && call == Call::Lost) {
            return;
        }
        let known = self.parcel.clone().unwrap();
        let asked = Asked { attempt: parcel.attempt, at: at(began) };
        let advance = apply(&known, asked, &observation, &POLICY, at(self.now));
        self.parcel = Some(advance.parcel);
        self.changes.extend(advance.changes);
    }

    fn happen(&mut self, happening: &Happening) {
        let generation = i64::try_from(self.commands.len()).unwrap() + 1;
        match happening {
            Happening::Deliver { attempt } => {
                self.commands.push(deliver(*attempt, generation));
                self.command(deliver(*attempt, generation));
            }
            Happening::Cancel { attempt } => {
                self.commands.push(cancel(*attempt, generation));
                self.command(cancel(*attempt, generation));
            }
            Happening::Again { index } => {
                if let Some(command) = self.commands.get(*index).cloned() {
                    self.command(command);
                }
            }
            Happening::Work { call, stored } => self.work(*call, *stored),
            Happening::Move => {
                let length = self.way.len();
                for shipment in self.books.iter_mut().filter(|shipment| !shipment.void) {
                    shipment.taken = (shipment.taken + 1).min(length);
                }
            }
            Happening::Wait { seconds } => self.wait(*seconds),
            Happening::Hint => {
                if let Some(parcel) = &mut self.parcel {
                    parcel.track_at = Some(at(self.now));
                }
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for pair in self.changes.windows(2) {
            prop_assert!(pair[0].revision < pair[1].revision, "revisions rise: {:?}", self.changes);
            if pair[0].attempt == pair[1].attempt {
                prop_assert!(may_follow(Some(pair[0].phase), pair[1].phase), "{:?}", self.changes);
            } else {
                prop_assert!(pair[0].attempt < pair[1].attempt, "attempts rise: {:?}", self.changes);
            }
        }
        for attempt in 1..5 {
            let reference = if attempt <= 1 { "order-1".to_owned() } else { format!("order-1/{attempt}") };
            let count = |phase: ShipmentPhase| {
                self.changes
                    .iter()
                    .filter(|change| change.attempt == attempt && change.phase == phase)
                    .count()
            };
            prop_assert!(count(Booked) <= 1 && count(Cancelled) <= 1, "{:?}", self.changes);
            let shipments = self.books.iter().filter(|shipment| shipment.reference == reference).count();
            prop_assert!(shipments <= 1, "one booking an attempt: {:?}", self.books);
            if count(Cancelled) > 0 {
                prop_assert!(
                    self.live(&reference).is_none(),
                    "cancelled, with a live label: {:?}",
                    self.books
                );
                // A late call is nothing new where the idempotency key has its answer.
                let is_new = shipments == 0 && !self.refused.contains(&reference);
                let late = self.late.iter().any(|(_, late)| *late == reference);
                prop_assert!(!(is_new && late), "cancelled, and booked later");
            }
        }
        let Some(parcel) = &self.parcel else { return Ok(()) };
        let status = parcel.status();
        if status.observed_generation == Some(parcel.generation) {
            let cancelled = parcel.cancelled_attempt.is_some_and(|cancelled| parcel.attempt <= cancelled);
            prop_assert!(
                !cancelled || parcel.cancel_refused || parcel.phase == Some(Cancelled),
                "{parcel:?}"
            );
        }
        prop_assert!(status.revision >= self.changes.last().map_or(0, |change| change.revision));
        let on_their_way = self.books.iter().filter(|shipment| !shipment.void && shipment.taken > 1).count();
        let ends = [ShipmentPhase::Lost, ShipmentPhase::Returned];
        let replaced = self.changes.iter().filter(|change| ends.contains(&change.phase)).count();
        prop_assert!(
            on_their_way <= 1 + replaced,
            "goods are sent twice only after they were lost: {:?}",
            self.books
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn phases_go_on_one_label_an_attempt_and_cancelled_means_no_label(
        way in 0..WAYS.len(),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World {
            way: WAYS[way], now: 0, books: Vec::new(), late: Vec::new(), commands: Vec::new(), parcel: None,
            changes: Vec::new(), refused: BTreeSet::new(),
        };
        for happening in &happenings {
            world.happen(happening);
            world.check()?;
        }
        // Once all is well again, everything comes to its answer.
        for _ in 0..40 {
            world.work(Call::Answered, true);
            world.happen(&Happening::Move);
            world.wait(31);
            world.check()?;
        }
        if let Some(parcel) = &world.parcel {
            prop_assert!(parcel.is_answered(), "{parcel:?}");
            prop_assert!(parcel.phase.is_some_and(|phase| is_end(phase) || phase == ShipmentPhase::Rejected));
            prop_assert_eq!(next_step(parcel, at(world.now)), Step::Nothing);
        }
    }

    #[test]
    fn trackers_in_any_order_and_repeated_come_to_the_same_end(
        way in 0..WAYS.len(),
        seen in prop::collection::vec(1..8_usize, 0..12),
    ) {
        let way = WAYS[way];
        let mut parcel = after(&[deliver(1, 1)]);
        parcel.begin_booking(at(0), &POLICY);
        let mut parcel = observed(&parcel, &booked(&["pre_transit"]), 0).parcel;
        let mut changes: Vec<Change> = Vec::new();
        for (taken, second) in seen.into_iter().chain([way.len()]).zip(1..) {
            let advance = observed(&parcel, &Observation::Tracked(tracker(&way[..taken.min(way.len())])), second);
            changes.extend(advance.changes);
            parcel = advance.parcel;
        }
        let whole = observed(&after(&[deliver(1, 1)]), &booked(way), 0);
        prop_assert_eq!(parcel.phase, whole.parcel.phase);
        let passed = |changes: &[Change]| changes.iter().map(|change| change.phase).collect::<Vec<_>>();
        prop_assert_eq!(passed(&changes), &passed(&whole.changes)[1..]);
        prop_assert_eq!(parcel.details.len(), way.len());
    }
}
