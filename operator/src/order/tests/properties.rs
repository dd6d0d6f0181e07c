//! Whatever happens in whatever order: no order is paid twice, none that ended without goods keeps money or goods, and
//! each comes to an end or says what it waits for.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use resources::OrderPhase::{self, *};
use resources::{OrderStatus, RepairAction, ReservationPhase, Settled, ShipmentPhase};

use super::world::{Luck, World};

#[derive(Clone, Copy, Debug)]
enum Happening {
    See(usize, u8),
    Hear(usize, u8),
    Reconcile(usize, Luck),
    /// All that there is to see, do, send and answer, once.
    Round(u8),
    Restart(usize),
    Command(usize),
    Deliver(u8),
    Work(u8, u8),
    Report(u8),
    Elsewhere(u8),
    Travel(u8),
    Pass(i64),
    Dispatched,
    SoldOut(bool),
    Cancel,
    Delete,
    Terminate,
    PayWith(u8),
    Suspend(bool),
    /// A person asks for a repair; the number makes the value another.
    Repair(usize, u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    let leader = || prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)];
    let luck = prop_oneof![6 => Just(Luck::Prompt), 3 => Just(Luck::Lazy), 1 => Just(Luck::Dies)];
    prop_oneof![
        20 => (leader(), prop_oneof![3 => Just(15_u8), 1 => any::<u8>()]).prop_map(|(it, what)| Happening::See(it, what)),
        14 => (leader(), prop_oneof![3 => Just(7_u8), 1 => any::<u8>()]).prop_map(|(it, what)| Happening::Hear(it, what)),
        24 => (leader(), luck).prop_map(|(it, luck)| Happening::Reconcile(it, luck)),
        30 => any::<u8>().prop_map(Happening::Round),
        1 => leader().prop_map(Happening::Restart),
        12 => leader().prop_map(Happening::Command),
        14 => prop_oneof![3 => 0..3_u8, 1 => any::<u8>()].prop_map(Happening::Deliver),
        14 => (any::<u8>(), any::<u8>()).prop_map(|(who, dice)| Happening::Work(who, dice)),
        14 => prop_oneof![2 => Just(7_u8), 1 => any::<u8>()].prop_map(Happening::Report),
        2 => any::<u8>().prop_map(Happening::Elsewhere),
        2 => any::<u8>().prop_map(Happening::Travel),
        3 => prop_oneof![1..30_i64, 60..700_i64, Just(90_000_i64)].prop_map(Happening::Pass),
        1 => Just(Happening::Dispatched),
        2 => any::<bool>().prop_map(Happening::SoldOut),
        1 => Just(Happening::Cancel),
        1 => prop_oneof![3 => Just(Happening::Delete), 1 => Just(Happening::Terminate)],
        8 => any::<u8>().prop_map(Happening::PayWith),
        2 => any::<bool>().prop_map(Happening::Suspend),
        4 => (0..4_usize, 0..3_u8).prop_map(|(action, number)| Happening::Repair(action, number)),
    ]
}

fn happen(world: &mut World, happening: Happening) {
    match happening {
        Happening::See(leader, what) => world.see(leader, what),
        Happening::Hear(leader, what) => world.hear(leader, what),
        Happening::Reconcile(leader, luck) => {
            let before = (luck == Luck::Dies).then(|| world.restart(leader));
            let plan = world.reconcile(leader, luck);
            if let (Some(()), Some(plan)) = (before, plan) {
                check_made_again(world, leader, &plan);
            }
        }
        Happening::Round(dice) => round(world, dice),
        Happening::Restart(leader) => world.restart(leader),
        Happening::Command(leader) => world.command(leader),
        Happening::Deliver(dice) => world.deliver(dice),
        Happening::Work(who, dice) => match who % 2 {
            0 => world.till.work(dice),
            _ => world.carrier.work(dice),
        },
        Happening::Report(what) => world.report(what),
        Happening::Elsewhere(dice) => world.till.elsewhere(dice),
        Happening::Travel(dice) => world.carrier.travel(dice),
        Happening::Pass(seconds) => world.pass(seconds),
        Happening::Dispatched => world.hear_of_dispatch(),
        Happening::SoldOut(sold_out) => world.inventory.enough = !sold_out,
        Happening::Cancel => world.cancel(),
        Happening::Delete => world.delete(),
        Happening::Terminate => world.terminate(),
        Happening::PayWith(dice) => {
            world.pay_with(
                if dice.is_multiple_of(2) { "pm_card_visa" } else { "pm_other" },
                u32::from(dice / 2),
            );
        }
        Happening::Repair(action, number) => world.ask(RepairAction::ALL[action], &format!("try {number}")),
        Happening::Suspend(suspend) => {
            if world.server.order.spec.suspend != suspend {
                world.edit(|order| order.spec.suspend = suspend);
            }
        }
    }
}

/// A decision that was lost with its leader is made again the same, if nothing else has happened.
fn check_made_again(world: &World, leader: usize, lost: &super::super::Plan) {
    let Some(again) = world.plan(leader) else { return };
    let names = |plan: &super::super::Plan| {
        plan.transitions.iter().map(|it| (it.data.sequence, it.data.phase)).collect::<Vec<_>>()
    };
    assert_eq!(names(lost), names(&again), "a lost decision was made otherwise");
}

/// The edges of the table.
fn may_follow(before: Option<OrderPhase>, after: OrderPhase) -> bool {
    match before {
        None => matches!(after, Placed | Rejected | Compensating),
        Some(Placed) => matches!(after, Reserved | Failed | Compensating | Stuck),
        Some(Reserved) => matches!(after, Paid | AwaitingPayment | Compensating | Stuck),
        Some(AwaitingPayment) => matches!(after, AwaitingPayment | Reserved | Paid | Compensating | Stuck),
        Some(Paid) => matches!(after, AwaitingPayment | Shipped | Compensating | Stuck),
        Some(Shipped) => matches!(after, Completed | Compensating | Stuck),
        Some(Compensating) => matches!(after, Failed | Cancelled | Shipped | Stuck),
        Some(Stuck) => !matches!(after, Rejected | Stuck),
        Some(Completed | Rejected | Failed | Cancelled) => false,
    }
}

/// What every written status keeps to.
pub(super) fn check_write(world: &World, next: &OrderStatus) {
    let before = world.written();
    assert!(next.sequence >= before.sequence, "the sequence falls");
    let mut last = before.history.last().map(|entry| (entry.sequence, entry.phase));
    if let Some((sequence, phase)) = last {
        let kept = next.history.iter().find(|entry| entry.sequence == sequence);
        assert!(kept.is_none_or(|entry| entry.phase == phase), "the history is told otherwise: {phase}");
    }
    for entry in next.history.iter().filter(|entry| entry.sequence > before.sequence) {
        let (sequence, phase) = last.unzip();
        assert_eq!(entry.sequence, sequence.unwrap_or(0) + 1, "a number is left out");
        assert!(may_follow(phase, entry.phase), "{phase:?} is followed by {}", entry.phase);
        last = Some((entry.sequence, entry.phase));
    }
    assert_eq!(next.phase, last.map(|(_, phase)| phase));
    if before.phase == Some(Compensating) && next.phase.is_some_and(OrderPhase::is_finished) {
        check_end(world, next);
    }
}

/// What holds of an order that has ended.
fn check_end(world: &World, status: &OrderStatus) {
    let World { inventory, till, carrier, .. } = world;
    let settled = |what| status.settled_by_hand.contains(&what);
    let given_back = status.money_repair.as_ref().is_some_and(|repair| repair.refund);
    match status.phase {
        Some(Completed) => {
            if given_back {
                assert!(till.keeps_nothing() || till.refund_refused, "not given back: {till:?}");
            } else if !settled(Settled::Money) {
                assert_eq!(till.kept(), 1, "completed and not paid");
            }
            assert_eq!(inventory.state, ReservationPhase::Committed, "completed and not booked out");
            assert!(carrier.has_left(), "completed and not sent");
        }
        Some(Rejected | Failed | Cancelled) => {
            assert!(till.keeps_nothing() || settled(Settled::Money), "money is kept: {till:?}");
            assert_ne!(inventory.state, ReservationPhase::Held, "goods are kept");
            let lost = carrier.phase == Some(ShipmentPhase::Lost);
            assert!(lost || inventory.state != ReservationPhase::Committed, "goods are gone");
            let gone = carrier.phase.is_some_and(|phase| {
                matches!(phase, ShipmentPhase::Booked | ShipmentPhase::InTransit | ShipmentPhase::Delivered)
            });
            assert!(!gone || settled(Settled::Parcel), "the goods travel unpaid: {carrier:?}");
            // Without its resource, a parcel that was refused is cancelled like any other.
            let failed = world.terminating
                || carrier.phase.is_some_and(|phase| {
                    matches!(phase, ShipmentPhase::Rejected | ShipmentPhase::Lost | ShipmentPhase::Returned)
                });
            assert!(
                failed || status.reason.as_deref() != Some("ShippingFailed"),
                "no parcel failed: {carrier:?}"
            );
        }
        Some(Stuck) => {
            let reason = status.reason.as_deref().unwrap_or_default();
            let overdue =
                reason.ends_with("Overdue") && world.policy.on_deadline == resources::OnDeadline::Stuck;
            let refund = matches!(reason, "RefundFailed" | "PaymentVoidFailed") && till.refund_refused;
            let unpaid = reason == "DispatchedUnpaid" && carrier.has_left();
            assert!(overdue || refund || unpaid, "stuck for no reason: {reason}");
        }
        phase => panic!("no end: {phase:?}"),
    }
}

fn check_always(world: &World) {
    assert!(world.till.kept() <= 1, "two captures: {:?}", world.till);
    assert!(world.carrier.parcels <= 1, "two parcels");
}

/// All that there is to see, do, send and answer, once; 0 is the best answer.
fn round(world: &mut World, dice: u8) {
    world.see(0, 15);
    world.reconcile(0, Luck::Prompt);
    world.see(0, 15);
    world.command(0);
    for latest in [2, 1, 0] {
        world.deliver(latest);
    }
    world.till.work(dice);
    world.carrier.work(dice);
    world.report(7);
}

/// From now on nothing fails any more: what comes of it?
fn calm(world: &mut World) {
    let mut still = 0;
    for _ in 0..600 {
        let before =
            (world.written(), world.inventory.state, world.till.attempts.clone(), world.carrier.phase);
        round(world, 0);
        world.carrier.travel(0);
        world.hear_of_dispatch();
        world.report(7);
        check_always(world);
        let after =
            (world.written(), world.inventory.state, world.till.attempts.clone(), world.carrier.phase);
        still = if before == after { still + 1 } else { 0 };
        let ended = world.archived || (world.phase().is_some_and(OrderPhase::is_finished) && still > 4);
        if ended || still > 40 {
            return;
        }
        world.pass(if still > 3 { 4 * 3600 } else { 5 });
    }
    panic!("it never comes to rest: {:?}", world.written());
}

fn live(shop: &str, happenings: &[Happening]) {
    let mut world = World::new(shop);
    for happening in happenings {
        happen(&mut world, *happening);
        check_always(&world);
    }
    world.restart(0);
    calm(&mut world);
    let status = world.written();
    if status.phase.is_none_or(|phase| !phase.is_finished()) {
        assert!(status.reason.is_some(), "it rests and does not say why: {status:?}");
    }
    if world.server.order.spec.suspend {
        world.edit(|order| order.spec.suspend = false);
        calm(&mut world);
    }
    check_end(&world, &world.written());
}

fn shop() -> impl Strategy<Value = String> {
    let capture = prop_oneof![Just("Immediate"), Just("OnDispatch")];
    let complete = prop_oneof![3 => Just("Delivery"), 1 => Just("Dispatch")];
    let deadline = prop_oneof![3 => Just("Wait"), 1 => Just("Stuck")];
    (capture, complete, deadline).prop_map(|(capture, complete, deadline)| {
        format!("{{capture: {capture}, completeOn: {complete}, onDeadline: {deadline}}}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        // The same cases at every run; other seeds are for looking further: change it and raise the cases.
        rng_seed: RngSeed::Fixed(20_261_121),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_order_comes_to_an_honest_end(
        shop in shop(),
        happenings in prop::collection::vec(happening(), 0..160),
    ) {
        live(&shop, &happenings);
    }
}
