//! `StockReservation` as a child: how its wish is sent, and when it counts as answered.

use resources::{ReservationPhase, StockReservation, StockReservationSpec, StockReservationStatus};

use crate::child::{Child, child_accessors};

impl Child for StockReservation {
    child_accessors!(StockReservation, StockReservationSpec, StockReservationStatus);

    fn is_answered(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let open = matches!(status.phase, None | Some(ReservationPhase::Pending));
        !open && status.observed_generation == self.metadata.generation
    }
}
