//! What is to be done about an order's money, and what an answer means: pure, with the time passed in.
//!
//! # Flow
//! A command becomes a [`Wish`] ([`take`]); [`next_step`] says what to ask of the provider; what comes back is an
//! [`Observation`], which [`apply`] turns into a new state and entries of the ledger; [`settle`] says what must be told.
//! Webhooks bring no truth of their own: they make the provider be asked by id, so that they and the answers of the API
//! meet in one transition.
//!
//! # What an answer means
//! | call | lost (timeout, connection broken) | 5xx | 429, 409, 401, no connection | refused, declined |
//! |---|---|---|---|---|
//! | create | again, same key (an unconfirmed intent takes no money) | again, same key | again, same key | `Declined` |
//! | confirm | `Unknown`: ask by id; *never charged* is made certain by a cancel, then `Declined` | ask by id; still unconfirmed: again, same key | again, same key: it was not executed | `Declined` |
//! | capture | `Unknown`: ask by id; still promised: again, same key | again, same key (an intent is captured at most once) | again, same key | `Declined` |
//! | cancel | again (it cannot do more than once) | again | again | the intent inside says what is |
//! | refund | again, same key (the provider gives no more back than was taken) | again, same key | again | `Failed`, until asked for anew under another key; once for each repeated command |
//! | ask, ask for the refund, search | again | again | again | again |
//!
//! Every *again* waits, twice as long each time.
//!
//! # Guarantees
//! - Only the stored intent of an attempt is ever confirmed, and an intent is charged at most once.
//! - An attempt is begun only when every other one is void for certain or refunded.
//! - A charge that no attempt knows is a stray: it is given back, and the order's own attempts stay what they are.
//! - A part that staff give back is asked for before anything else goes back, and the whole refund gives what is left.
//! - A refund counts once it has arrived, and no longer when it fails after that.
//! - What is undone stays undone: no command brings an attempt at or below the tombstone back.

mod apply;
mod attempt;
mod commands;
mod ledger;
mod model;
mod partials;
mod refunds;
mod steps;
mod strays;
mod summary;
mod telling;
mod words;

pub use apply::{Observation, apply};
pub use attempt::{Attempt, CaptureMode, FIRST_STRAY, Refusal, Stage};
pub use commands::{Taken, take};
pub use ledger::{Entry, LedgerEntry};
pub use model::{Child, Payment, Wish};
pub use partials::{MOST_PARTS, Part, PartError, PartState, PartialRefund};
pub use steps::{Act, Call, Goal, Step, next_step};
pub use summary::Summary;
pub use telling::{News, Telling, settle};

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod partial_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod provider_model;
#[cfg(test)]
mod refund_tests;
#[cfg(test)]
mod stray_tests;
