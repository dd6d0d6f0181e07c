//! A movement by hand: goods came in, or a person corrects the level. Pure.

use crate::count::MOST;
use crate::ledger::{Level, Movement, MovementKind};

/// The most pieces of one movement, in or out.
pub const MOST_MOVED: i64 = 1_000_000;

/// Why a movement cannot be made. The text names the article and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Orders hold what would go, or it is not there.
    #[error(
        "{pieces} pieces of {sku} cannot go: {available} can be had, {reserved} more are reserved for orders; take \
         {available} at most, or cancel orders that hold {sku} first"
    )]
    NotThere {
        /// The article.
        sku: String,
        /// How many were to go.
        pieces: i64,
        /// How many may.
        available: i64,
        /// How many orders hold.
        reserved: i64,
    },
    /// Beyond counting.
    #[error("{sku} would have more than {MOST} pieces: move {room} in at most")]
    TooMany {
        /// The article.
        sku: String,
        /// How many may come.
        room: i64,
    },
}

/// The row of the ledger for `pieces` of `sku`, which come when above zero and go when below it.
///
/// # Errors
/// When the level does not allow it.
pub fn movement(sku: &str, pieces: i64, level: &Level) -> Result<Movement, Refused> {
    let sku = sku.to_owned();
    let available = level.available();
    if available.saturating_add(pieces) < 0 {
        let pieces = pieces.saturating_neg();
        return Err(Refused::NotThere { sku, pieces, available, reserved: level.reserved });
    }
    if pieces > 0 && level.on_hand.saturating_add(pieces) > MOST {
        return Err(Refused::TooMany { sku, room: (MOST - level.on_hand).max(0) });
    }
    let kind = if pieces > 0 { MovementKind::Received } else { MovementKind::Adjusted };
    Ok(Movement { sku, kind, quantity: pieces })
}

/// How many of the pieces that are to go cannot be had, so that expired holds have to give them.
#[must_use]
pub const fn short_of(pieces: i64, level: &Level) -> i64 {
    if pieces < 0 { pieces.saturating_neg() - level.available() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Level = Level { on_hand: 5, reserved: 2, revision: 1, minimum: None };

    #[test]
    fn what_comes_is_received_and_what_goes_is_an_adjustment() {
        let row = |kind, quantity| Ok(Movement { sku: "MUG".into(), kind, quantity });
        assert_eq!(movement("MUG", 4, &LEVEL), row(MovementKind::Received, 4));
        assert_eq!(movement("MUG", -3, &LEVEL), row(MovementKind::Adjusted, -3));
    }

    #[test]
    fn what_orders_hold_cannot_go() {
        let refused = movement("MUG", -4, &LEVEL).unwrap_err().to_string();
        assert_eq!(
            refused,
            "4 pieces of MUG cannot go: 3 can be had, 2 more are reserved for orders; take 3 at most, or cancel orders \
             that hold MUG first"
        );
        assert_eq!((short_of(-4, &LEVEL), short_of(-3, &LEVEL)), (1, 0));
        assert!(short_of(4, &LEVEL) <= 0);
    }

    #[test]
    fn there_are_never_more_pieces_than_can_be_counted() {
        let full = Level { on_hand: MOST - 1, ..Level::default() };
        assert!(movement("MUG", 1, &full).is_ok());
        assert!(movement("MUG", 2, &full).unwrap_err().to_string().contains("move 1 in at most"));
    }
}
