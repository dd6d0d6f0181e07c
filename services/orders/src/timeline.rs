//! The events of an order in the order in which people read them.

use events::EventType;
use events::questions::HistoryEvent;
use jiff::Timestamp;

/// A recorded event and the number under which it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The number, rising with each recording.
    pub id: i64,
    /// The event.
    pub event: HistoryEvent,
}

/// Oldest first. Transitions always ascend: clocks of two leaders may differ, so one whose time is before that of its
/// predecessor counts as of the predecessor's time, and the archiving comes after all of them. What services told at the very
/// time of a transition comes before it.
#[must_use]
pub fn in_order(mut recorded: Vec<Recorded>) -> Vec<HistoryEvent> {
    recorded.sort_by_key(|entry| (entry.event.sequence.is_none(), entry.event.sequence, entry.id));
    let mut latest = Timestamp::MIN;
    let mut keyed: Vec<((Timestamp, bool, i64), HistoryEvent)> = recorded
        .into_iter()
        .map(|Recorded { id, event }| match event.sequence {
            Some(sequence) => {
                latest = latest.max(event.at);
                ((latest, true, sequence), event)
            }
            None if event.event == EventType::OrderArchived.name() => {
                ((latest.max(event.at), true, i64::MAX), event)
            }
            None => ((event.at, false, id), event),
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, event)| event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(id: i64, event: &str, second: i64, sequence: Option<i64>) -> Recorded {
        let at = Timestamp::from_second(second).unwrap();
        let event = HistoryEvent {
            at,
            event: event.into(),
            id: format!("o-1/{id}"),
            sequence,
            phase: None,
            reason: None,
            data: serde_json::Value::Null,
        };
        Recorded { id, event }
    }

    fn names(events: Vec<HistoryEvent>) -> Vec<String> {
        events.into_iter().map(|event| event.event).collect()
    }

    #[test]
    fn events_are_told_by_time_and_not_by_arrival() {
        let ordered = in_order(vec![
            recorded(1, "order.paid", 30, Some(3)),
            recorded(2, "payment.captured", 25, None),
            recorded(3, "order.placed", 10, Some(1)),
            recorded(4, "order.archived", 99, None),
            recorded(5, "order.reserved", 20, Some(2)),
        ]);
        let expected = ["order.placed", "order.reserved", "payment.captured", "order.paid", "order.archived"];
        assert_eq!(names(ordered), expected);
    }

    #[test]
    fn transitions_ascend_where_the_clock_went_backwards_or_stood_still() {
        let ordered = in_order(vec![
            recorded(1, "order.reserved", 5, Some(2)),
            recorded(2, "order.placed", 10, Some(1)),
            recorded(3, "order.paid", 10, Some(3)),
            recorded(4, "stock.reserved", 10, None),
        ]);
        assert_eq!(names(ordered), ["stock.reserved", "order.placed", "order.reserved", "order.paid"]);
    }
}
