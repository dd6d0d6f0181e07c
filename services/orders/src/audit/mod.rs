//! What this service answers to those who audit it: the facts of its orders, which events have arrived, and what was
//! repaired.

mod facts;
mod repairs;

pub use facts::{ByHand, HistoryFacts, facts_of, ids_after, ids_named, told_again, unrecorded};
pub use repairs::{Repair, begin_repair, end_repair};
