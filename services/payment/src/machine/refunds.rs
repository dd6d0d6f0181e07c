//! What becomes of money that is given back: it may be on its way for days, and may come back after it has arrived.

use std::time::Duration;

use chassis::Backoff;

use super::apply::Change;
use super::{Entry, Refusal, Stage};
use crate::provider::{Refund, RefundState};

/// While a refund is on its way: the webhook comes sooner, unless it is lost.
pub(super) const WHILE_REFUNDING: Backoff =
    Backoff { initial: Duration::from_secs(5), maximum: Duration::from_secs(3600) };

impl Change<'_> {
    /// The provider shows the refund as it is.
    pub(super) fn refund(&mut self, refund: Refund) {
        let Refund { id, amount, state } = refund;
        self.attempt.failures = 0;
        self.attempt.outage = None;
        match state {
            // What has arrived is not on its way again.
            RefundState::Pending if self.attempt.stage == Stage::Refunded => {}
            RefundState::Pending => self.refunding(id),
            RefundState::Succeeded => self.refunded(id),
            RefundState::Failed(refusal) => self.refund_failed(id, amount, refusal),
        }
        self.hear();
    }

    fn refunding(&mut self, id: String) {
        let arrived = self.attempt.stage != Stage::Refunding;
        self.enter(Stage::Refunding, None);
        if arrived {
            self.book(Entry::RefundPending, self.attempt.kept(), Some(id.clone()));
        }
        self.attempt.refund = Some(id);
        self.attempt.refund_refusal = None;
        self.attempt.refund_retry = false;
        self.poll(WHILE_REFUNDING);
    }

    fn refunded(&mut self, id: String) {
        // What went back in parts is booked already; the refund that is shown then is one of them.
        let in_parts = self.attempt.captured > 0 && self.attempt.kept() == 0;
        if self.attempt.stage != Stage::Refunded && !in_parts {
            self.book(Entry::Refunded, self.attempt.kept(), Some(id.clone()));
        }
        self.enter(Stage::Refunded, None);
        self.attempt.refunded = self.attempt.captured;
        self.attempt.refund = Some(id);
        self.attempt.refund_refusal = None;
        self.attempt.refund_retry = false;
    }

    /// The money is the shop's again: what was booked as given back is taken back.
    fn refund_failed(&mut self, id: String, amount: i64, refusal: Refusal) {
        let booked = self.attempt.stage == Stage::Refunded;
        let (entry, amount) = if booked {
            (Entry::RefundFailed, amount.min(self.attempt.refunded))
        } else {
            (Entry::RefundRefused, self.attempt.kept())
        };
        if booked {
            self.attempt.refunded -= amount;
        }
        self.refund_refused(refusal, entry, amount, Some(id));
    }

    /// It stays taken, until giving it back is asked for anew: under another key, or the refusal would be replayed.
    pub(super) fn refund_refused(
        &mut self,
        refusal: Refusal,
        entry: Entry,
        amount: i64,
        reference: Option<String>,
    ) {
        self.enter(Stage::Captured, None);
        self.attempt.refund = None;
        self.attempt.refund_refusal = Some(refusal);
        self.attempt.refund_refusals += 1;
        self.attempt.refund_retry = false;
        self.book(entry, amount, reference);
    }
}
