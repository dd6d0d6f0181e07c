//! Unquoted and `Placed`: what it costs, and whether the goods can be had.

use events::questions::{CheckCustomerAnswer, QuoteAnswer, Refusal};
use money::Money;
use resources::{Line, OrderPhase, ReservationPhase};

use super::draft::{Draft, quotes};
use super::hold::released_by_hand;
use super::plan::{Move, Rest, Step};
use super::quotation::Quotation;

/// An order without a phase: quoted and placed, or rejected.
pub(crate) fn unquoted(draft: &mut Draft<'_>) -> Step {
    if let Some(reservation) = draft.reservation() {
        // The order was placed, and the status did not tell: the reservation keeps its quote.
        let (lines, total) = (reservation.spec.lines.clone(), reservation.spec.total);
        return place(draft, lines, total);
    }
    if let Some(step) = draft.stop_wish() {
        // Nothing is known to be done; what may be on its way is undone all the same.
        return step;
    }
    let Some(quotation) = draft.situation.quotation else { return Step::Ask };
    match judge(draft, quotation) {
        Ok((lines, total)) => place(draft, lines, total),
        Err(Refusal { reason, message }) => Move::to(OrderPhase::Rejected, Some(&reason), message),
    }
}

fn place(draft: &mut Draft<'_>, lines: Vec<Line>, total: Money) -> Step {
    draft.status.lines = lines;
    draft.status.total = Some(total);
    Move::to(OrderPhase::Placed, None, "The order is placed; the goods are being set aside.")
}

/// The quote, or why the order is refused. Who may not order is told so first; the price comes last.
fn judge(draft: &Draft<'_>, quotation: &Quotation) -> Result<(Vec<Line>, Money), Refusal> {
    let refuse = |reason: &str, message: String| Err(Refusal { reason: reason.to_owned(), message });
    let Quotation { quote, customer, recalled } = quotation;
    if let Some(processed) = &recalled.processed {
        return refuse(
            "AlreadyProcessed",
            format!(
                "An order of this name was {} on {}: see supercargo order history. Choose another name to order again.",
                processed.phase.as_str().to_lowercase(),
                processed.at.strftime("%Y-%m-%d")
            ),
        );
    }
    if let CheckCustomerAnswer::Refused(refusal) = customer {
        return Err(refusal.clone());
    }
    let (lines, total) = match quote {
        QuoteAnswer::Refused(refusal) => return Err(refusal.clone()),
        QuoteAnswer::Quoted { lines, total } => (lines, *total),
    };
    let currency = draft.situation.policy.currency;
    match draft.spec().expected_total {
        Some(expected) if expected.currency() != currency => refuse(
            "CurrencyMismatch",
            format!("The expected total is in {}, the shop sells in {currency}.", expected.currency()),
        ),
        Some(expected) if expected != total => refuse(
            "PriceChanged",
            format!("The total is {total}, not {expected} as expected: look at the prices and order again."),
        ),
        Some(_) | None => Ok((lines.clone(), total)),
    }
}

/// `Placed`: the goods are asked for.
pub(crate) fn placed(draft: &mut Draft<'_>) -> Step {
    let answer = draft.reservation().and_then(|reservation| reservation.answer);
    let paying = draft.payment().is_some();
    let quoted_lines = draft.reservation().map_or(draft.lines(), |reservation| &reservation.spec.lines);
    let quoted_anew = !paying && !quotes(quoted_lines, &draft.spec().items);

    if let Some(reservation) = draft.reservation().filter(|_| !quoted_anew) {
        // What was asked for keeps its quote, also when the items were others in between.
        draft.status.lines.clone_from(&reservation.spec.lines);
        draft.status.total = Some(reservation.spec.total);
    }
    if let Some(step) = released_by_hand(draft) {
        return step;
    }
    if paying {
        // Money is asked for only once the goods are held: so they were, whatever inventory is asked by now.
        return goods_are_held();
    }
    if !quoted_anew && let Some(step) = answer.and_then(|answer| after_answer(draft, answer)) {
        return step;
    }
    if let Some(step) = draft.stop_wish() {
        return step;
    }
    let unquoted = !quotes(draft.lines(), &draft.spec().items);
    if unquoted || is_edited_at_rest(draft) {
        let Some(quotation) = draft.situation.quotation else { return Step::Ask };
        match judge(draft, quotation) {
            Ok((lines, total)) => {
                draft.status.lines = lines;
                draft.status.total = Some(total);
            }
            Err(Refusal { reason, message }) if draft.reservation().is_none() => {
                return Move::to(OrderPhase::Rejected, Some(&reason), message);
            }
            Err(Refusal { reason, message }) => {
                return Move::compensate(OrderPhase::Failed, &reason, message);
            }
        }
    }
    if draft.is_suspended() {
        return Rest::default()
            .because("Suspended", "The order is suspended: it asks for nothing until it is resumed.")
            .step();
    }
    let asked = draft.reservation().is_some() && !quoted_anew;
    let effects = if asked { Vec::new() } else { vec![draft.hold(None)] };
    Rest::wanting(effects).step()
}

/// True when who orders, at which price, may have changed: while it was suspended it could.
fn is_edited_at_rest(draft: &Draft<'_>) -> bool {
    let rested = draft.situation.status.waiting_since.is_none();
    rested && draft.is_edited() && draft.reservation().is_none()
}

fn after_answer(draft: &Draft<'_>, answer: ReservationPhase) -> Option<Step> {
    match answer {
        ReservationPhase::Held | ReservationPhase::Committed => Some(goods_are_held()),
        ReservationPhase::Insufficient | ReservationPhase::Expired => {
            let message = draft.reservation().and_then(|reservation| reservation.message);
            let message = message.unwrap_or("At least one article is out of stock.");
            let message = format!("{message} Nothing was charged.");
            Some(Move::to(OrderPhase::Failed, Some("OutOfStock"), message))
        }
        ReservationPhase::Released | ReservationPhase::Pending => None,
    }
}

fn goods_are_held() -> Step {
    Move::to(OrderPhase::Reserved, None, "The goods are set aside; payment is being made.")
}
