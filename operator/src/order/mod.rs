//! The controller of `Order`: observe, decide, act, write.
//!
//! - [`decide`] is pure: from an order, its children, the policy and the time to transitions, effects and a status. Each
//!   phase has a file of its own.
//! - [`reconcile`] is the edge: it observes, asks the questions that a decision needs, performs the effects through
//!   [`effects`], and writes the status last, on the `resourceVersion` that was decided on.
//!
//! # Guarantees
//! - Effects run before the status that records them, and each is idempotent by an identity derived from the order id.
//! - What an older phase would take for something else (undoing, a further attempt, taking promised money, archiving) is
//!   done only once the resource tells the phase that wants it: a decision that is lost is made again the same.
//! - A decision on a stale order is refused by the API server (409) and made again.
//! - Every transition is announced, also those that are never written because their successor came soon.

mod awaiting_payment;
mod compensating;
mod deadline;
pub mod decide;
mod draft;
mod effects;
mod finished;
mod hold;
mod letters;
mod made;
mod memory;
mod pace;
mod paid;
mod placed;
mod plan;
mod quotation;
mod reconcile;
mod repair;
mod report;
mod requests;
mod reserved;
mod shipped;
mod stuck;
mod turns;
mod view;
mod wishes;
mod words;

#[cfg(test)]
mod tests;

pub use crate::dead_letters::DeadLetter;
pub use decide::{Situation, decide};
pub(crate) use made::Made;
pub(crate) use memory::{Memory, Recollection};
pub(crate) use pace::Pace;
pub use plan::{Decision, Effect, Plan, Tell, Transition, Urgency};
pub use quotation::Quotation;
pub(crate) use reconcile::{Children, Controller, reconcile, requeue_after_error};
pub(crate) use turns::Turns;
