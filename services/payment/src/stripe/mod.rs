//! The adapter for Stripe's API: payment intents, refunds, signed webhooks.
//!
//! # What an HTTP answer becomes
//! | answer | meaning |
//! |---|---|
//! | 2xx | the intent or refund |
//! | 402 | [`ProviderError::Declined`] |
//! | 400 `idempotency_error` | [`ProviderError::KeyTaken`] |
//! | 400 `charge_already_refunded` | the [`Refund`] that is listed for the intent |
//! | 400, 404 of a method | [`ProviderError::Refused`], with the intent where it is shown |
//! | 401, 403, 404 of an intent, 409, 429, a redirect, a 4xx that is not Stripe's | [`ProviderError::Unavailable`] |
//! | 5xx | [`ProviderError::Interrupted`]; replayed from a saved answer: [`ProviderError::Unknown`], since the key is used up |
//! | no connection | [`ProviderError::Unavailable`] |
//! | timeout, connection broken, an unreadable 2xx | [`ProviderError::Unknown`] |
//!
//! A replayed answer (`Idempotent-Replayed`) tells what was, not what is: the intent or refund is asked for in its place.

mod answer;
mod client;
mod signature;
mod wire;

pub use client::Stripe;
pub use signature::{SignatureError, verify};
pub(crate) use wire::WebhookEvent;

#[cfg(doc)]
use crate::provider::{ProviderError, Refund};
