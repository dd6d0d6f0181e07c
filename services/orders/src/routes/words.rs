//! What an order says of itself, as shoppers can do something about it: they have no resource to edit.

/// What the operator tells people at a cluster to do, and how the same is done here.
const SAID_HERE: [(&str, &str); 4] = [
    (
        "Set another spec.payment.method, or raise spec.payment.retry to try the same again",
        "Choose another payment method, or the same again, by PUT /orders/{id}/payment",
    ),
    (
        "set another spec.payment.method, or raise spec.payment.retry",
        "choose another payment method, or the same again, by PUT /orders/{id}/payment",
    ),
    ("set spec.payment.method", "choose one by PUT /orders/{id}/payment"),
    ("cancel it (spec.cancel)", "cancel it by PUT /orders/{id}/cancel"),
];

/// The message in words of this API; sentences that only help at a cluster are left out.
pub(super) fn for_shoppers(message: &str) -> String {
    let mut said = message.to_owned();
    for (there, here) in SAID_HERE {
        said = said.replace(there, here);
    }
    if !said.contains("spec.") {
        return said;
    }
    let kept: String = said.split_inclusive(". ").filter(|sentence| !sentence.contains("spec.")).collect();
    kept.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shoppers_are_told_what_they_can_do_here() {
        for (there, here) in [
            (
                "Your card was declined. Set another spec.payment.method, or raise spec.payment.retry to try the same again.",
                "Your card was declined. Choose another payment method, or the same again, by PUT /orders/{id}/payment.",
            ),
            (
                "The goods are set aside, but no payment method was given: set spec.payment.method.",
                "The goods are set aside, but no payment method was given: choose one by PUT /orders/{id}/payment.",
            ),
            (
                "The payment has not been made: set another spec.payment.method, or raise spec.payment.retry.",
                "The payment has not been made: choose another payment method, or the same again, by PUT /orders/{id}/payment.",
            ),
            (
                "The order waits. Set spec.suspend to false. Then it goes on.",
                "The order waits. Then it goes on.",
            ),
            ("Your card was declined.", "Your card was declined."),
        ] {
            assert_eq!(for_shoppers(there), here);
        }
    }
}
