//! What an account may look like: the bounds of the resources' `customer`.

use crate::questions::AddUser;

const LONGEST_ID: usize = 63;
const LONGEST_EMAIL: usize = 254;
const LONGEST_NAME: usize = 200;

/// Why `id` is no user id.
pub(crate) fn fault_of_id(id: &str) -> Option<String> {
    let fits = id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.chars().all(|other| other.is_ascii_alphanumeric() || "._-".contains(other))
        && id.len() <= LONGEST_ID;
    (!fits).then(|| {
        format!(
            "{:?} is not a user id: begin with a letter or digit and go on with letters, digits, '.', '_' and '-', \
             {LONGEST_ID} at most, for example c-1001",
            excerpt(id)
        )
    })
}

/// The account that is asked for in the form in which it is kept, or why there can be none.
pub(crate) fn normal(question: AddUser) -> Result<AddUser, String> {
    let AddUser { email, id, name } = question;
    let email = normal_email(&email)?;
    if let Some(fault) = id.as_deref().and_then(fault_of_id) {
        return Err(fault);
    }
    let name = name.as_deref().map(normal_name).transpose()?.flatten();
    Ok(AddUser { email, id, name })
}

/// The email address in the form in which it is kept, or why it is none.
pub(crate) fn normal_email(email: &str) -> Result<String, String> {
    let email = kept_email(email);
    let forbidden = |character: char| {
        character.is_control() || character.is_whitespace() || "@<>,;\"".contains(character)
    };
    let fits = email.split_once('@').is_some_and(|(local, domain)| {
        [local, domain].iter().all(|part| !part.is_empty() && !part.contains(forbidden))
    });
    if !fits || email.len() > LONGEST_EMAIL {
        return Err(format!(
            "{:?} is not an email address: write one like shopper@example.com, {LONGEST_EMAIL} characters at most",
            excerpt(&email)
        ));
    }
    Ok(email)
}

/// As an email address would be kept, for looking it up.
pub(crate) fn kept_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The name in the form in which it is kept, where there is any of it, or why it is none.
pub(crate) fn normal_name(name: &str) -> Result<Option<String>, String> {
    let name = name.trim();
    if name.chars().any(char::is_control) || name.chars().count() > LONGEST_NAME {
        return Err(format!(
            "{:?} is not a name: write one line of {LONGEST_NAME} characters at most",
            excerpt(name)
        ));
    }
    Ok(Some(name).filter(|name| !name.is_empty()).map(str::to_owned))
}

fn excerpt(text: &str) -> String {
    text.chars().take(LONGEST_ID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(email: &str, id: Option<&str>, name: Option<&str>) -> AddUser {
        AddUser { email: email.into(), id: id.map(str::to_owned), name: name.map(str::to_owned) }
    }

    #[test]
    fn an_email_is_kept_in_small_letters_and_an_empty_name_is_none() {
        let kept = normal(wish(" Shopper@Example.COM", Some("c-1001"), Some(" "))).unwrap();
        assert_eq!(kept, wish("shopper@example.com", Some("c-1001"), None));
    }

    #[test]
    fn what_can_be_no_account_is_refused_with_a_sentence() {
        let long = "x".repeat(250);
        for (question, word) in [
            (wish("", None, None), "not an email address"),
            (wish("shopper", None, None), "not an email address"),
            (wish("@example.com", None, None), "not an email address"),
            (wish("a@b@c", None, None), "not an email address"),
            (wish("a b@example.com", None, None), "not an email address"),
            (wish("a@example.com\r\nBcc: x@example.com", None, None), "not an email address"),
            (wish(&format!("{long}@example.com"), None, None), "254"),
            (wish("a@example.com", Some(""), None), "not a user id"),
            (wish("a@example.com", Some("-c"), None), "not a user id"),
            (wish("a@example.com", Some(&"c".repeat(64)), None), "63 at most"),
            (wish("a@example.com", None, Some("A\nB")), "not a name"),
            (wish("a@example.com", None, Some(&long)), "200 characters"),
        ] {
            let reason = normal(question).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
