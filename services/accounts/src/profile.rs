//! What a user says of themselves, and how they change it: pure.

use jiff::Timestamp;
use resources::Address;
use rest::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::user::normal_name;

/// One line, as far as a pattern can tell. Every dialect of patterns reads it.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
/// So many digits in a row are a card's.
const DIGITS_OF_A_CARD: usize = 12;

/// A user, as they see themselves.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The id.
    pub id: String,
    /// The email address.
    pub email: String,
    /// What to call them.
    pub name: Option<String>,
    /// Their telephone number.
    pub phone: Option<String>,
    /// Where goods may go.
    pub addresses: Vec<Address>,
    /// The id of the image that shows them.
    pub picture: Option<String>,
    /// What they like, in words.
    pub tastes: Vec<String>,
    /// How they pay.
    pub payment_methods: Vec<PaymentMethod>,
    /// What they may; `admin` stands for all.
    pub permissions: Vec<String>,
    /// Since when there is the account.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// A way to pay.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PaymentMethod {
    /// The payment provider's token of the method, like pm_card_visa; never card data.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"))]
    pub method: String,
    /// What the user calls it.
    #[serde(default)]
    #[schemars(length(max = 100), regex(pattern = LINE))]
    pub label: String,
}

/// What is to be other from now on; what is not given stays as it is.
#[derive(Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileChange {
    /// What to call them.
    #[schemars(length(min = 1, max = 200), regex(pattern = LINE))]
    pub name: Option<String>,
    /// Their telephone number; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>", length(min = 1, max = 32), regex(pattern = LINE))]
    pub phone: Option<Option<String>>,
    /// Where goods may go, all of them.
    #[schemars(length(max = 20))]
    pub addresses: Option<Vec<Address>>,
    /// The id of the image that shows them; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schemars(
        with = "Option<String>",
        length(min = 1, max = 100),
        regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub picture: Option<Option<String>>,
    /// What they like, in words, all of it.
    #[schemars(length(max = 50), inner(length(min = 1, max = 100), regex(pattern = LINE)))]
    pub tastes: Option<Vec<String>>,
    /// How they pay, all ways.
    #[schemars(length(max = 20))]
    pub payment_methods: Option<Vec<PaymentMethod>>,
}

/// Tells null, which is `Some(None)`, from what is not there.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The profile as it is after the change.
///
/// # Errors
/// 422 when the name is blank, or a payment method is card data.
pub(crate) fn changed(before: Profile, change: ProfileChange) -> Result<Profile, Problem> {
    let ProfileChange { name, phone, addresses, picture, tastes, payment_methods } = change;
    if let Some(place) = payment_methods.iter().flatten().enumerate().find_map(card_data) {
        return Err(Problem::invalid(format!(
            "{place} looks like the number of a card, which is not kept here: send the token that the payment \
             provider gives for it, like pm_card_visa"
        ))
        .at(place));
    }
    let name = match name {
        Some(name) => Some(wished_name(&name)?),
        None => before.name,
    };
    Ok(Profile {
        name,
        phone: phone.unwrap_or(before.phone),
        addresses: addresses.unwrap_or(before.addresses),
        picture: picture.unwrap_or(before.picture),
        tastes: tastes.unwrap_or(before.tastes),
        payment_methods: payment_methods.unwrap_or(before.payment_methods),
        ..before
    })
}

/// The name in the form in which it is kept.
///
/// # Errors
/// 422 when it is none.
pub(crate) fn wished_name(name: &str) -> Result<String, Problem> {
    let normal = normal_name(name).map_err(|fault| Problem::invalid(fault).at("/name"))?;
    normal.ok_or_else(|| Problem::invalid("the name is blank: write at least one character").at("/name"))
}

/// Where in the body a card's number seems to be.
fn card_data((index, way): (usize, &PaymentMethod)) -> Option<String> {
    // People write the number of a card in groups; a token may have such groups by chance.
    let ungrouped: String = way.label.chars().filter(|character| !" -".contains(*character)).collect();
    let field = match (has_card_digits(&way.method), has_card_digits(&ungrouped)) {
        (true, _) => "method",
        (false, true) => "label",
        (false, false) => return None,
    };
    Some(format!("/paymentMethods/{index}/{field}"))
}

fn has_card_digits(text: &str) -> bool {
    text.split(|character: char| !character.is_numeric())
        .any(|digits| digits.chars().count() >= DIGITS_OF_A_CARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            id: "u-1".into(),
            email: "a@example.com".into(),
            name: Some("A".into()),
            phone: Some("1".into()),
            addresses: vec![],
            picture: None,
            tastes: vec!["mugs".into()],
            payment_methods: vec![],
            permissions: vec!["admin".into()],
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn change(json: serde_json::Value) -> ProfileChange {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_given_is_replaced_and_the_rest_stays() {
        let after = changed(
            profile(),
            change(serde_json::json!({"name": " B ", "tastes": [], "paymentMethods": [{"method": "pm_1"}]})),
        );
        let expected = Profile {
            name: Some("B".into()),
            tastes: vec![],
            payment_methods: vec![PaymentMethod { method: "pm_1".into(), label: String::new() }],
            ..profile()
        };
        assert_eq!(after.unwrap(), expected);
        assert_eq!(changed(profile(), change(serde_json::json!({}))).unwrap(), profile());
    }

    #[test]
    fn null_takes_away_what_there_need_not_be() {
        let after = changed(profile(), change(serde_json::json!({"phone": null, "name": null}))).unwrap();
        assert_eq!(after, Profile { phone: None, ..profile() });
        let given = changed(profile(), change(serde_json::json!({"picture": "i-1"}))).unwrap();
        assert_eq!(given.picture.as_deref(), Some("i-1"));
    }

    #[test]
    fn what_is_not_theirs_to_change_is_refused() {
        for field in ["email", "permissions", "id", "disabled"] {
            let wish = serde_json::json!({field: "x"});
            assert!(serde_json::from_value::<ProfileChange>(wish).is_err(), "{field}");
        }
    }

    #[test]
    fn the_number_of_a_card_is_refused_wherever_it_is_written() {
        for (method, label, place) in [
            ("4242424242424242", "", Some("/paymentMethods/1/method")),
            ("pm_424242424242", "", Some("/paymentMethods/1/method")),
            ("pm_1", "4242 4242 4242 4242", Some("/paymentMethods/1/label")),
            ("pm_1", "4242-4242-4242", Some("/paymentMethods/1/label")),
            ("pm_42424242424", "Visa ending 4242, until 12/2030", None),
        ] {
            let ways = serde_json::json!({"paymentMethods": [
                {"method": "pm_card_visa", "label": "Visa"}, {"method": method, "label": label}]});
            let refused = changed(profile(), change(ways)).err();
            let told = refused.map(|problem| serde_json::to_value(problem).unwrap()["pointer"].clone());
            assert_eq!(told, place.map(Into::into), "{method} {label}");
        }
    }

    #[test]
    fn a_blank_name_is_none() {
        let refused = changed(profile(), change(serde_json::json!({"name": "  "}))).unwrap_err();
        assert!(refused.detail().contains("blank"));
    }
}
