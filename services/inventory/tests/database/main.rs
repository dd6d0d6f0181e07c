//! The service on a real Postgres: set DATABASE_URL, or run make test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod commands;
mod expiry;
mod ledger;
mod movements;
mod stocktakes;
mod world;
