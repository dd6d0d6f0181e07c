//! May this customer order? A pure function of what is known of them.

use events::questions::{CheckCustomer, CheckCustomerAnswer, Refusal};

use crate::questions::User;

/// Guests pass; users pass when they are known and enabled. `user` is the one whose id the question names.
#[must_use]
pub fn check(question: &CheckCustomer, user: Option<&User>) -> CheckCustomerAnswer {
    // The email is where messages about this one order go: it need not be the account's.
    let CheckCustomer { id, email: _ } = question;
    match (id, user) {
        (None, _) => CheckCustomerAnswer::Allowed,
        (Some(id), None) => refused(
            "CustomerUnknown",
            format!("there is no customer {id}: sign up first, or order as a guest, without a customer id"),
        ),
        (Some(id), Some(user)) if user.disabled => refused(
            "CustomerDisabled",
            format!("the account {id} is disabled and cannot order: ask the shop to enable it"),
        ),
        (Some(_), Some(_)) => CheckCustomerAnswer::Allowed,
    }
}

fn refused(reason: &str, message: String) -> CheckCustomerAnswer {
    CheckCustomerAnswer::Refused(Refusal { reason: reason.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn user(disabled: bool) -> User {
        let at = Timestamp::UNIX_EPOCH;
        User { id: "c-1".into(), email: "a@example.com".into(), name: None, disabled, created_at: at }
    }

    fn asked(id: Option<&str>) -> CheckCustomer {
        CheckCustomer { id: id.map(str::to_owned), email: "other@example.com".into() }
    }

    fn reason(answer: CheckCustomerAnswer) -> Option<String> {
        match answer {
            CheckCustomerAnswer::Allowed => None,
            CheckCustomerAnswer::Refused(refusal) => Some(refusal.reason),
        }
    }

    #[test]
    fn guests_and_enabled_users_may_order() {
        assert_eq!(reason(check(&asked(None), None)), None);
        assert_eq!(reason(check(&asked(Some("c-1")), Some(&user(false)))), None);
    }

    #[test]
    fn unknown_and_disabled_users_may_not_and_are_told_what_to_do() {
        assert_eq!(
            reason(check(&asked(Some("c-1")), Some(&user(true)))).as_deref(),
            Some("CustomerDisabled")
        );
        let CheckCustomerAnswer::Refused(Refusal { reason, message }) = check(&asked(Some("c-9")), None)
        else {
            panic!("allowed");
        };
        assert_eq!(reason, "CustomerUnknown");
        assert_eq!(
            message,
            "there is no customer c-9: sign up first, or order as a guest, without a customer id"
        );
    }
}
