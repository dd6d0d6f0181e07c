//! The tables, and nothing but the tables: what to write is decided elsewhere.

pub mod counts;
pub mod levels;
pub mod reservations;
