//! `Payment` as a child: how its wish is sent, and when it counts as answered.

use resources::{OrderReference, Payment, PaymentPhase, PaymentSpec, PaymentStatus};

use crate::child::Child;

impl Child for Payment {
    type Spec = PaymentSpec;
    type Status = PaymentStatus;
    const KIND: &'static str = "Payment";

    fn new(name: &str, spec: Self::Spec) -> Self {
        Self::new(name, spec)
    }

    fn spec(&self) -> &Self::Spec {
        &self.spec
    }

    fn with_spec(&self, spec: Self::Spec) -> Self {
        Self { spec, ..self.clone() }
    }

    fn with_status(self, status: Self::Status) -> Self {
        // Such a child has no generation, and its answer is to the spec that was asked: both are absent.
        Self { status: Some(PaymentStatus { observed_generation: None, ..status }), ..self }
    }

    fn order_reference(spec: &Self::Spec) -> &OrderReference {
        &spec.order_ref
    }

    fn is_answered(&self) -> bool {
        let Some(status) = &self.status else { return false };
        // An unknown outcome is asked for until it is known, a refused refund until the money is back, also by hand.
        let open = matches!(
            status.phase,
            None | Some(PaymentPhase::Pending | PaymentPhase::Unknown | PaymentPhase::Failed)
        );
        !open && status.observed_generation == self.metadata.generation
    }
}
