//! `Stuck`: one branch needs a person; the others go on, and so does the order once the branch is free again.

use resources::OrderPhase;

use super::compensating::compensating;
use super::decide::step_in;
use super::draft::Draft;
use super::plan::{Rest, Step};

pub(crate) fn stuck(draft: &mut Draft<'_>) -> Step {
    let step = if draft.status.compensation.is_some() {
        compensating(draft)
    } else {
        let before = draft
            .status
            .history
            .iter()
            .rev()
            .map(|entry| entry.phase)
            .find(|phase| *phase != OrderPhase::Stuck);
        before.map_or_else(|| Rest::default().step(), |phase| step_in(phase, draft))
    };
    match step {
        Step::Go(next) if next.phase == OrderPhase::Stuck => Rest::default().step(),
        Step::Rest(mut rest) => {
            // Why it is stuck stays readable.
            rest.because = None;
            Step::Rest(rest)
        }
        Step::Go(next) => Step::Go(next),
        Step::Ask => Step::Ask,
    }
}
