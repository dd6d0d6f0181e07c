//! Reading a command: what it wishes, or why it can never be done.

use events::Command;
use resources::{Line, ReservationDesired, StockReservationSpec};

use crate::ledger::Goods;
use crate::reservation::{Child, Wish};

const LINES: usize = 100;
const QUANTITY: u32 = 10_000;

/// Why a command can never be done. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The order id is none.
    #[error("the order id {0:?} is none: give 1 to 64 letters, digits and dashes")]
    OrderId(String),
    /// The command and its spec are about two orders.
    #[error(
        "the command is about order {command} and its spec about order {spec}: send one order's spec under its own id"
    )]
    TwoOrders {
        /// The id in the command.
        command: String,
        /// The id in the spec.
        spec: String,
    },
    /// Nothing to hold.
    #[error("the reservation of order {0} has no lines: only one that is to be released may be empty")]
    NoLines(String),
    /// Too many lines.
    #[error("the reservation of order {order_id} has {lines} lines: {LINES} are the most")]
    TooManyLines {
        /// The order.
        order_id: String,
        /// How many there are.
        lines: usize,
    },
    /// No SKU.
    #[error(
        "{0:?} is no SKU: give 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first"
    )]
    Sku(String),
    /// No quantity that is sold.
    #[error("the quantity {quantity} of {sku} cannot be held: 1 to {QUANTITY} pieces a line are possible")]
    Quantity {
        /// The article.
        sku: String,
        /// The quantity.
        quantity: u32,
    },
}

/// Reads a command.
///
/// # Errors
/// When it can never be done, however often it is sent.
pub fn read(command: &Command<StockReservationSpec>) -> Result<Wish, Unreadable> {
    let Command { order_id, namespace: _, name: _, uid: _, generation: _, sent_at: _, spec } = command;
    let StockReservationSpec { order_ref, lines, total: _, desired, expires_at } = spec;
    if !is_order_id(order_id) {
        return Err(Unreadable::OrderId(order_id.clone()));
    }
    if order_ref.id != *order_id {
        return Err(Unreadable::TwoOrders { command: order_id.clone(), spec: order_ref.id.clone() });
    }
    match desired {
        ReservationDesired::Held => Ok(Wish::Hold {
            goods: goods(order_id, lines)?,
            expires_at: expires_at.as_ref().map(|time| time.0),
        }),
        ReservationDesired::Committed => Ok(Wish::Commit { goods: goods(order_id, lines)? }),
        // Whatever it says of lines: what is held or shipped is what is freed.
        ReservationDesired::Released => Ok(Wish::Release),
    }
}

/// The child that a command is for; `None` when there is none.
#[must_use]
pub fn child(command: &Command<StockReservationSpec>) -> Option<Child> {
    command.uid.clone().map(|uid| Child { uid, generation: command.generation })
}

fn goods(order_id: &str, lines: &[Line]) -> Result<Goods, Unreadable> {
    if lines.is_empty() {
        return Err(Unreadable::NoLines(order_id.to_owned()));
    }
    let too_many = || Unreadable::TooManyLines { order_id: order_id.to_owned(), lines: lines.len() };
    if lines.len() > LINES {
        return Err(too_many());
    }
    for Line { sku, quantity, unit_price: _, total: _ } in lines {
        if !is_sku(sku) {
            return Err(Unreadable::Sku(sku.clone()));
        }
        if *quantity == 0 || *quantity > QUANTITY {
            return Err(Unreadable::Quantity { sku: sku.clone(), quantity: *quantity });
        }
    }
    Goods::sum(lines.iter().map(|line| (line.sku.as_str(), i64::from(line.quantity)))).ok_or_else(too_many)
}

fn is_order_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// True when `text` is a SKU as the resources have them.
#[must_use]
pub fn is_sku(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(lines: serde_json::Value, desired: &str) -> Command<StockReservationSpec> {
        serde_json::from_value(serde_json::json!({
            "orderId": "order-1", "namespace": "shop", "name": "web-1", "uid": "u", "generation": 1,
            "sentAt": "2026-01-01T00:00:00Z",
            "spec": {
                "orderRef": {"name": "web-1", "id": "order-1"}, "lines": lines, "desired": desired,
                "total": {"amount": "1.00", "currency": "EUR"}
            }
        }))
        .unwrap()
    }

    fn line(sku: &str, quantity: u32) -> serde_json::Value {
        let money = serde_json::json!({"amount": "1.00", "currency": "EUR"});
        serde_json::json!({"sku": sku, "quantity": quantity, "unitPrice": money, "total": money})
    }

    fn refusal(lines: serde_json::Value) -> String {
        read(&command(lines, "Held")).unwrap_err().to_string()
    }

    #[test]
    fn demand_is_summed_and_a_release_needs_no_lines() {
        let wish = read(&command(serde_json::json!([line("MUG", 1), line("MUG", 2)]), "Committed")).unwrap();
        assert_eq!(wish, Wish::Commit { goods: Goods::sum([("MUG", 3)]).unwrap() });
        assert_eq!(read(&command(serde_json::json!([]), "Released")), Ok(Wish::Release));
    }

    #[test]
    fn what_can_never_be_done_is_refused_with_a_sentence() {
        assert!(refusal(serde_json::json!([])).contains("has no lines"));
        assert!(refusal(serde_json::json!([line("MUG", 0)])).contains("quantity 0 of MUG"));
        assert!(refusal(serde_json::json!([line("MUG", 10_001)])).contains("1 to 10000"));
        assert!(refusal(serde_json::json!([line("-MUG", 1)])).contains("is no SKU"));
        assert!(refusal(serde_json::json!([line("M\u{0}", 1)])).contains("is no SKU"));
        assert!(refusal(vec![line("MUG", 1); 101].into()).contains("101 lines"));
        let mut other = command(serde_json::json!([line("MUG", 1)]), "Held");
        other.order_id = "order-2".into();
        assert!(
            read(&other)
                .unwrap_err()
                .to_string()
                .contains("about order order-2 and its spec about order order-1")
        );
        other.order_id = "a/b".into();
        assert!(read(&other).unwrap_err().to_string().contains("the order id"));
    }
}
