//! `StockReservation` as a child: how its wish is sent, and when it counts as answered.

use resources::{
    OrderReference, ReservationPhase, StockReservation, StockReservationSpec, StockReservationStatus,
};

use crate::child::Child;

impl Child for StockReservation {
    type Spec = StockReservationSpec;
    type Status = StockReservationStatus;
    const KIND: &'static str = "StockReservation";

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
        Self { status: Some(StockReservationStatus { observed_generation: None, ..status }), ..self }
    }

    fn order_reference(spec: &Self::Spec) -> &OrderReference {
        &spec.order_ref
    }

    fn is_answered(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let open = matches!(status.phase, None | Some(ReservationPhase::Pending));
        !open && status.observed_generation == self.metadata.generation
    }
}
