//! The history: every transition, in the order that the state machine allows, and the same everywhere.

use resources::OrderPhase::{
    self, AwaitingPayment, Cancelled, Compensating, Completed, Failed, Paid, Placed, Rejected, Reserved,
    Shipped, Stuck,
};

use crate::audit::facts::OrderFacts;
use crate::audit::finding::{Finding, Remedy};
use crate::audit::rule::Rule;

/// Not more transitions than this are looked for one by one: a number beyond is wrong by itself.
const MOST_TRANSITIONS: i64 = 10_000;

pub(super) fn judge(facts: &OrderFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(gap(facts));
    findings.extend(skipped(facts));
    findings.extend(contradiction(facts));
    findings.extend(behind(facts));
    findings
}

/// The edges of the design's table. What follows `Stuck` is what followed before, or what a person decided.
pub(super) const fn may_follow(before: Option<OrderPhase>, after: OrderPhase) -> bool {
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

fn gap(facts: &OrderFacts) -> Option<Finding> {
    let live = facts.live.as_ref().map_or(0, |live| live.sequence);
    let indexed = facts.history.as_ref().map_or(0, |history| history.sequence);
    let newest = live.max(indexed).min(MOST_TRANSITIONS);
    let is_recorded = |sequence: &i64| {
        facts.history.as_ref().is_some_and(|history| history.transitions.contains_key(sequence))
    };
    let missing: Vec<i64> = (1..=newest).filter(|sequence| !is_recorded(sequence)).collect();
    if missing.is_empty() {
        return None;
    }
    let numbers: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let message =
        format!("the history misses {} of {newest} transitions: {}", missing.len(), numbers.join(", "));
    let recorded = newest - i64::try_from(missing.len()).unwrap_or(newest);
    Some(Finding::new(Rule::HistoryGap, message).instead(recorded, newest).mended_by(Remedy::Retell(missing)))
}

fn skipped(facts: &OrderFacts) -> Vec<Finding> {
    let Some(history) = &facts.history else { return Vec::new() };
    let mut before: Option<(i64, OrderPhase)> = None;
    let mut findings = Vec::new();
    for (sequence, phase) in &history.transitions {
        let follows =
            before.is_none_or(|(last, _)| last + 1 == *sequence) && (before.is_some() || *sequence == 1);
        let phase_before = before.map(|(_, phase)| phase);
        if follows && !may_follow(phase_before, *phase) {
            let from = phase_before.map_or_else(|| "nothing".to_owned(), |phase| phase.to_string());
            let message = format!(
                "transition {sequence} goes from {from} to {phase}, which the state machine does not allow"
            );
            findings.push(Finding::new(Rule::PhaseSkipped, message).about(sequence.to_string()));
        }
        before = Some((*sequence, *phase));
    }
    findings
}

fn contradiction(facts: &OrderFacts) -> Vec<Finding> {
    let Some(history) = &facts.history else { return Vec::new() };
    let indexed = history.phase.map(|phase| (history.sequence, phase));
    let told = facts.live.iter().flat_map(|live| live.told.iter().copied());
    let tellings = indexed.map(|telling| ("the index", telling)).into_iter();
    let tellings = tellings.chain(told.map(|telling| ("the resource", telling)));
    tellings
        .filter_map(|(who, (sequence, phase))| {
            let recorded = history.transitions.get(&sequence).filter(|recorded| **recorded != phase)?;
            let message = format!("transition {sequence} is {recorded} in the history and {phase} in {who}");
            let finding = Finding::new(Rule::HistoryContradiction, message);
            Some(finding.about(sequence.to_string()).instead(phase, recorded))
        })
        .collect()
}

fn behind(facts: &OrderFacts) -> Option<Finding> {
    let (live, history) = (facts.live.as_ref()?, facts.history.as_ref()?);
    if live.sequence >= history.sequence {
        return None;
    }
    let shown =
        |phase: Option<OrderPhase>| phase.map_or_else(|| "no phase".to_owned(), |phase| phase.to_string());
    let (found, expected) = (shown(live.phase), shown(history.phase));
    let message = format!(
        "the resource shows {found} (transition {}), the history has {expected} (transition {})",
        live.sequence, history.sequence
    );
    Some(Finding::new(Rule::ResourceBehind, message).instead(live.sequence, history.sequence))
}
