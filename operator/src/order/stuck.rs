//! `Stuck`: one branch needs a person; the others go on, and so does the order once the branch is free again.

use resources::OrderPhase;

use super::compensating::compensating;
use super::decide::step_in;
use super::draft::Draft;
use super::paid::PAYMENT_CHANGING;
use super::plan::{Move, Rest, Step};

pub(crate) fn stuck(draft: &mut Draft<'_>) -> Step {
    let step = if draft.status.compensation.is_some() {
        compensating(draft)
    } else {
        step_in(draft.stuck_from(), draft)
    };
    match step {
        // Why it is stuck now stays readable, also where it became so for another reason.
        Step::Go(Move { phase: OrderPhase::Stuck, reason, message, .. }) => {
            let because = reason.map(|reason| (reason, draft.with_ways_out(&message)));
            Rest { because, ..Rest::default() }.step()
        }
        Step::Rest(mut rest) => {
            rest.because = rest.because.filter(|(reason, _)| reason == PAYMENT_CHANGING);
            Step::Rest(rest)
        }
        Step::Go(next) => Step::Go(next),
        Step::Ask => Step::Ask,
    }
}
