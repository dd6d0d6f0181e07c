//! Money back: pure, with time and ids passed in.

use std::collections::BTreeMap;

use super::errors::ApiError;
use super::methods::{self, Behaviour, REFUND_REFUSED};
use super::model::{Happening, Intent, Outcome, Refund, RefundStatus, Settling};

/// How long a refund takes that does not end at once.
const SETTLES_MILLIS: i64 = 2_000;

/// What a refund asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewRefund {
    /// Else all that is left.
    pub amount: Option<i64>,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// Gives money of a succeeded intent back, never more than is left of it.
pub(crate) fn refund(intent: &mut Intent, new: NewRefund, id: String, now: i64) -> Result<Refund, ApiError> {
    let intent_id = intent.id.clone();
    let taken =
        intent.charges.iter().rposition(|charge| charge.captured && charge.outcome == Outcome::Succeeded);
    let Some(index) = taken else {
        let message =
            format!("This PaymentIntent ({intent_id}) does not have a successful charge to refund.");
        return Err(ApiError::unexpected_state(intent, message));
    };
    let charge = &intent.charges[index];
    let behaviour = methods::behaviour(&charge.payment_method);
    if behaviour == Some(Behaviour::RefundFails) {
        let card = REFUND_REFUSED.error(&charge.payment_method, Some(charge.id.clone()));
        return Err(ApiError::card(card, intent));
    }
    let left = charge.amount_captured - charge.amount_refunded;
    if left == 0 && charge.amount_captured > 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::refused("charge_already_refunded", "payment_intent", message));
    }
    let amount = new.amount.unwrap_or(left);
    if amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).");
        return Err(ApiError::refused("amount_too_large", "amount", message));
    }
    let settling = |status| Some(Settling { at_millis: now + SETTLES_MILLIS, status });
    let (status, settles) = match behaviour {
        Some(Behaviour::RefundComesBack) => (RefundStatus::Succeeded, settling(RefundStatus::Failed)),
        Some(Behaviour::RefundPending) => (RefundStatus::Pending, settling(RefundStatus::Succeeded)),
        _ => (RefundStatus::Succeeded, None),
    };
    let charge = &mut intent.charges[index];
    charge.amount_refunded += amount;
    Ok(Refund {
        id,
        sequence: 0,
        payment_intent: intent_id,
        charge: charge.id.clone(),
        amount,
        currency: intent.currency.clone(),
        reason: new.reason,
        metadata: new.metadata,
        created: now / 1000,
        status,
        settles,
    })
}

/// A refund goes on once its time has come: what fails is the shop's money again.
pub(crate) fn settle(intent: &mut Intent, refund: &mut Refund, now: i64) -> Option<Vec<Happening>> {
    let Settling { status, .. } = refund.settles.filter(|settling| settling.at_millis <= now)?;
    refund.settles = None;
    refund.status = status;
    match status {
        RefundStatus::Pending | RefundStatus::Succeeded => Some(vec![Happening::RefundUpdated]),
        RefundStatus::Failed => {
            for charge in intent.charges.iter_mut().filter(|charge| charge.id == refund.charge) {
                charge.amount_refunded -= refund.amount;
            }
            Some(vec![Happening::RefundUpdated, Happening::RefundFailed])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::intents::{Confirmation, NewIntent, Stamp, confirm, create};
    use super::super::model::CaptureMethod;
    use super::*;

    fn paid(method: &str, amount: i64, capture_method: CaptureMethod) -> Intent {
        let new = NewIntent {
            amount,
            currency: "eur".into(),
            capture_method,
            payment_method: Some(method.into()),
            metadata: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut intent = create("pi_1".into(), new, 0);
        let stamp = Stamp { now: 0, charge_id: "ch_1".into() };
        confirm(&mut intent, Confirmation::default(), &stamp).unwrap();
        intent
    }

    fn give_back(intent: &mut Intent, amount: Option<i64>) -> Result<Refund, ApiError> {
        refund(intent, NewRefund { amount, ..NewRefund::default() }, "re_1".into(), 0)
    }

    #[test]
    fn refunds_never_give_more_than_was_taken() {
        let mut intent = paid("pm_card_visa", 100, CaptureMethod::Automatic);
        assert_eq!(give_back(&mut intent, Some(30)).unwrap().amount, 30);
        assert_eq!(give_back(&mut intent, Some(71)).unwrap_err().code(), "amount_too_large");
        assert_eq!(give_back(&mut intent, None).unwrap().amount, 70);
        assert_eq!(give_back(&mut intent, None).unwrap_err().code(), "charge_already_refunded");
    }

    #[test]
    fn what_was_not_taken_cannot_be_given_back() {
        let mut authorized = paid("pm_card_visa", 100, CaptureMethod::Manual);
        assert!(give_back(&mut authorized, None).is_err());
        let mut declined = paid("pm_card_chargeDeclined", 100, CaptureMethod::Automatic);
        assert!(give_back(&mut declined, None).is_err());
    }

    #[test]
    fn a_refund_that_fails_later_gives_the_money_to_the_shop_again() {
        let mut intent = paid("pm_card_refundFail", 100, CaptureMethod::Automatic);
        let mut made = give_back(&mut intent, None).unwrap();
        assert_eq!((made.status, intent.charges[0].amount_refunded), (RefundStatus::Succeeded, 100));
        assert_eq!(settle(&mut intent, &mut made, 1_999), None);
        let told = settle(&mut intent, &mut made, 2_000).unwrap();
        assert_eq!(told, [Happening::RefundUpdated, Happening::RefundFailed]);
        assert_eq!((made.status, intent.charges[0].amount_refunded), (RefundStatus::Failed, 0));
        assert_eq!(settle(&mut intent, &mut made, 9_000), None, "once");
        assert_eq!(give_back(&mut intent, None).unwrap().amount, 100);
    }

    #[test]
    fn a_refund_may_be_pending_and_succeed_later() {
        let mut intent = paid("pm_card_pendingRefund", 100, CaptureMethod::Automatic);
        let mut made = give_back(&mut intent, None).unwrap();
        assert_eq!((made.status, intent.charges[0].amount_refunded), (RefundStatus::Pending, 100));
        assert_eq!(give_back(&mut intent, None).unwrap_err().code(), "charge_already_refunded");
        assert_eq!(settle(&mut intent, &mut made, 2_000), Some(vec![Happening::RefundUpdated]));
        assert_eq!(made.status, RefundStatus::Succeeded);
    }

    #[test]
    fn a_free_order_can_be_refunded_and_a_refusing_card_never() {
        assert_eq!(
            give_back(&mut paid("pm_card_visa", 0, CaptureMethod::Automatic), None).unwrap().amount,
            0
        );
        let mut refusing = paid("pm_sandbox_refund_fails", 100, CaptureMethod::Automatic);
        let error = give_back(&mut refusing, None).unwrap_err();
        assert_eq!((error.status, error.code()), (402, "card_declined"));
        assert_eq!(refusing.charges[0].amount_refunded, 0);
    }
}
