//! What the resource says.

use super::*;

#[test]
fn a_resource_that_stays_behind_the_history_is_named() {
    let mut facts = completed();
    facts.live = Some(live(&HAPPY[..3]));
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::ResourceBehind);
    assert_eq!(
        finding.message,
        "the resource shows Paid (transition 3), the history has Completed (transition 5)"
    );
}

#[test]
fn a_status_behind_its_ledger_is_reported_again_and_one_ahead_is_a_loss() {
    let mut facts = completed();
    facts.live.as_mut().unwrap().payment.as_mut().unwrap().revision = 1;
    let finding = only(&facts);
    assert_eq!(
        (finding.rule, finding.remedy),
        (Rule::StatusBehind, Some(Remedy::ReportAgain(Child::Payment)))
    );
    assert_eq!(finding.message, "the Payment shows report 1, the ledger of payment is at 2");
    facts.live.as_mut().unwrap().payment.as_mut().unwrap().revision = 9;
    let finding = only(&facts);
    assert_eq!((finding.rule, finding.remedy), (Rule::LedgerBehind, None));
    // The ledger answers another child: that of a later order of the name.
    facts.money.as_mut().unwrap().child = Some("uid-of-another".into());
    assert_eq!(rules(&facts), []);
}

#[test]
fn an_unfinished_order_says_what_it_waits_for() {
    let mut facts = of(&[Placed]);
    facts.live = Some(LiveOrder {
        message: None,
        reservation: None,
        payment: None,
        shipment: None,
        ..live(&[Placed])
    });
    assert_eq!(only(&facts).rule, Rule::NoReason);
    facts.live.as_mut().unwrap().created_at = Some(at(86_400 - 30));
    assert_eq!(rules(&facts), [], "a new one has a minute");
    facts.live.as_mut().unwrap().created_at = Some(at(0));
    facts.live.as_mut().unwrap().reason = Some("Suspended".into());
    assert_eq!(rules(&facts), []);
    let mut unquoted = OrderFacts { history: None, ..facts };
    unquoted.live =
        Some(LiveOrder { message: None, reservation: None, payment: None, shipment: None, ..live(&[]) });
    assert_eq!(only(&unquoted).message, "the order is not quoted yet and does not say what it waits for");
}

#[test]
fn a_phase_past_its_deadline_is_overdue_after_a_minute() {
    let mut facts = of(&[Placed]);
    let waiting = LiveOrder { reservation: None, payment: None, shipment: None, ..live(&[Placed]) };
    facts.live = Some(LiveOrder { due: Some(at(86_400 - 59)), ..waiting.clone() });
    assert_eq!(rules(&facts), []);
    facts.live = Some(LiveOrder { due: Some(at(86_400 - 61)), ..waiting });
    assert_eq!(only(&facts).rule, Rule::Overdue);
    assert!(
        only(&facts)
            .message
            .starts_with("the order is Placed (without a reason), and that should have been over by ")
    );
}

#[test]
fn a_finding_does_not_change_with_the_time_at_which_it_is_found() {
    let later = now() + Duration::from_secs(3);
    let mut facts = of(&[Placed]);
    facts.live = Some(LiveOrder { due: Some(at(0)), ..live(&[Placed]) });
    assert!(!judge(&facts, now()).is_empty());
    assert_eq!(judge(&facts, now()), judge(&facts, later));
    let transitions: BTreeMap<i64, OrderPhase> = BTreeMap::from([(1, Placed)]);
    assert_eq!(facts.history.unwrap().transitions, transitions);
}
