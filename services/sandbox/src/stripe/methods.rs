//! The test payment methods: Stripe's published ones, and the sandbox's own for outages and lost answers.

use serde::{Deserialize, Serialize};

/// Why a card was refused, as it stands in `last_payment_error` and in error bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CardError {
    pub code: String,
    pub decline_code: Option<String>,
    pub message: String,
    /// The method that was tried, as the intent forgets it.
    pub payment_method: String,
    /// The failed charge, if there was one.
    pub charge: Option<String>,
}

/// A refusal, before it has met an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub code: &'static str,
    pub decline_code: Option<&'static str>,
    pub message: &'static str,
}

impl Decline {
    /// The refusal of this method's charge.
    pub fn error(self, payment_method: &str, charge: Option<String>) -> CardError {
        CardError {
            code: self.code.to_owned(),
            decline_code: self.decline_code.map(str::to_owned),
            message: self.message.to_owned(),
            payment_method: payment_method.to_owned(),
            charge,
        }
    }
}

/// What a method does when it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// The charge succeeds.
    Succeeds,
    /// The charge is refused.
    Declines(Decline),
    /// The customer must authenticate; the charge is then refused, if a decline is given.
    Authenticates(Option<Decline>),
    /// Charged, and the answer is lost.
    Timeout,
    /// Not charged, and the answer is lost.
    TimeoutUncharged,
    /// The answer is lost and the charge succeeds a little later.
    Late,
    /// 503 for the first seconds of an order.
    Unavailable,
    /// The charge succeeds and its refunds are refused.
    RefundFails,
    /// The charge succeeds; its refunds succeed, and fail a little later.
    RefundComesBack,
    /// The charge succeeds; its refunds are pending, and succeed a little later.
    RefundPending,
}

const fn declined(decline_code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code: Some(decline_code), message }
}

/// The refusal of a card that needs authentication while the customer is away.
pub(crate) const AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    decline_code: Some("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
};
/// The refusal after a failed authentication.
pub(crate) const AUTHENTICATION_FAILED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: None,
    message: "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new \
              PaymentMethod to attempt to fulfill this PaymentIntent again.",
};
/// The refusal of a refund.
pub(crate) const REFUND_REFUSED: Decline = declined("do_not_honor", "The card does not accept this refund.");

const GENERIC: Decline = declined("generic_decline", "Your card was declined.");
const INSUFFICIENT_FUNDS: Decline = declined("insufficient_funds", "Your card has insufficient funds.");

const COUNTRIES: &str = " us ar br ca mx pa py ae at be by hr cy cz dk ee fi fr de gi gr hu ie it lv li lt lu mt nl no pl pt ro \
    sa si sk es se ch gb au cn hk in jp my nz sg tw th uy cl co cr ec pe bg tr ";
const BRANDS: &str = " amex cartesBancaires diners discover jcb mastercard mastercard_debit mastercard_prepaid unionpay visa \
    visa_debit ";

/// What a method does, or none for a method that does not exist.
pub(crate) fn behaviour(method: &str) -> Option<Behaviour> {
    if let Some(own) = method.strip_prefix("pm_sandbox_") {
        return match own {
            "timeout" => Some(Behaviour::Timeout),
            "timeout_uncharged" => Some(Behaviour::TimeoutUncharged),
            "late" => Some(Behaviour::Late),
            "unavailable" => Some(Behaviour::Unavailable),
            "refund_fails" => Some(Behaviour::RefundFails),
            _ => None,
        };
    }
    let name = method.strip_prefix("pm_card_")?;
    if !name.contains(' ')
        && (BRANDS.contains(&format!(" {name} ")) || COUNTRIES.contains(&format!(" {name} ")))
    {
        return Some(Behaviour::Succeeds);
    }
    if let Some(reason) = name.strip_prefix("visa_").unwrap_or(name).strip_prefix("chargeDeclined") {
        return decline(reason).map(Behaviour::Declines);
    }
    match name {
        "bypassPending" | "createDispute" => Some(Behaviour::Succeeds),
        "refundFail" => Some(Behaviour::RefundComesBack),
        "pendingRefund" => Some(Behaviour::RefundPending),
        "chargeCustomerFail" => Some(Behaviour::Declines(GENERIC)),
        "radarBlock" => Some(Behaviour::Declines(declined("fraudulent", "Your card was declined."))),
        "authenticationRequired"
        | "threeDSecure2Required"
        | "threeDSecureRequired"
        | "authenticationRequiredOnSetup" => Some(Behaviour::Authenticates(None)),
        "authenticationRequiredChargeDeclinedInsufficientFunds" => {
            Some(Behaviour::Authenticates(Some(INSUFFICIENT_FUNDS)))
        }
        _ => None,
    }
}

fn decline(reason: &str) -> Option<Decline> {
    let plain = |code, message| Decline { code, decline_code: Some(code), message };
    match reason {
        "" => Some(GENERIC),
        "InsufficientFunds" => Some(INSUFFICIENT_FUNDS),
        "LostCard" => Some(declined("lost_card", "Your card was declined.")),
        "StolenCard" => Some(declined("stolen_card", "Your card was declined.")),
        "Fraudulent" => Some(declined("fraudulent", "Your card was declined.")),
        "VelocityLimitExceeded" => Some(declined(
            "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        )),
        "ExpiredCard" => Some(plain("expired_card", "Your card has expired.")),
        "IncorrectCvc" => Some(plain("incorrect_cvc", "Your card's security code is incorrect.")),
        "ProcessingError" => Some(plain(
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        )),
        _ => None,
    }
}

/// The brand that a card shows.
pub(crate) fn brand(method: &str) -> &'static str {
    let name = method.strip_prefix("pm_card_").unwrap_or_default();
    ["mastercard", "amex", "discover", "diners", "jcb", "unionpay"]
        .into_iter()
        .find(|brand| name.starts_with(brand))
        .unwrap_or("visa")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_declined_card_decline_alike() {
        for reason in ["", "InsufficientFunds", "LostCard", "ExpiredCard", "IncorrectCvc", "ProcessingError"]
        {
            let long = behaviour(&format!("pm_card_visa_chargeDeclined{reason}"));
            assert_eq!(long, behaviour(&format!("pm_card_chargeDeclined{reason}")));
            assert!(matches!(long, Some(Behaviour::Declines(_))), "{reason}");
        }
    }

    #[test]
    fn published_cards_succeed_and_unknown_ones_do_not_exist() {
        for method in ["pm_card_visa", "pm_card_mastercard_prepaid", "pm_card_amex", "pm_card_de"] {
            assert_eq!(behaviour(method), Some(Behaviour::Succeeds), "{method}");
        }
        for method in
            ["", "pm_card_", "pm_card_nope", "pm_1abc", "pm_card_visa_chargeDeclinedNever", "pm_sandbox_x"]
        {
            assert_eq!(behaviour(method), None, "{method}");
        }
    }
}
