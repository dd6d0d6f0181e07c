//! May an order be kept for ever and let go? Decided from what is recorded and what the resources say.

use std::collections::BTreeSet;

use events::PaymentChanged;
use events::questions::Archive;
use money::Money;
use resources::{OrderPhase, PaymentPhase, PaymentStatus};
use serde_json::Value;

/// Why this can never be archived as it is asked; `None` when it can be looked at.
#[must_use]
pub fn fault(question: &Archive) -> Option<String> {
    let Archive { order_id, namespace, name, phase: _, sequence, transitions, snapshot } = question;
    if order_id.is_empty() || namespace.is_empty() || name.is_empty() {
        return Some("an archive needs the order's id, namespace and name".to_owned());
    }
    if *sequence < 0 {
        return Some(format!("sequence is {sequence}: transitions are counted from 1"));
    }
    if !snapshot.is_object() {
        return Some(format!(
            "the snapshot of the order {order_id} is no object: send the order and its children"
        ));
    }
    let other = transitions.iter().find(|transition| {
        (&transition.order_id, &transition.namespace, &transition.name) != (order_id, namespace, name)
    })?;
    Some(format!(
        "transition {} is of the order {} ({}/{}), not of {order_id} ({namespace}/{name})",
        other.sequence, other.order_id, other.namespace, other.name
    ))
}

/// Why the order is not at its end; `None` when it is. A shipped order may go too: nothing is left to be undone.
#[must_use]
pub fn unfinished(phase: OrderPhase) -> Option<String> {
    match phase {
        OrderPhase::Completed
        | OrderPhase::Rejected
        | OrderPhase::Failed
        | OrderPhase::Cancelled
        | OrderPhase::Shipped => None,
        OrderPhase::Placed
        | OrderPhase::Reserved
        | OrderPhase::AwaitingPayment
        | OrderPhase::Paid
        | OrderPhase::Compensating
        | OrderPhase::Stuck => Some(format!("the order is {phase}, which is no end")),
    }
}

/// Which transitions of 1 to `sequence` are not recorded, in words; `None` when all are.
#[must_use]
pub fn missing_transitions(recorded: &BTreeSet<i64>, sequence: i64) -> Option<String> {
    let mut gaps: Vec<(i64, i64)> = Vec::new();
    let mut next = 1;
    for known in recorded.iter().copied().filter(|known| (1..=sequence).contains(known)) {
        if known > next {
            gaps.push((next, known - 1));
        }
        next = known + 1;
    }
    if next <= sequence {
        gaps.push((next, sequence));
    }
    let words: Vec<String> = gaps
        .iter()
        .map(|(first, last)| if first == last { format!("{first}") } else { format!("{first} to {last}") })
        .collect();
    (!words.is_empty())
        .then(|| format!("transitions {} of 1 to {sequence} are not recorded", words.join(", ")))
}

/// The money of an order as one source tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct MoneyView {
    /// The number of the report: the greatest tells the newest.
    pub revision: i64,
    /// What has come true; absent when payment has not answered.
    pub phase: Option<PaymentPhase>,
    /// How much was taken.
    pub captured: Option<Money>,
    /// How much of it was given back.
    pub refunded: Option<Money>,
}

impl From<PaymentChanged> for MoneyView {
    fn from(changed: PaymentChanged) -> Self {
        let PaymentChanged { revision, phase, captured, refunded, .. } = changed;
        Self { revision, phase: Some(phase), captured: Some(captured), refunded: Some(refunded) }
    }
}

impl From<PaymentStatus> for MoneyView {
    fn from(status: PaymentStatus) -> Self {
        let PaymentStatus { revision, phase, captured, refunded, .. } = status;
        Self { revision, phase, captured, refunded }
    }
}

/// The statuses of all payments in a snapshot, wherever in it they are.
///
/// # Errors
/// When a status is not of its form.
pub fn payments_in(snapshot: &Value) -> Result<Vec<MoneyView>, String> {
    let mut found = Vec::new();
    collect_payments(snapshot, false, &mut found)?;
    Ok(found)
}

fn collect_payments(value: &Value, is_payment: bool, found: &mut Vec<MoneyView>) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            // An order's own spec and status have a payment too: a resource is told by its metadata.
            let is_resource = fields.contains_key("metadata");
            let is_kind = fields.get("kind").and_then(Value::as_str) == Some("Payment");
            if is_resource && (is_kind || is_payment) {
                let status = fields.get("status").cloned().filter(|status| !status.is_null());
                let status: PaymentStatus =
                    status.map_or_else(|| Ok(PaymentStatus::default()), serde_json::from_value).map_err(
                        |error| format!("the status of the payment in the snapshot cannot be read: {error}"),
                    )?;
                found.push(status.into());
                return Ok(());
            }
            fields.iter().try_for_each(|(key, inner)| {
                let is_payment = key.eq_ignore_ascii_case("payment") || key.eq_ignore_ascii_case("payments");
                collect_payments(inner, is_payment, found)
            })
        }
        Value::Array(entries) => {
            entries.iter().try_for_each(|entry| collect_payments(entry, is_payment, found))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// What is undecided about the money of an order that ended in `phase`; `None` when nothing is. The newest of `views`
/// counts; without any, none was ever asked for.
#[must_use]
pub fn undecided_money(phase: OrderPhase, views: &[MoneyView]) -> Option<String> {
    let newest = views.iter().max_by_key(|view| view.revision)?;
    let undecided = |what: &str| Some(format!("money is undecided: {what}"));
    match newest.phase {
        None | Some(PaymentPhase::Pending) => undecided("payment has not answered"),
        Some(PaymentPhase::Unknown) => undecided("the provider's answer did not arrive"),
        Some(PaymentPhase::ActionRequired) => undecided("the customer could still confirm the payment"),
        Some(PaymentPhase::Authorized) => undecided("it is promised, and neither taken nor let go"),
        Some(PaymentPhase::Captured) => {
            let kept =
                newest.captured.filter(|captured| !captured.is_zero() && newest.refunded != Some(*captured));
            match (phase, kept) {
                (OrderPhase::Rejected | OrderPhase::Failed | OrderPhase::Cancelled, Some(captured)) => {
                    undecided(&format!(
                        "{captured} were taken and not given back although the order is {phase}"
                    ))
                }
                _ => None,
            }
        }
        // Failed is decided by a person: the undo failed for good, and the order went on only because they said so.
        Some(
            PaymentPhase::Declined | PaymentPhase::Voided | PaymentPhase::Refunded | PaymentPhase::Failed,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(revision: i64, phase: PaymentPhase, captured: &str, refunded: &str) -> MoneyView {
        let money = |text: &str| Some(text.parse().unwrap());
        MoneyView { revision, phase: Some(phase), captured: money(captured), refunded: money(refunded) }
    }

    #[test]
    fn missing_transitions_are_named() {
        let recorded = BTreeSet::from([1, 3, 7]);
        let missing = missing_transitions(&recorded, 8).unwrap();
        assert_eq!(missing, "transitions 2, 4 to 6, 8 of 1 to 8 are not recorded");
        assert_eq!(missing_transitions(&recorded, 1), None);
        assert_eq!(missing_transitions(&BTreeSet::new(), 0), None, "an order that was never quoted has none");
        assert_eq!(
            missing_transitions(&BTreeSet::new(), 1).unwrap(),
            "transitions 1 of 1 to 1 are not recorded"
        );
    }

    #[test]
    fn only_an_ended_or_shipped_order_may_go() {
        for phase in [
            OrderPhase::Completed,
            OrderPhase::Rejected,
            OrderPhase::Failed,
            OrderPhase::Cancelled,
            OrderPhase::Shipped,
        ] {
            assert_eq!(unfinished(phase), None);
        }
        assert_eq!(unfinished(OrderPhase::Stuck).unwrap(), "the order is Stuck, which is no end");
    }

    #[test]
    fn money_that_may_still_move_keeps_an_order_from_going() {
        for phase in [
            PaymentPhase::Pending,
            PaymentPhase::Unknown,
            PaymentPhase::ActionRequired,
            PaymentPhase::Authorized,
        ] {
            let undecided = undecided_money(OrderPhase::Cancelled, &[view(2, phase, "0 EUR", "0 EUR")]);
            assert!(undecided.unwrap().starts_with("money is undecided: "), "{phase:?}");
        }
        for phase in
            [PaymentPhase::Declined, PaymentPhase::Voided, PaymentPhase::Refunded, PaymentPhase::Failed]
        {
            assert_eq!(undecided_money(OrderPhase::Failed, &[view(2, phase, "9 EUR", "9 EUR")]), None);
        }
        assert_eq!(undecided_money(OrderPhase::Rejected, &[]), None, "no payment was ever asked for");
    }

    #[test]
    fn money_taken_is_kept_by_a_delivered_order_and_given_back_by_one_that_ended_without_goods() {
        let kept = [view(2, PaymentPhase::Captured, "31.80 EUR", "0 EUR")];
        assert_eq!(undecided_money(OrderPhase::Completed, &kept), None);
        assert_eq!(
            undecided_money(OrderPhase::Cancelled, &kept).unwrap(),
            "money is undecided: 31.80 EUR were taken and not given back although the order is Cancelled"
        );
        let returned = [view(2, PaymentPhase::Captured, "31.80 EUR", "31.80 EUR")];
        assert_eq!(undecided_money(OrderPhase::Cancelled, &returned), None);
    }

    #[test]
    fn the_newest_report_counts_wherever_it_comes_from() {
        let late = view(3, PaymentPhase::Captured, "9 EUR", "0 EUR");
        let voided = view(2, PaymentPhase::Voided, "0 EUR", "0 EUR");
        assert!(undecided_money(OrderPhase::Cancelled, &[voided.clone(), late.clone()]).is_some());
        let refunded = view(4, PaymentPhase::Refunded, "9 EUR", "9 EUR");
        assert_eq!(undecided_money(OrderPhase::Cancelled, &[voided, late, refunded]), None);
    }

    #[test]
    fn the_payment_is_found_in_the_snapshot_by_its_kind_or_its_place() {
        let payment = json!({"metadata": {}, "status": {"phase": "Unknown", "revision": 3}});
        let mut typed = payment.clone();
        typed["kind"] = "Payment".into();
        let order = json!({"kind": "Order", "metadata": {}, "spec": {"payment": {"method": "pm_card_visa"}},
                           "status": {"payment": "Unknown"}});
        for snapshot in [
            json!({"order": order, "payment": payment}),
            json!({"order": order, "children": [{"kind": "Shipment", "metadata": {}}, typed]}),
            json!({"order": order, "payments": [payment]}),
        ] {
            let found = payments_in(&snapshot).unwrap();
            assert_eq!(found.len(), 1, "{snapshot}");
            assert_eq!((found[0].phase, found[0].revision), (Some(PaymentPhase::Unknown), 3));
        }
        assert_eq!(payments_in(&json!({"order": order})).unwrap(), []);
        let unanswered = payments_in(&json!({"payment": {"metadata": {}}})).unwrap();
        assert!(undecided_money(OrderPhase::Failed, &unanswered).is_some());
        assert!(payments_in(&json!({"payment": {"metadata": {}, "status": {"phase": "Eaten"}}})).is_err());
    }
}
