//! The history.

use super::super::history::may_follow;
use super::*;

#[test]
fn an_order_that_is_neither_there_nor_archived_is_lost() {
    for facts in [completed(), failed()] {
        assert_eq!(only(&OrderFacts { live: None, ..facts }).rule, Rule::OrderLost);
    }
}

#[test]
fn missing_transitions_are_named_and_told_again() {
    let mut facts = completed();
    facts.history.as_mut().unwrap().transitions.retain(|sequence, _| ![2, 4].contains(sequence));
    let finding = only(&facts);
    assert_eq!(finding.message, "the history misses 2 of 5 transitions: 2, 4");
    assert_eq!(finding.remedy, Some(Remedy::Retell(vec![2, 4])));
    assert_eq!(only(&archived(facts)).rule, Rule::HistoryGap);
}

#[test]
fn what_the_resource_tells_and_the_history_never_heard_is_missing_too() {
    let mut facts = completed();
    facts.history = Some(history(&HAPPY[..3]));
    assert_eq!(only(&facts).remedy, Some(Remedy::Retell(vec![4, 5])));
    facts.history = None;
    assert_eq!(only(&facts).remedy, Some(Remedy::Retell(vec![1, 2, 3, 4, 5])));
}

#[test]
fn only_the_state_machines_ways_are_gone() {
    let mut facts = completed();
    let skipping = [Placed, Reserved, Shipped, Completed];
    (facts.live, facts.history) = (Some(live(&skipping)), Some(history(&skipping)));
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::PhaseSkipped);
    assert_eq!(
        finding.message,
        "transition 3 goes from Reserved to Shipped, which the state machine does not allow"
    );
    assert!(may_follow(None, Placed) && !may_follow(None, Paid));
    assert!(may_follow(Some(Stuck), Compensating) && may_follow(Some(Stuck), Placed), "resumed where it was");
    assert!(!may_follow(Some(Stuck), Rejected));
    for end in [Completed, Rejected, Failed, Cancelled] {
        assert!(!may_follow(Some(end), Compensating), "an end is an end");
    }
}

#[test]
fn two_tellings_of_one_transition_are_a_contradiction() {
    let mut facts = completed();
    facts.history.as_mut().unwrap().transitions.insert(5, Compensating);
    let found: Vec<Finding> = judge(&facts, now());
    let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "transition 5 is Compensating in the history and Completed in the index",
            "transition 5 is Compensating in the history and Completed in the resource",
        ]
    );
}
