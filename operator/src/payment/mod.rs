//! `Payment` as a child: how its wish is sent, and when it counts as answered.

use resources::{Payment, PaymentPhase, PaymentSpec, PaymentStatus};

use crate::child::{Child, child_accessors};

impl Child for Payment {
    child_accessors!(Payment, PaymentSpec, PaymentStatus);

    fn is_answered(&self) -> bool {
        let Some(status) = &self.status else { return false };
        // An unknown outcome is asked for until it is known, a refused refund until the money is back, also by hand.
        let open = matches!(
            status.phase,
            None | Some(PaymentPhase::Pending | PaymentPhase::Unknown | PaymentPhase::Failed)
        );
        !open && status.observed_generation == self.metadata.generation
    }

    fn is_refused(&self) -> bool {
        self.status.as_ref().and_then(|status| status.phase) == Some(PaymentPhase::Failed)
    }
}
