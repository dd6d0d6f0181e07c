//! What every REST route stands on.
//!
//! A service's routes are [`Routes`]: each is declared with its [`Operation`], so that nothing is served that the OpenAPI document
//! does not tell. Handlers take a [`Caller`] (or nobody), then [`Segments`], [`Search`] and [`Body`], and answer a value or a
//! [`Problem`].
//!
//! # Guarantees
//! - Who asks, and whether they may, is judged before the body is read.
//! - A body that a handler sees fits the schema that the OpenAPI document shows; another is refused with the place and the fault.
//! - What is refused has changed nothing.
//! - A token lives no longer than its session: [`Gate`].

use axum::http::HeaderName;

mod body;
mod gate;
mod idempotency;
mod openapi;
mod page;
mod params;
mod problem;

/// The header by which the gateway says where a request comes from. Whatever a client puts there, the gateway replaces.
pub const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");

pub use body::Body;
pub use gate::{Caller, Claims, Gate, Holder, ISSUER, LOGOUT, Permission};
pub use idempotency::{IdempotencyKey, Step, Stored, once, once_asking};
pub use openapi::{Operation, Routes, document};
pub use page::{DEFAULT_LIMIT, GREATEST_LIMIT, Page, Paging, cursor, position};
pub use params::{Search, Segments};
pub use problem::Problem;
