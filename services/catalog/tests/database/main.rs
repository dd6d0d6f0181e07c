//! The catalog on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod editing;
mod images;
mod imports;
mod levels;
mod plans;
mod shown;
mod world;
