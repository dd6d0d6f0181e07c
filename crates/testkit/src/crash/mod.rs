//! The crash matrix: every fail point that a path passes, with every fault there.
//!
//! [`faults`], [`together`] and [`pairs`] say which faults which runs of a path get, [`Table`] what was seen. What a path is, and what runs it, is the
//! test's own: see `tests/crash`.

mod plan;
mod table;

pub use plan::{Cell, Random, alone, faults, is_own, modes_at, pairs, together};
pub use table::{Seen, Table};
