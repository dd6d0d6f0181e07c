//! How soon a status is written, deadlines, and that a decision on its own result is the same again.

use resources::OrderPhase::*;
use resources::{PaymentPhase, ReservationPhase, ShipmentPhase};

use super::super::Urgency;
use super::super::memory::{Memory, Recollection};
use super::builders::{Case, at, order, order_in};

const PHASES: [resources::OrderPhase; 11] = [
    Placed,
    Reserved,
    AwaitingPayment,
    Paid,
    Shipped,
    Completed,
    Rejected,
    Failed,
    Cancelled,
    Compensating,
    Stuck,
];

fn urgency(case: Case) -> Urgency {
    case.decide().urgency
}

#[test]
fn a_phase_that_may_be_overtaken_is_written_soon() {
    assert_eq!(urgency(order()), Urgency::Soon);
    assert_eq!(urgency(order_in(Placed).reservation(ReservationPhase::Held)), Urgency::Soon);
    assert_eq!(urgency(order_in(Reserved).payment(PaymentPhase::Captured)), Urgency::Soon);
    assert_eq!(urgency(order_in(Paid).shipment(ShipmentPhase::InTransit)), Urgency::Soon);
}

#[test]
fn what_people_wait_for_is_written_at_once() {
    assert_eq!(urgency(order_in(Reserved).payment(PaymentPhase::Declined)), Urgency::Now);
    assert_eq!(urgency(order_in(Reserved).payment(PaymentPhase::Unknown)), Urgency::Now);
    assert_eq!(urgency(order_in(Paid).cancelled()), Urgency::Now);
    assert_eq!(urgency(order_in(Placed).reservation(ReservationPhase::Insufficient)), Urgency::Now);
    let delivered =
        order_in(Shipped).reservation(ReservationPhase::Committed).shipment(ShipmentPhase::Delivered);
    assert_eq!(urgency(delivered), Urgency::Now);
    assert_eq!(urgency(order_in(Shipped).shipment(ShipmentPhase::Lost)), Urgency::Now);
    let stuck = order_in(Placed).shop("onDeadline: Stuck").at(60);
    assert_eq!(urgency(stuck), Urgency::Now);
    let changing = order_in(AwaitingPayment).method(Some("pm_other"), 0);
    assert_eq!(urgency(changing), Urgency::Now);
}

#[test]
fn what_commits_the_stock_of_goods_that_have_arrived_waits_for_nothing() {
    let paid = order_in(Paid).reservation(ReservationPhase::Held);
    assert_eq!(urgency(paid.clone().shipment(ShipmentPhase::InTransit)), Urgency::Soon);
    assert_eq!(urgency(paid.clone().shipment(ShipmentPhase::Delivered)), Urgency::Now);
    assert_eq!(urgency(paid.shop("completeOn: Dispatch").shipment(ShipmentPhase::InTransit)), Urgency::Now);
}

#[test]
fn an_edit_is_acknowledged_at_once() {
    let case = order_in(Paid).shipment(ShipmentPhase::Pending).drive().case.edited(|_| {});
    assert_eq!(urgency(case.clone()), Urgency::Now);
    assert_eq!(case.decide().status.observed_generation, Some(2));
}

#[test]
fn what_only_people_read_may_wait() {
    let mut case = order_in(Paid).shipment(ShipmentPhase::Booked).drive().case;
    case.shipment.as_mut().unwrap().status.as_mut().unwrap().tracking_number = Some("T1".into());
    assert_eq!(urgency(case.clone()), Urgency::Cosmetic);
    assert_eq!(case.decide().status.tracking.as_deref(), Some("T1"));
}

#[test]
fn a_decision_on_its_own_result_changes_nothing() {
    for phase in PHASES {
        for shape in [|case: Case| case, Case::suspended, Case::cancelled, Case::deleted] {
            let rested = shape(order_in(phase)).drive().case;
            let again = rested.decide();
            assert_eq!(again.transitions, [], "{phase}");
            assert_eq!(Some(&again.status), rested.status.as_ref(), "{phase}");
            assert_eq!(again.urgency, Urgency::Unchanged, "{phase}");
        }
    }
}

#[test]
fn a_decision_that_is_lost_is_made_again_the_same() {
    for case in [
        order_in(Placed).reservation(ReservationPhase::Held),
        order_in(Reserved).payment(PaymentPhase::ActionRequired),
        order_in(Placed).reservation(ReservationPhase::Held).payment(PaymentPhase::Declined),
        order_in(Paid).shipment(ShipmentPhase::Lost),
        order_in(Paid).shipment(ShipmentPhase::Booked).cancelled(),
        order_in(AwaitingPayment).method(Some("pm_other"), 0),
    ] {
        let first = case.decide();
        let lost = Case { status: case.status.clone(), ..case.after(&first) };
        let phases = |plan: &super::super::Plan| {
            plan.transitions.iter().map(|it| (it.data.sequence, it.data.phase)).collect::<Vec<_>>()
        };
        assert_eq!(phases(&first), phases(&lost.decide()));
    }
}

#[test]
fn a_phase_that_takes_too_long_says_what_is_waited_for() {
    let reason = |case: Case| case.drive().reason().to_owned();
    assert_eq!(reason(order_in(Placed).reservation(ReservationPhase::Pending).at(60)), "StockOverdue");
    assert_eq!(reason(order_in(Reserved).payment(PaymentPhase::Pending).at(120)), "PaymentOverdue");
    assert_eq!(reason(order_in(Reserved).payment(PaymentPhase::Unknown).at(120)), "PaymentUnknown");
    assert_eq!(reason(order_in(Paid).shipment(ShipmentPhase::Booked).at(72 * 3600)), "DispatchOverdue");
    assert_eq!(reason(order_in(Shipped).at(30 * 24 * 3600)), "DeliveryOverdue");
    let problem = order_in(Shipped).shipment(ShipmentPhase::Exception).at(30 * 24 * 3600);
    assert_eq!(reason(problem), "ShipmentProblem");
    assert_eq!(reason(order_in(Compensating).at(600)), "UndoOverdue");
    assert_eq!(order_in(Reserved).payment(PaymentPhase::Pending).at(119).decide().look_again, Some(at(120)));
}

#[test]
fn by_policy_a_phase_that_takes_too_long_needs_a_person_and_goes_on_when_it_is_answered() {
    let shop = "onDeadline: Stuck";
    let driven = order_in(Placed).shop(shop).reservation(ReservationPhase::Pending).at(60).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Stuck][..], "StockOverdue"));
    assert_eq!(driven.case.clone().cancelled().drive().phases, [Compensating]);
    assert_eq!(driven.case.reservation(ReservationPhase::Held).drive().phases, [Reserved]);
    let undoing = order_in(Compensating).shop(shop).at(600).drive();
    assert_eq!(undoing.phases, [Stuck]);
    assert!(undoing.shipment().is_some(), "the undoing goes on");
    assert_eq!(order_in(AwaitingPayment).shop(shop).at(3600).drive().phases, []);
}

#[test]
fn every_transition_says_when_it_was_and_what_it_costs() {
    let plan = order().at(5).decide();
    let data = &plan.transitions[0].data;
    assert_eq!((data.sequence, data.phase, data.at), (1, Placed, at(5)));
    assert_eq!((data.total, data.lines.len()), (Some(super::builders::euro(2000)), 1));
    assert_eq!((data.namespace.as_str(), data.name.as_str()), ("shop", "web-1"));
    let needed = order_in(Reserved).payment(PaymentPhase::Declined).decide();
    let payment = needed.transitions[0].data.payment.as_ref().unwrap();
    assert_eq!((payment.attempt, payment.pay_before), (1, Some(at(24 * 3600))));
}

#[test]
fn what_a_leader_remembers_is_forgotten_when_another_went_another_way() {
    let remembered = order_in(Paid).status.unwrap();
    let memory = Recollection { status: Some(remembered.clone()), ..Recollection::default() };
    let same_way = order_in(Reserved).status.unwrap();
    assert_eq!(memory.newest(Some(&same_way)), remembered);
    assert_eq!(memory.newest(None), remembered);
    let mut other_way = same_way;
    other_way.history.last_mut().unwrap().phase = Compensating;
    assert_eq!(memory.newest(Some(&other_way)), other_way);
    let further = order_in(Shipped).status.unwrap();
    assert_eq!(memory.newest(Some(&further)), further);
}

#[test]
fn an_event_is_told_once_the_resource_tells_its_transition_and_again_by_a_leader_who_cannot_know() {
    let plan = order().at(5).decide();
    let mut memory = Recollection { untold: plan.transitions.clone(), ..Recollection::default() };
    let numbers = |memory: &Recollection, written: &resources::OrderStatus| -> Vec<(i64, bool)> {
        memory.news(written).map(|(entry, decided)| (entry.sequence, decided.is_some())).collect()
    };
    let nothing_yet = resources::OrderStatus::default();
    assert_eq!(numbers(&memory, &nothing_yet), []);
    let mut written = plan.status.clone();
    assert_eq!(numbers(&memory, &written), [(1, true)]);
    let mut of_another_leader = written.clone();
    of_another_leader.history[0].phase = Rejected;
    assert_eq!(numbers(&memory, &of_another_leader), [(1, false)]);
    memory.announced = 1;
    assert_eq!(numbers(&memory, &written), []);
    assert_eq!(numbers(&Recollection::default(), &written), [(1, false)]);
    written.announced_sequence = Some(1);
    assert_eq!(numbers(&Recollection::default(), &written), []);
}

#[test]
fn an_order_that_was_let_go_is_left_alone_while_its_last_events_come_and_then_forgotten() {
    let memory = Memory::default();
    memory.keep("uid-1", Recollection { announced: 6, ..Recollection::default() });
    memory.release("uid-1", at(0));
    assert!(memory.is_released("uid-1"));
    assert_eq!(memory.recall("uid-1").announced, 0);
    // Room is made when it is needed.
    for other in 0..1000 {
        memory.release(&format!("other-{other}"), at(3600));
    }
    assert!(!memory.is_released("uid-1"));
    assert!(memory.is_released("other-999"));
}
