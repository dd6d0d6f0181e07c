//! What the transitions of an order add up to.

use std::collections::BTreeSet;

use jiff::Timestamp;
use resources::OrderPhase;

use crate::record::Transition;

/// The fold of an order's transitions, in whatever order they arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The phase of the greatest sequence.
    pub phase: Option<OrderPhase>,
    /// The greatest sequence.
    pub sequence: i64,
    /// The transitions 1 to this one are all recorded.
    pub complete_to: i64,
    /// Since when transitions in between are missing.
    pub gap_since: Option<Timestamp>,
    /// How far the goods went out.
    pub processed: Option<Processed>,
    /// When it was first heard of.
    pub first_seen: Timestamp,
}

/// The goods of an order went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processed {
    /// `Shipped` or `Completed`.
    pub phase: OrderPhase,
    /// When.
    pub at: Timestamp,
}

impl Summary {
    /// An order of which nothing but its existence is known.
    #[cfg(test)]
    #[must_use]
    pub const fn new(first_seen: Timestamp) -> Self {
        Self { phase: None, sequence: 0, complete_to: 0, gap_since: None, processed: None, first_seen }
    }

    /// True when the transitions beyond [`Self::complete_to`] must be known to fold `transition`.
    #[must_use]
    pub const fn needs_recorded(&self, transition: &Transition) -> bool {
        self.complete_to < self.sequence && transition.sequence == self.complete_to + 1
    }

    /// With `transition`, where `recorded` holds the sequences beyond [`Self::complete_to`] that are recorded already.
    #[must_use]
    pub fn with(self, transition: &Transition, recorded: &BTreeSet<i64>, now: Timestamp) -> Self {
        let Self { phase, sequence, complete_to, gap_since, processed, first_seen } = self;
        let newest = transition.sequence > sequence;
        let sequence = sequence.max(transition.sequence);
        let mut complete_to = complete_to;
        while transition.sequence == complete_to + 1 || recorded.contains(&(complete_to + 1)) {
            complete_to += 1;
        }
        Self {
            phase: if newest { Some(transition.phase) } else { phase },
            sequence,
            complete_to,
            gap_since: if complete_to < sequence { gap_since.or(Some(now)) } else { None },
            processed: furthest(processed, transition),
            first_seen: first_seen.min(transition.at),
        }
    }
}

/// `Completed` says more than `Shipped`; of two alike the earlier one counts.
fn furthest(known: Option<Processed>, transition: &Transition) -> Option<Processed> {
    let Transition { sequence: _, phase, at } = *transition;
    let (OrderPhase::Shipped | OrderPhase::Completed) = phase else { return known };
    let new = Processed { phase, at };
    match known {
        None => Some(new),
        Some(old) if old.phase == phase => Some(Processed { phase, at: old.at.min(at) }),
        Some(old) if old.phase == OrderPhase::Completed => Some(old),
        Some(_) => Some(new),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHASES: [OrderPhase; 5] = [
        OrderPhase::Placed,
        OrderPhase::Reserved,
        OrderPhase::Paid,
        OrderPhase::Shipped,
        OrderPhase::Completed,
    ];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + second).unwrap()
    }

    fn step(sequence: i64) -> Transition {
        let phase = PHASES[usize::try_from(sequence - 1).unwrap()];
        Transition { sequence, phase, at: at(sequence) }
    }

    /// Folds as the handler does: what is recorded is not folded again, and `recorded` is only read where needed.
    fn fold(sequences: &[i64]) -> Summary {
        let mut recorded = BTreeSet::new();
        let mut summary = Summary::new(at(100));
        for sequence in sequences {
            if !recorded.insert(*sequence) {
                continue;
            }
            let step = step(*sequence);
            let known = if summary.needs_recorded(&step) { recorded.clone() } else { BTreeSet::new() };
            summary = summary.with(&step, &known, at(50));
        }
        summary
    }

    #[test]
    fn the_phase_is_that_of_the_greatest_sequence_however_they_arrive() {
        let summary = fold(&[1, 3, 2]);
        assert_eq!((summary.phase, summary.sequence), (Some(OrderPhase::Paid), 3));
        assert_eq!((summary.complete_to, summary.gap_since), (3, None));
    }

    #[test]
    fn a_missing_transition_is_a_gap_from_when_it_was_noticed_until_it_is_filled() {
        let gap = fold(&[1, 3, 4]);
        assert_eq!((gap.complete_to, gap.sequence, gap.gap_since), (1, 4, Some(at(50))));
        let filled = fold(&[1, 3, 4, 2]);
        assert_eq!((filled.complete_to, filled.gap_since), (4, None));
        assert_eq!(fold(&[2]).gap_since, Some(at(50)), "the first one can be missing too");
        assert_eq!(fold(&[1, 3, 5, 2]).complete_to, 3, "a filled gap leaves the next one");
    }

    #[test]
    fn an_order_is_processed_once_it_was_shipped_and_stays_so() {
        assert_eq!(fold(&[1, 2, 3]).processed, None);
        let shipped = Processed { phase: OrderPhase::Shipped, at: at(4) };
        assert_eq!(fold(&[1, 2, 3, 4]).processed, Some(shipped));
        let failed = Transition { sequence: 5, phase: OrderPhase::Failed, at: at(5) };
        assert_eq!(fold(&[1, 2, 3, 4]).with(&failed, &BTreeSet::new(), at(50)).processed, Some(shipped));
    }

    proptest! {
        #[test]
        fn any_order_and_any_repeats_add_up_to_the_same(
            sequences in Just(vec![1, 2, 3, 4, 5, 1, 3, 5]).prop_shuffle(),
        ) {
            prop_assert_eq!(fold(&sequences), fold(&[1, 2, 3, 4, 5]));
        }

        #[test]
        fn a_summary_is_complete_exactly_when_nothing_is_missing(
            sequences in prop::collection::vec(1..=5_i64, 0..8),
        ) {
            let summary = fold(&sequences);
            let known: BTreeSet<i64> = sequences.into_iter().collect();
            let complete = (1..).take_while(|sequence| known.contains(sequence)).count();
            prop_assert_eq!(summary.complete_to, i64::try_from(complete).unwrap());
            prop_assert_eq!(summary.gap_since.is_some(), complete < known.len());
        }
    }
}
