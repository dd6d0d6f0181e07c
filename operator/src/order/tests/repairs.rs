//! Repair by people: what is taken, what is refused, and that nobody is charged twice or given back twice by it.

use resources::OrderPhase::{self, *};
use resources::{
    PaymentDesired, PaymentPhase, RepairAction, RepairOutcome, ReservationDesired, ReservationPhase,
};
use resources::{Settled, ShipmentDesired, ShipmentPhase};

use super::super::{Effect, Urgency, requests};
use super::builders::{Case, order, order_in};
use super::situations::Driven;
use RepairAction::{Refund, Resume, Retry, Skip};

/// What came of the last request.
fn verdict(driven: &Driven) -> (RepairOutcome, &str) {
    let last = driven.status().repairs.last().unwrap();
    (last.outcome, last.message.as_str())
}

fn is_taken(driven: &Driven) -> bool {
    verdict(driven).0 == RepairOutcome::Taken
}

/// The provider has refused to give the money back; label and goods are undone.
fn refund_failed() -> Case {
    let case = order_in(Stuck).payment_wanted(PaymentDesired::Refunded).payment(PaymentPhase::Failed);
    let case = case.shipment(ShipmentPhase::Cancelled).shipment_wanted(ShipmentDesired::Cancelled);
    case.reservation(ReservationPhase::Released).reservation_wanted(ReservationDesired::Released)
}

/// Payment has answered whatever is asked of it now.
fn answered(driven: Driven, phase: PaymentPhase) -> Driven {
    driven.case.payment(phase).drive()
}

/// The goods have left, and the promised money was declined.
fn dispatched_unpaid() -> Case {
    let case = order_in(Paid).shop("capture: OnDispatch").payment(PaymentPhase::Declined);
    let driven = case.shipment(ShipmentPhase::InTransit).drive();
    assert_eq!((driven.phase(), driven.reason()), (Stuck, "DispatchedUnpaid"));
    driven.case
}

fn overdue(phase: OrderPhase) -> Case {
    let driven = order_in(phase).shop("onDeadline: Stuck").at(90 * 24 * 3600).drive();
    assert_eq!(driven.phase(), Stuck);
    driven.case
}

#[test]
fn an_order_stuck_by_a_deadline_says_that_its_refund_failed_and_rests() {
    let undone = overdue(Compensating)
        .shipment(ShipmentPhase::Cancelled)
        .shipment_wanted(ShipmentDesired::Cancelled)
        .reservation(ReservationPhase::Released)
        .reservation_wanted(ReservationDesired::Released);
    let refused = undone.payment_wanted(PaymentDesired::Refunded).payment(PaymentPhase::Failed).drive();
    assert_eq!((refused.phases.as_slice(), refused.reason()), (&[][..], "RefundFailed"));
    let again = refused.case.drive();
    assert!(again.wants_nothing() && again.reason() == "RefundFailed");
}

#[test]
fn a_refused_refund_is_asked_for_again_once_for_each_request_and_the_order_goes_on() {
    let asked = refund_failed().asked(Retry, "the bank has mended it").drive();
    assert_eq!((asked.phases.as_slice(), asked.reasons[0].as_str()), (&[Compensating][..], "RetryRequested"));
    assert!(is_taken(&asked));
    let wanted = asked.payment().unwrap();
    assert_eq!((wanted.undo_retry, wanted.desired, wanted.attempt), (1, PaymentDesired::Refunded, 1));
    let refused = answered(asked, PaymentPhase::Failed);
    assert_eq!((refused.phases.as_slice(), refused.reason()), (&[Stuck][..], "RefundFailed"));
    assert!(refused.wants_nothing(), "the same value is done already");
    let again = refused.case.asked(Retry, "now it has").drive();
    assert_eq!(again.payment().unwrap().undo_retry, 2);
    let done = answered(again, PaymentPhase::Refunded);
    assert_eq!((done.phases.as_slice(), done.reason()), (&[Cancelled][..], "CancelRequested"));
}

#[test]
fn a_request_is_recorded_with_who_and_why_and_told_as_an_event() {
    let driven = refund_failed().asked(Retry, "the bank has mended it").drive();
    let [record] = driven.status().repairs.as_slice() else { panic!("one record") };
    assert_eq!((record.number, record.action, record.by.as_str()), (1, Retry, "jane"));
    assert_eq!(record.reason, "the bank has mended it");
    let told: Vec<_> = driven.told.iter().filter(|tell| tell.reason == "RetryTaken").collect();
    assert!(matches!(told.as_slice(), [tell] if tell.note.contains("jane") && tell.note.contains("mended")));
    assert!(driven.status().message.as_ref().is_some());
}

#[test]
fn a_request_is_written_at_once_and_nothing_is_asked_before_it_is() {
    let case = refund_failed().asked(Retry, "go");
    let plan = case.decide();
    assert_eq!(plan.urgency, Urgency::Now);
    assert!(
        !plan.effects.iter().any(|effect| matches!(effect, Effect::EnsurePayment(_))),
        "{:?}",
        plan.effects
    );
    let refused = order_in(Completed).asked(Retry, "go").decide();
    assert_eq!(refused.urgency, Urgency::Now, "also a refusal, though nothing else has changed");
}

#[test]
fn what_is_skipped_counts_as_settled_and_the_order_ends_and_says_so() {
    let driven = refund_failed().asked(Skip, "paid back by bank transfer 4711").drive();
    assert_eq!(driven.phases, [Cancelled]);
    assert_eq!(driven.status().settled_by_hand, [Settled::Money]);
    let message = driven.status().message.clone().unwrap();
    assert!(message.contains("settled by hand by jane: paid back by bank transfer 4711"), "{message}");
    assert!(driven.wants_nothing(), "the provider is not asked again");
    let ended = driven.case.at(25 * 3600).drive();
    assert!(ended.archives(), "nothing holds it up any more");
    assert_eq!(ended.reason(), "CancelRequested");
}

#[test]
fn money_that_failed_to_go_back_after_the_end_is_retried_and_skipped_where_the_order_is() {
    let failed = || order_in(Failed).payment(PaymentPhase::Failed);
    assert_eq!(failed().drive().reason(), "RefundFailed");
    let retried = failed().drive().case.asked(Retry, "go").drive();
    assert_eq!((retried.phase(), retried.payment().unwrap().undo_retry), (Failed, 1));
    let skipped = failed().drive().case.asked(Skip, "by hand").drive();
    assert_eq!((skipped.phase(), skipped.reason()), (Failed, "ShippingFailed"));
    assert!(skipped.case.at(25 * 3600).drive().archives());
}

#[test]
fn money_that_comes_on_top_of_what_was_settled_by_hand_needs_a_person_again() {
    let failed = order_in(Failed).payment(PaymentPhase::Failed).captured(2000);
    let skipped = failed.drive().case.asked(Skip, "by bank transfer").drive();
    let settled = skipped.status().money_repair.clone().unwrap().settled;
    assert_eq!((settled, skipped.reason()), (Some(super::builders::euro(2000)), "ShippingFailed"));
    let more = skipped.case.captured(4000).at(25 * 3600).drive();
    assert_eq!(more.reason(), "RefundFailed");
    assert!(!more.archives(), "the resource stays for a person to see");
}

#[test]
fn goods_that_left_unpaid_are_paid_by_a_new_attempt_once_the_old_one_is_void() {
    let asked = dispatched_unpaid().asked(Retry, "the customer has topped up").drive();
    assert!(is_taken(&asked));
    assert_eq!((asked.phase(), asked.reason()), (Stuck, "PaymentChanging"));
    let first = asked.payment().unwrap();
    assert_eq!((first.attempt, first.desired), (1, PaymentDesired::Cancelled));
    let void = answered(asked, PaymentPhase::Voided);
    let second = void.payment().unwrap();
    assert_eq!((second.attempt, second.desired), (2, PaymentDesired::Captured));
    let paid = answered(void, PaymentPhase::Captured);
    assert_eq!(paid.phases, [Shipped]);
}

#[test]
fn a_new_attempt_that_is_declined_too_is_stuck_again_and_can_be_tried_once_more() {
    let void = answered(dispatched_unpaid().asked(Retry, "one").drive(), PaymentPhase::Voided);
    let declined = void.case.payment(PaymentPhase::Declined).attempt(2).drive();
    assert_eq!((declined.phase(), declined.reason()), (Stuck, "DispatchedUnpaid"));
    let twice = declined.case.clone().asked(Retry, "two").drive();
    assert!(is_taken(&twice));
    let (outcome, message) = (declined.case.asked(Refund, "sorry").drive(), "No money is kept");
    assert!(verdict(&outcome).1.starts_with(message) && !is_taken(&outcome), "{:?}", verdict(&outcome));
}

#[test]
fn goods_that_left_unpaid_travel_on_when_the_money_is_settled_by_hand() {
    let driven = dispatched_unpaid().asked(Skip, "paid by bank transfer").drive();
    assert_eq!((driven.phases.as_slice(), driven.payment()), (&[Shipped][..], None));
    let case = driven.case.reservation(ReservationPhase::Committed).shipment(ShipmentPhase::Delivered);
    assert_eq!(case.drive().phases, [Completed]);
}

#[test]
fn resumed_goods_that_left_unpaid_are_only_looked_at() {
    let driven = dispatched_unpaid().asked(Resume, "captured at the provider").drive();
    assert!(is_taken(&driven));
    assert!(driven.effects.contains(&Effect::AskAgain(chassis::ChildKind::Payment)));
    assert_eq!((driven.phase(), driven.payment()), (Stuck, None));
    assert_eq!(answered(driven, PaymentPhase::Captured).phases, [Shipped]);
}

#[test]
fn an_order_of_which_it_is_not_known_how_it_was_to_end_is_undone() {
    for (wish, target) in [(false, Failed), (true, Cancelled)] {
        let mut case = order_in(Compensating);
        case.status.as_mut().unwrap().compensation = None;
        let stuck = case.drive();
        assert_eq!((stuck.phase(), stuck.reason()), (Stuck, "CompensationUnknown"));
        let case = if wish { stuck.case.cancelled() } else { stuck.case };
        assert!(!is_taken(&case.clone().asked(Skip, "go").drive()));
        for action in [Retry, Resume] {
            let driven = case.clone().asked(action, "go").drive();
            assert_eq!(driven.phases, [Compensating]);
            assert_eq!(driven.status().compensation.as_ref().unwrap().target, target);
        }
    }
}

#[test]
fn an_order_stuck_by_a_deadline_goes_back_to_its_phase_with_a_new_deadline() {
    for (action, reason) in [(Retry, "RetryRequested"), (Resume, "Resumed")] {
        for phase in [Placed, Reserved, Paid, Shipped, Compensating] {
            let driven = overdue(phase).asked(action, "it is up again").drive();
            assert_eq!(
                (driven.phases.as_slice(), driven.reasons[0].as_str()),
                (&[phase][..], reason),
                "{phase}"
            );
            let later = driven.case.at(180 * 24 * 3600).drive();
            assert_eq!(later.phases, [Stuck], "{phase}: its deadline passes again");
        }
    }
}

#[test]
fn a_retry_of_a_waiting_order_asks_those_again_who_have_not_answered() {
    let waiting = order_in(Reserved).payment(PaymentPhase::Pending);
    let driven = waiting.asked(Retry, "the provider is back").drive();
    assert!(is_taken(&driven));
    let asked = |kind| driven.effects.iter().filter(|one| **one == Effect::AskAgain(kind)).count();
    assert_eq!((asked(chassis::ChildKind::Payment), asked(chassis::ChildKind::StockReservation)), (1, 0));
    assert_eq!(driven.payment(), None, "nothing is charged by it");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence_and_changes_nothing() {
    for (case, action, says) in [
        (order_in(Paid).shipment(ShipmentPhase::Booked), Retry, "Nothing has failed"),
        (order_in(AwaitingPayment), Retry, "waits for the customer"),
        (order_in(Completed), Retry, "has ended"),
        (order_in(Rejected), Retry, "has ended"),
        (order_in(Reserved).payment(PaymentPhase::Pending).suspended(), Retry, "is suspended"),
        (order_in(Paid).shop("paused: true"), Retry, "is paused"),
        (order_in(Paid), Resume, "not Stuck"),
        (order_in(Paid).suspended(), Resume, "is suspended"),
        (order_in(Completed), Resume, "not Stuck"),
        (order_in(Paid), Skip, "not Stuck"),
        (order_in(Cancelled), Skip, "not Stuck"),
        (overdue(Reserved), Skip, "cannot be settled by hand"),
        (overdue(Paid), Skip, "cannot be settled by hand"),
        (order_in(Paid), Refund, "cancel the order"),
        (order_in(Compensating), Refund, "on its way back"),
        (order_in(Cancelled), Refund, "No money is kept"),
        (order_in(Rejected), Refund, "No money is kept"),
        (refund_failed(), Skip, "Say why"),
    ] {
        let before = case.clone().drive();
        let reason = if says == "Say why" { " " } else { "go" };
        let driven = before.case.asked(action, reason).drive();
        let (outcome, message) = verdict(&driven);
        assert_eq!(outcome, RepairOutcome::Refused, "{action:?} {says}: {message}");
        assert!(message.contains(says), "{action:?}: {message} should say {says}");
        assert!(driven.phases.is_empty() && driven.wants_nothing(), "{action:?} {says}");
        assert!(driven.told.iter().any(|tell| tell.warning && tell.reason.ends_with("Refused")));
    }
}

#[test]
fn the_money_of_a_completed_order_goes_back_as_goodwill_and_the_goods_stay() {
    let case = order_in(Completed).asked(Refund, "the cup was chipped");
    let first = case.decide();
    assert!(!first.effects.iter().any(|effect| matches!(effect, Effect::EnsurePayment(_))));
    let driven = case.drive();
    assert_eq!((driven.phases.len(), driven.reason()), (0, "Refunding"));
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Refunded);
    assert_eq!((driven.reservation(), driven.shipment()), (None, None));
    assert!(!driven.case.clone().at(25 * 3600).drive().archives(), "it stays until the money is back");
    let refused = driven.case.clone().payment(PaymentPhase::Failed).drive();
    assert_eq!(refused.reason(), "RefundFailed");
    let done = answered(driven, PaymentPhase::Refunded);
    assert_eq!((done.phase(), done.reason()), (Completed, "Refunded"));
    assert!(!is_taken(&done.case.clone().asked(Refund, "again").drive()));
    assert!(done.case.at(25 * 3600).drive().archives());
}

#[test]
fn the_money_of_a_shipped_order_goes_back_and_the_parcel_travels_on() {
    let driven = order_in(Shipped).asked(Refund, "it is late").drive();
    assert_eq!((driven.phase(), driven.payment().unwrap().desired), (Shipped, PaymentDesired::Refunded));
    assert_eq!(driven.shipment(), None);
    let back = answered(driven, PaymentPhase::Refunded);
    let case = back.case.reservation(ReservationPhase::Committed);
    assert_eq!(case.clone().shipment(ShipmentPhase::Delivered).drive().phases, [Completed]);
    let lost = case.shipment(ShipmentPhase::Lost).drive();
    assert_eq!(lost.phases, [Compensating, Failed], "nothing more is given back");
}

#[test]
fn the_money_of_an_order_stuck_before_its_goods_left_goes_back_and_the_order_is_undone() {
    let driven = overdue(Paid).asked(Refund, "enough").drive();
    assert_eq!(driven.phases, [Compensating]);
    assert_eq!(driven.status().compensation.as_ref().unwrap().target, Cancelled);
    assert!(!is_taken(&overdue(Reserved).asked(Refund, "enough").drive()), "nothing was paid");
}

#[test]
fn a_parcel_that_a_person_knows_to_have_arrived_completes_the_order() {
    let case = overdue(Shipped).reservation(ReservationPhase::Committed);
    let driven = case.asked(Skip, "the customer has confirmed it").drive();
    assert_eq!(driven.phases, [Completed]);
    assert_eq!(driven.status().settled_by_hand, [Settled::Parcel]);
}

#[test]
fn an_undo_that_is_never_answered_is_skipped_branch_by_branch_but_for_the_goods() {
    let label = overdue(Compensating).asked(Skip, "the label is void, the carrier says").drive();
    assert_eq!(label.status().settled_by_hand, [Settled::Parcel]);
    assert_eq!(label.payment().unwrap().desired, PaymentDesired::Refunded, "the money is next");
    let money = label.case.asked(Skip, "the money is back").drive();
    assert_eq!(money.reservation().unwrap().desired, ReservationDesired::Released, "the goods are next");
    let goods = money.case.asked(Skip, "never mind the goods").drive();
    assert!(!is_taken(&goods));
    assert_eq!(goods.case.reservation(ReservationPhase::Released).drive().phases, [Cancelled]);
}

#[test]
fn a_last_payment_that_cannot_be_given_back_is_retried_but_never_skipped() {
    let changing = order_in(AwaitingPayment).method(Some("pm_other"), 0).drive().case;
    let stuck = changing.payment(PaymentPhase::Failed).drive();
    assert_eq!((stuck.phase(), stuck.reason()), (Stuck, "PaymentVoidFailed"));
    assert!(!is_taken(&stuck.case.clone().asked(Skip, "go").drive()));
    let retried = stuck.case.asked(Retry, "go").drive();
    assert_eq!(retried.payment().unwrap().undo_retry, 1);
    let void = answered(retried, PaymentPhase::Refunded);
    assert_eq!(void.phases, [Reserved]);
    assert_eq!(void.payment().unwrap().attempt, 2);
}

#[test]
fn facts_come_before_a_request_that_they_have_overtaken() {
    let driven = refund_failed().payment(PaymentPhase::Refunded).asked(Retry, "go").drive();
    assert_eq!(driven.phases, [Cancelled]);
    assert!(!is_taken(&driven));
}

#[test]
fn a_deleted_order_is_repaired_like_any_other() {
    let driven = refund_failed().deleted().asked(Skip, "by hand").drive();
    assert_eq!(driven.phases, [Cancelled]);
    assert!(driven.archives());
}

#[test]
fn the_last_request_of_each_kind_is_never_forgotten_or_it_would_be_done_again() {
    let mut case = order_in(Completed).asked(Refund, "the cup was chipped").drive().case;
    for number in 0..20 {
        case = case.asked(Retry, &format!("try {number}")).drive().case;
    }
    let repairs = &case.status.as_ref().unwrap().repairs;
    assert_eq!(repairs.len(), resources::REPAIRS);
    assert!(repairs.iter().any(|repair| repair.action == Refund));
    assert_eq!(repairs.last().unwrap().number, 21);
    let still = case.clone().drive();
    assert_eq!(&still.status().repairs, repairs);
}

#[test]
fn an_earlier_value_that_comes_back_is_a_new_request() {
    let case = order_in(Completed).asked(Retry, "a").drive().case.asked(Retry, "b").drive().case;
    let driven = case.asked(Retry, "a").drive();
    assert_eq!(driven.status().repairs.len(), 3);
}

#[test]
fn an_unquoted_order_is_judged_once_it_is_placed() {
    let driven = order().asked(Retry, "left there by GitOps").drive();
    assert_eq!((driven.phase(), driven.status().repairs.len()), (Placed, 1));
}

#[test]
fn who_asked_is_the_user_beside_the_request_or_the_writer_of_the_field() {
    let live = |managers: &[(&str, &str, &[&str])]| {
        let mut order = order().asked(Retry, "go").order;
        let named = resources::REPAIR_BY_ANNOTATION.to_owned();
        order.metadata.annotations.get_or_insert_default().insert(named, "jane@example.com".into());
        let entry = |(manager, time, fields): &(&str, &str, &[&str])| {
            let fields: serde_json::Map<String, serde_json::Value> =
                fields.iter().map(|name| (format!("f:{name}"), serde_json::json!({}))).collect();
            serde_json::from_value(serde_json::json!({
                "manager": manager, "operation": "Update", "time": time,
                "fieldsV1": {"f:metadata": {"f:annotations": fields}},
            }))
            .unwrap()
        };
        order.metadata.managed_fields = Some(managers.iter().map(entry).collect());
        requests::asker(&order, Retry)
    };
    let (early, late) = ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z");
    let (retry, by) = ("supercargo.dev/retry", "supercargo.dev/repair-by");
    assert_eq!(live(&[("supercargo", early, &[retry, by])]), "jane@example.com");
    assert_eq!(live(&[("argocd", early, &[retry])]), "argocd");
    assert_eq!(
        live(&[("supercargo", early, &[by]), ("kubectl-annotate", late, &[retry])]),
        "kubectl-annotate"
    );
    assert_eq!(live(&[("supercargo", early, &[retry, by]), ("argocd", late, &[retry])]), "argocd");
    assert!(live(&[]).starts_with("somebody"));
}

#[test]
fn goodwill_is_not_forgotten_when_the_payment_is_gone() {
    let driven = order_in(Completed).asked(Refund, "the cup was chipped").drive();
    let gone = Case { payment: None, ..driven.case }.deleted().drive();
    assert!(!gone.archives());
    let wanted = gone.payment().unwrap();
    assert_eq!(
        (wanted.attempt, wanted.desired),
        (super::super::wishes::EVERY_ATTEMPT, PaymentDesired::Refunded)
    );
    assert!(answered(gone, PaymentPhase::Refunded).archives());
}
