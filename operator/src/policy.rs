//! The policy of a namespace's orders: its Shop, read live, or the defaults.

use std::time::Duration;

use money::Currency;
use resources::{Capture, CompleteOn, OnDeadline, OrderPhase, Shop, ShopSpec};

const LEAST_RETRY: Duration = Duration::from_millis(100);

/// What holds for the orders of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The currency of every quote.
    pub currency: Currency,
    /// True: no order asks for new stock, money or labels.
    pub paused: bool,
    /// How long an order waits for the customer to pay.
    pub payment_timeout: Duration,
    /// When the money is taken.
    pub capture: Capture,
    /// When an order counts as completed.
    pub complete_on: CompleteOn,
    /// How long a finished order stays.
    pub ttl_after_finished: Duration,
    /// How long a phase may be overtaken without being written.
    pub status_delay: Duration,
    /// The first wait before an unanswered command is sent again.
    pub retry_initial: Duration,
    /// The longest such wait.
    pub retry_maximum: Duration,
    /// What happens when a phase takes too long.
    pub on_deadline: OnDeadline,
    deadlines: resources::Deadlines,
}

impl Policy {
    /// The policy of `shop`, or the defaults without one.
    #[must_use]
    pub fn of(shop: Option<&Shop>) -> Self {
        let ShopSpec {
            currency,
            paused,
            payment_timeout,
            capture,
            complete_on,
            ttl_after_finished,
            status_delay,
            deadlines,
            on_deadline,
            retry,
        } = shop.map(|shop| shop.spec.clone()).unwrap_or_default();
        Self {
            currency,
            paused,
            payment_timeout: payment_timeout.into(),
            capture,
            complete_on,
            ttl_after_finished: ttl_after_finished.into(),
            status_delay: status_delay.into(),
            // Never without a pause: an unanswered command would be sent as fast as it can be.
            retry_initial: Duration::from(retry.initial).max(LEAST_RETRY),
            retry_maximum: Duration::from(retry.maximum).max(LEAST_RETRY),
            on_deadline,
            deadlines,
        }
    }

    /// How long a paid order may wait for its label.
    #[must_use]
    pub fn booking_deadline(&self) -> Duration {
        self.deadlines.booking.into()
    }

    /// How long an order may be in `phase` before it says what it waits for; `None` where it waits for no service.
    #[must_use]
    pub fn deadline(&self, phase: OrderPhase) -> Option<Duration> {
        match phase {
            OrderPhase::Placed => Some(self.deadlines.placed.into()),
            OrderPhase::Reserved => Some(self.deadlines.reserved.into()),
            OrderPhase::Paid => Some(self.deadlines.paid.into()),
            OrderPhase::Shipped => Some(self.deadlines.shipped.into()),
            OrderPhase::Compensating => Some(self.deadlines.compensating.into()),
            OrderPhase::AwaitingPayment
            | OrderPhase::Completed
            | OrderPhase::Rejected
            | OrderPhase::Failed
            | OrderPhase::Cancelled
            | OrderPhase::Stuck => None,
        }
    }
}
