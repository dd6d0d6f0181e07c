//! The resource: no order is lost, each says what it waits for, and children show what their ledgers say.

use std::time::Duration;

use jiff::Timestamp;
use resources::OrderPhase;

use crate::audit::facts::{LiveChild, LiveOrder, OrderFacts, Standing};
use crate::audit::finding::{Child, Finding, Remedy};
use crate::audit::rule::Rule;

/// How long a new order may say nothing, and a deadline may have passed before that is told.
const GRACE: Duration = Duration::from_secs(60);

pub(super) fn judge(facts: &OrderFacts, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(lost(facts));
    if let Some(live) = &facts.live {
        findings.extend(no_reason(live, now));
        findings.extend(overdue(live, now));
        findings.extend(children(facts, live));
    }
    findings
}

fn lost(facts: &OrderFacts) -> Option<Finding> {
    if facts.standing() != Standing::Lost {
        return None;
    }
    let phase = facts.phase().map_or_else(|| "not quoted".to_owned(), |phase| phase.to_string());
    let message = format!("the order was {phase}; its resource is gone and it is not archived");
    Some(Finding::new(Rule::OrderLost, message).instead("gone", "there, or archived"))
}

fn is_past(at: Option<Timestamp>, wait: Duration, now: Timestamp) -> bool {
    at.and_then(|at| at.checked_add(wait).ok()).is_some_and(|due| due < now)
}

fn no_reason(live: &LiveOrder, now: Timestamp) -> Option<Finding> {
    let says = live.reason.is_some() || live.message.is_some();
    if live.phase.is_some_and(OrderPhase::is_finished) || says || !is_past(live.created_at, GRACE, now) {
        return None;
    }
    let state = live.phase.map_or_else(|| "not quoted yet".to_owned(), |phase| phase.to_string());
    Some(Finding::new(Rule::NoReason, format!("the order is {state} and does not say what it waits for")))
}

fn overdue(live: &LiveOrder, now: Timestamp) -> Option<Finding> {
    let phase = live.phase?;
    let due = live.due.filter(|_| is_past(live.due, GRACE, now))?;
    let reason = live.reason.as_deref().unwrap_or("without a reason");
    let message = format!("the order is {phase} ({reason}), and that should have been over by {due:.0}");
    Some(Finding::new(Rule::Overdue, message))
}

fn children(facts: &OrderFacts, live: &LiveOrder) -> Vec<Finding> {
    let stock = facts.stock.as_ref().map(|stock| (stock.child.as_deref(), Some(stock.revision)));
    let money = facts.money.as_ref().map(|money| (money.child.as_deref(), Some(money.revision)));
    let parcel = facts.parcel.as_ref().map(|parcel| (parcel.child.as_deref(), parcel.revision));
    [
        (Child::StockReservation, &live.reservation, stock),
        (Child::Payment, &live.payment, money),
        (Child::Shipment, &live.shipment, parcel),
    ]
    .into_iter()
    .filter_map(|(kind, child, ledger)| status(kind, child.as_ref()?, ledger))
    .collect()
}

fn status(kind: Child, child: &LiveChild, ledger: Option<(Option<&str>, Option<i64>)>) -> Option<Finding> {
    let newest = match ledger {
        // Another child is reported to: that of a later order of the same name.
        Some((Some(uid), _)) if uid != child.uid => return None,
        // It was asked without a child, as one can in a namespace that goes.
        Some((None, _)) => return None,
        Some((Some(_), revision)) => revision.unwrap_or(0),
        None => 0,
    };
    let (name, service) = (kind.kind(), kind.service());
    let found =
        |rule, message: String| Finding::new(rule, message).about(name).instead(child.revision, newest);
    match child.revision.cmp(&newest) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => {
            let message =
                format!("the {name} shows report {}, the ledger of {service} is at {newest}", child.revision);
            Some(found(Rule::StatusBehind, message).mended_by(Remedy::ReportAgain(kind)))
        }
        std::cmp::Ordering::Greater => {
            let message = format!(
                "the {name} shows report {}, and the ledger of {service} knows {newest} only: it has lost what it acknowledged",
                child.revision
            );
            Some(found(Rule::LedgerBehind, message))
        }
    }
}
