//! What the chart promises, asked of what it renders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

mod choices;
mod documents;
mod guards;
mod pods;
mod reach;
mod rights;
mod same;
mod trial;
