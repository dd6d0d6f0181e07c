//! What `orders` keeps of an order.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask;
use events::questions::{HistoryEvent, ReadHistory, ReadHistoryAnswer};

use crate::stack::Stack;

/// The history of an order.
pub type History = ReadHistoryAnswer;

impl Stack {
    /// Everything that happened to the newest order of that name.
    ///
    /// # Errors
    /// When `orders` does not answer.
    pub async fn history(&self, namespace: &str, name: &str) -> anyhow::Result<History> {
        let question = ReadHistory { namespace: namespace.to_owned(), name: name.to_owned() };
        ask(&self.nats, &question, Duration::from_secs(20))
            .await
            .context("failed to ask orders for a history")
    }
}

/// The names of the events, oldest first.
#[must_use]
pub fn names(history: &History) -> Vec<&str> {
    history.events.iter().map(|event| event.event.as_str()).collect()
}

/// The events that are transitions of the order itself, in their order.
pub(crate) fn transitions(history: &History) -> Vec<&HistoryEvent> {
    let own = |event: &&HistoryEvent| event.event.starts_with("order.") && event.event != "order.archived";
    let mut transitions: Vec<&HistoryEvent> = history.events.iter().filter(own).collect();
    transitions.sort_by_key(|event| event.sequence);
    transitions
}
