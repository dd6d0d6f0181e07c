//! `Shipment` as a child: how its wish is sent, and when it counts as answered.

use resources::{Shipment, ShipmentPhase, ShipmentSpec, ShipmentStatus};

use crate::child::{Child, child_accessors};

impl Child for Shipment {
    child_accessors!(Shipment, ShipmentSpec, ShipmentStatus);

    fn is_answered(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let open = matches!(status.phase, None | Some(ShipmentPhase::Pending));
        !open && status.observed_generation == self.metadata.generation
    }
}
