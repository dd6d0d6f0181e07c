//! What arrived in the sandbox's mailbox.

use anyhow::Context as _;
use serde::Deserialize;

use crate::stack::Stack;

/// A mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// To whom.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// As text.
    pub text: Option<String>,
    /// As HTML.
    pub html: Option<String>,
    /// Its message id.
    pub message_id: Option<String>,
}

impl Stack {
    /// The mails about an order, oldest first.
    ///
    /// # Errors
    /// When the mailbox does not answer.
    pub async fn mails(&self, order_id: &str) -> anyhow::Result<Vec<Mail>> {
        let url = format!("{}/messages", self.addresses.mailbox);
        let answer = self
            .http
            .get(url)
            .query(&[("order", order_id)])
            .send()
            .await
            .context("failed to ask the mailbox")?;
        let mut mails: Vec<Mail> =
            answer.error_for_status()?.json().await.context("failed to read the mailbox")?;
        mails.reverse();
        Ok(mails)
    }
}

/// The letter that an event of a history is told by, as the mark in its subject.
pub(crate) fn letter_of(event: &str, reason: Option<&str>) -> Option<&'static str> {
    match event {
        // Back in a phase that was told before, as a person has repaired the order.
        _ if matches!(reason, Some("RetryRequested" | "Resumed")) => None,
        "order.placed" => Some("is placed"),
        "order.payment_needed" => Some("Payment needed"),
        "order.paid" => Some("is paid"),
        "order.shipped" if reason == Some("ShipmentProblem") => None,
        "order.shipped" => Some("has shipped"),
        "order.completed" => Some("is completed"),
        "order.failed" => Some("has failed"),
        "order.cancelled" => Some("is cancelled"),
        "shipment.exception" => Some("A problem with the delivery"),
        _ => None,
    }
}

/// The mark of the letter that a mail is, by its subject.
pub(crate) fn letter_in(subject: &str) -> &str {
    const MARKS: [&str; 8] = [
        "is placed",
        "Payment needed",
        "is paid",
        "has shipped",
        "is completed",
        "has failed",
        "is cancelled",
        "A problem with the delivery",
    ];
    MARKS.into_iter().find(|mark| subject.contains(mark)).unwrap_or(subject)
}
