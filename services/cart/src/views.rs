//! What shoppers see of a cart and of a checkout.

use jiff::Timestamp;
use money::Money;
use resources::OrderPhase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::carts::Held;
use crate::checkout::{Notice, Placed};
use crate::line::{Line, total};
use crate::validate::{CartWarning, CartWarningKind};

/// How many pieces of an article there are to be in the cart.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CartQuantity {
    /// How many pieces: 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub quantity: u32,
}

/// The one open cart of a user.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// Its id.
    pub id: String,
    /// What is in it, in the order in which it was put there.
    pub items: Vec<CartItem>,
    /// What it costs, without what is sold no more; null when the items have several currencies.
    pub total: Option<Money>,
    /// What there is to know before it is checked out.
    pub warnings: Vec<CartWarning>,
    /// What became of the checkout before, where there is something to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkout: Option<CheckoutNotice>,
    /// When the shopper last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub updated_at: Option<Timestamp>,
}

/// An article in a cart.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    /// Its stock keeping unit.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// How many pieces.
    pub quantity: u32,
    /// The price of one piece.
    pub price: Money,
    /// What they cost together; null when that is more than an amount can say.
    pub total: Option<Money>,
    /// Its first picture; null when it has none.
    pub image: Option<String>,
    /// How many can be sold; null when that is not known.
    pub available: Option<i64>,
    /// The kinds of the warnings about it.
    pub warnings: Vec<CartWarningKind>,
}

/// What became of the checkout before.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutNotice {
    /// How far it is.
    pub state: CheckoutState,
    /// A sentence.
    pub message: String,
}

/// How far a checkout is that did not become an order at once.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum CheckoutState {
    /// It is kept and becomes an order.
    Placing,
    /// There can be no such order; what was chosen is back in the cart.
    Refused,
}

/// The order that a cart became.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckedOut {
    /// The order's id.
    pub id: String,
    /// How far the order had come; null before it is quoted.
    pub phase: Option<OrderPhase>,
    /// The name of the order's resource.
    pub name: String,
}

impl From<Placed> for CheckedOut {
    fn from(Placed { id, name, phase }: Placed) -> Self {
        Self { id, phase, name }
    }
}

/// The cart, with what there is to know of it.
#[must_use]
pub fn cart(held: &Held, warnings: Vec<CartWarning>) -> Cart {
    let Held { id, lines, changed_at, notice } = held;
    Cart {
        id: id.to_string(),
        items: lines.iter().map(|line| item(line, &warnings)).collect(),
        total: total(lines),
        checkout: notice.as_ref().map(checkout_notice),
        updated_at: *changed_at,
        warnings,
    }
}

fn item(line: &Line, warnings: &[CartWarning]) -> CartItem {
    CartItem {
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        price: line.price,
        total: line.total(),
        image: line.image.clone(),
        available: line.available,
        warnings: warnings
            .iter()
            .filter(|warning| warning.sku == line.sku)
            .map(|warning| warning.kind)
            .collect(),
    }
}

fn checkout_notice(notice: &Notice) -> CheckoutNotice {
    match notice {
        Notice::Placing => CheckoutNotice {
            state: CheckoutState::Placing,
            message: "your checkout is kept, and its order is placed as soon as that is possible".to_owned(),
        },
        Notice::Refused(why) => CheckoutNotice {
            state: CheckoutState::Refused,
            message: format!("the order could not be placed, and what you chose is back in the cart: {why}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::line::fixtures::line;
    use crate::validate::warnings;

    #[test]
    fn an_empty_cart_is_a_cart() {
        let held = Held { id: Uuid::nil(), lines: Vec::new(), changed_at: None, notice: None };
        let shown = serde_json::to_value(cart(&held, Vec::new())).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({
                "id": "00000000-0000-0000-0000-000000000000",
                "items": [],
                "total": {"amount": "0.00", "currency": "EUR"},
                "warnings": [],
            })
        );
    }

    #[test]
    fn an_item_shows_its_warnings_and_what_is_not_known_of_it() {
        let lines = vec![
            Line { available: Some(1), ..line("MUG-01", 2, "12.50 EUR") },
            line("MUG-02", 1, "1.00 EUR"),
        ];
        let all = warnings(&lines);
        let held = Held {
            id: Uuid::nil(),
            lines,
            changed_at: Some(Timestamp::UNIX_EPOCH),
            notice: Some(Notice::Placing),
        };
        let shown = serde_json::to_value(cart(&held, all)).unwrap();
        assert_eq!(
            shown["items"][0],
            serde_json::json!({
                "sku": "MUG-01", "name": "Article MUG-01", "quantity": 2, "image": null, "available": 1,
                "price": {"amount": "12.50", "currency": "EUR"},
                "total": {"amount": "25.00", "currency": "EUR"},
                "warnings": ["tooLittleStock"],
            })
        );
        assert_eq!(shown["items"][1]["warnings"], serde_json::json!([]));
        assert_eq!(shown["total"]["amount"], "26.00");
        assert_eq!(shown["checkout"]["state"], "placing");
        assert_eq!(shown["updatedAt"], "1970-01-01T00:00:00Z");
    }
}
