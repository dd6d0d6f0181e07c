//! What a reservation is and what follows from a wish, pure: no clock, no database.
//!
//! # Guarantees
//! - `Released` absorbs: after it nothing is ever held or shipped for the order again.
//! - What has left the house is not held again; it only comes back by a release.
//! - All lines are set aside or none; what is short tells which and how many there are.
//! - Only what has an expiry can expire.

use std::cmp::Ordering;

use jiff::Timestamp;
use resources::{ReservationPhase, Shortage};

use crate::ledger::{Goods, Levels, Movement, MovementKind};

/// What has come true for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was ever heard of it.
    Unknown,
    /// All goods are set aside.
    Held {
        /// The goods.
        goods: Goods,
        /// When others may take them; never, when absent.
        expires_at: Option<Timestamp>,
    },
    /// At least one article is short; nothing is set aside.
    Insufficient {
        /// What was asked for.
        goods: Goods,
        /// What is short.
        shortages: Vec<Shortage>,
    },
    /// The goods have left the house.
    Committed {
        /// The goods.
        goods: Goods,
    },
    /// Nothing is set aside, and nothing will be again.
    Released {
        /// What became free, or came back, by it.
        goods: Goods,
    },
    /// The hold ran out; nothing is set aside.
    Expired {
        /// What had been held.
        goods: Goods,
    },
}

impl State {
    /// Its phase in the resource.
    #[must_use]
    pub const fn phase(&self) -> ReservationPhase {
        match self {
            Self::Unknown => ReservationPhase::Pending,
            Self::Held { .. } => ReservationPhase::Held,
            Self::Insufficient { .. } => ReservationPhase::Insufficient,
            Self::Committed { .. } => ReservationPhase::Committed,
            Self::Released { .. } => ReservationPhase::Released,
            Self::Expired { .. } => ReservationPhase::Expired,
        }
    }

    /// The goods that it is about; none while nothing is known.
    #[must_use]
    pub fn goods(&self) -> Goods {
        match self {
            Self::Unknown => Goods::default(),
            Self::Held { goods, .. }
            | Self::Insufficient { goods, .. }
            | Self::Committed { goods }
            | Self::Released { goods }
            | Self::Expired { goods } => goods.clone(),
        }
    }

    /// The goods that are set aside.
    #[must_use]
    pub fn held(&self) -> Option<&Goods> {
        match self {
            Self::Held { goods, .. } => Some(goods),
            Self::Unknown
            | Self::Insufficient { .. }
            | Self::Committed { .. }
            | Self::Released { .. }
            | Self::Expired { .. } => None,
        }
    }

    /// When its hold may be taken by others.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Held { expires_at, .. } => *expires_at,
            Self::Unknown
            | Self::Insufficient { .. }
            | Self::Committed { .. }
            | Self::Released { .. }
            | Self::Expired { .. } => None,
        }
    }

    /// What is short.
    #[must_use]
    pub fn shortages(&self) -> &[Shortage] {
        match self {
            Self::Insufficient { shortages, .. } => shortages,
            Self::Unknown
            | Self::Held { .. }
            | Self::Committed { .. }
            | Self::Released { .. }
            | Self::Expired { .. } => &[],
        }
    }

    /// The same phase with the same goods: nothing that a consumer of events has to hear of.
    #[must_use]
    pub fn tells_the_same_as(&self, other: &Self) -> bool {
        self.phase() == other.phase()
            && self.goods() == other.goods()
            && self.shortages() == other.shortages()
    }
}

/// What is wanted for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Set the goods aside.
    Hold {
        /// The goods.
        goods: Goods,
        /// When others may take them.
        expires_at: Option<Timestamp>,
    },
    /// The goods have left the house.
    Commit {
        /// The goods, needed when they are not held.
        goods: Goods,
    },
    /// Free them, or put them back on the shelf.
    Release,
}

/// What a decision changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The state that it leads to.
    pub next: State,
    /// The movements in the ledger that make it true.
    pub movements: Vec<Movement>,
}

/// What a wish means in a state: either clear without looking at the shelf, or to be answered by what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// No goods are needed.
    Settled(Decision),
    /// Goods are needed: all of them, or none are moved but what is given back.
    Acquire {
        /// What is freed first, since other goods are wanted.
        giving_back: Goods,
        /// What is needed.
        goods: Goods,
        /// What for.
        purpose: Purpose,
    },
}

/// What goods are acquired for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be set aside.
    Hold {
        /// When others may take them.
        expires_at: Option<Timestamp>,
    },
    /// To be booked out at once.
    Ship,
}

/// What `wish` means in `state`.
#[must_use]
pub fn intend(state: &State, wish: &Wish, now: Timestamp) -> Intent {
    let settled = |next, movements| Intent::Settled(Decision { next, movements });
    match (state, wish) {
        (State::Released { .. }, Wish::Hold { .. } | Wish::Commit { .. } | Wish::Release)
        | (State::Committed { .. }, Wish::Hold { .. } | Wish::Commit { .. }) => {
            settled(state.clone(), Vec::new())
        }

        (State::Committed { goods }, Wish::Release) => {
            settled(State::Released { goods: goods.clone() }, goods.movements(MovementKind::Returned))
        }
        (State::Held { goods, .. }, Wish::Release) => {
            settled(State::Released { goods: goods.clone() }, goods.movements(MovementKind::Released))
        }
        (State::Unknown | State::Insufficient { .. } | State::Expired { .. }, Wish::Release) => {
            settled(State::Released { goods: Goods::default() }, Vec::new())
        }

        (State::Held { goods: held, .. }, Wish::Hold { goods, expires_at }) => {
            if held == goods {
                // Also when it is past its expiry: nobody has taken it, so it is as good as held anew.
                settled(State::Held { goods: goods.clone(), expires_at: *expires_at }, Vec::new())
            } else {
                acquire_unless_over(held, goods, *expires_at, now)
            }
        }
        (
            State::Unknown | State::Insufficient { .. } | State::Expired { .. },
            Wish::Hold { goods, expires_at },
        ) => acquire_unless_over(&Goods::default(), goods, *expires_at, now),

        (State::Held { goods, .. }, Wish::Commit { .. }) => {
            settled(State::Committed { goods: goods.clone() }, goods.movements(MovementKind::Shipped))
        }
        (State::Unknown | State::Insufficient { .. } | State::Expired { .. }, Wish::Commit { goods }) => {
            Intent::Acquire { giving_back: Goods::default(), goods: goods.clone(), purpose: Purpose::Ship }
        }
    }
}

/// A hold until a time that has passed is not begun.
fn acquire_unless_over(held: &Goods, goods: &Goods, expires_at: Option<Timestamp>, now: Timestamp) -> Intent {
    if expires_at.is_some_and(|expiry| expiry <= now) {
        let movements = held.movements(MovementKind::Released);
        return Intent::Settled(Decision { next: State::Expired { goods: goods.clone() }, movements });
    }
    let purpose = Purpose::Hold { expires_at };
    Intent::Acquire { giving_back: held.clone(), goods: goods.clone(), purpose }
}

impl Intent {
    /// The articles whose levels it is about.
    #[must_use]
    pub fn skus(&self) -> std::collections::BTreeSet<String> {
        match self {
            Self::Settled(decision) => {
                decision.movements.iter().map(|movement| movement.sku.clone()).collect()
            }
            Self::Acquire { giving_back, goods, purpose: _ } => {
                giving_back.skus().chain(goods.skus()).map(str::to_owned).collect()
            }
        }
    }

    /// How many pieces of `sku` have to be available for it to succeed, beyond those that it gives back.
    #[must_use]
    pub fn needs(&self, sku: &str) -> i64 {
        match self {
            Self::Settled(_) => 0,
            Self::Acquire { giving_back, goods, purpose: _ } => (goods.of(sku) - giving_back.of(sku)).max(0),
        }
    }

    /// The decision, with what is on the shelf.
    #[must_use]
    pub fn conclude(self, levels: &Levels) -> Decision {
        let (giving_back, goods, purpose) = match self {
            Self::Settled(decision) => return decision,
            Self::Acquire { giving_back, goods, purpose } => (giving_back, goods, purpose),
        };
        let mut movements = giving_back.movements(MovementKind::Released);
        let shortages: Vec<Shortage> = goods
            .iter()
            .map(|(sku, requested)| {
                let available = levels.available(sku) + giving_back.of(sku);
                Shortage { sku: sku.to_owned(), requested, available }
            })
            .filter(|line| line.available < line.requested)
            .collect();
        if !shortages.is_empty() {
            return Decision { next: State::Insufficient { goods, shortages }, movements };
        }
        movements.extend(goods.movements(MovementKind::Allocated));
        let next = match purpose {
            Purpose::Hold { expires_at } => State::Held { goods, expires_at },
            Purpose::Ship => {
                movements.extend(goods.movements(MovementKind::Shipped));
                State::Committed { goods }
            }
        };
        Decision { next, movements }
    }
}

/// What follows from `wish` in `state`, with what is on the shelf.
#[must_use]
pub fn decide(state: &State, wish: &Wish, levels: &Levels, now: Timestamp) -> Decision {
    intend(state, wish, now).conclude(levels)
}

/// What becomes of a hold whose time has passed; `None` when there is nothing to expire.
#[must_use]
pub fn expire(state: &State, now: Timestamp) -> Option<Decision> {
    let goods = state.held().filter(|_| state.expires_at().is_some_and(|expiry| expiry <= now))?;
    let movements = goods.movements(MovementKind::Released);
    Some(Decision { next: State::Expired { goods: goods.clone() }, movements })
}

/// A child of the order in Kubernetes, and the newest generation of its spec that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its UID.
    pub uid: String,
    /// The generation.
    pub generation: i64,
}

/// Whether a command says anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is to be decided.
    New,
    /// It was decided: the present state is its answer.
    Known,
    /// A newer one was decided: the present state is its answer too.
    Overtaken,
}

/// Whether a command of `arriving` says anything new after `recorded`. Another child is a new epoch, and a wish without
/// a child is always new: what must not happen twice is kept by the states, which are by order id.
#[must_use]
pub fn admit(recorded: Option<&Child>, arriving: Option<&Child>) -> Admission {
    match (recorded, arriving) {
        (_, None) | (None, Some(_)) => Admission::New,
        (Some(recorded), Some(arriving)) if recorded.uid != arriving.uid => Admission::New,
        (Some(recorded), Some(arriving)) => match arriving.generation.cmp(&recorded.generation) {
            Ordering::Greater => Admission::New,
            Ordering::Equal => Admission::Known,
            Ordering::Less => Admission::Overtaken,
        },
    }
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
