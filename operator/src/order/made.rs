//! Children that were made a moment ago and that the caches do not show yet.
//!
//! Without them every event that comes in between would make the child again, only to be refused: the API server judges such a
//! request as thoroughly as any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resources::{Payment, Shipment, StockReservation};

use super::reconcile::Children;

/// A cache that does not show a child by then has missed it: making it again tells.
pub(super) const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// A child as the API server answered its creation.
#[derive(Debug)]
pub(crate) struct Made<C> {
    child: Arc<C>,
    at: Instant,
}

// Not derived: that would ask the same of the child.
impl<C> Clone for Made<C> {
    fn clone(&self) -> Self {
        Self { child: self.child.clone(), at: self.at }
    }
}

impl<C> Made<C> {
    pub(crate) fn now(child: C) -> Self {
        Self { child: Arc::new(child), at: Instant::now() }
    }

    /// The child, while it may be that no cache shows it yet.
    pub(crate) fn recent(&self) -> Option<Arc<C>> {
        (self.at.elapsed() < SHOWN_WITHIN).then(|| self.child.clone())
    }

    fn is(&self, observed: Option<&Arc<C>>) -> bool {
        observed.is_some_and(|observed| Arc::ptr_eq(observed, &self.child))
    }
}

/// What was made of one order's children.
#[derive(Clone, Debug, Default)]
pub(crate) struct MadeChildren {
    pub(crate) reservation: Option<Made<StockReservation>>,
    pub(crate) payment: Option<Made<Payment>>,
    pub(crate) shipment: Option<Made<Shipment>>,
}

impl MadeChildren {
    /// True when nothing is to be forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.reservation.is_none() && self.payment.is_none() && self.shipment.is_none()
    }

    /// Without those that `children` has from elsewhere: once a cache has shown a child, its deletion shows there too.
    pub(crate) fn unless_shown(self, children: &Children) -> Self {
        let Self { reservation, payment, shipment } = self;
        Self {
            reservation: reservation.filter(|made| made.is(children.reservation.as_ref())),
            payment: payment.filter(|made| made.is(children.payment.as_ref())),
            shipment: shipment.filter(|made| made.is(children.shipment.as_ref())),
        }
    }
}

#[cfg(test)]
mod tests {
    use resources::{OrderReference, Shipment, ShipmentDesired, ShipmentSpec, ShippingService};

    use super::*;

    fn shipment() -> Shipment {
        let reference = OrderReference { name: "web-1".into(), id: "o-1".into() };
        Shipment::new(
            "web-1",
            ShipmentSpec {
                order_ref: reference,
                items: Vec::new(),
                shipping_address: serde_json::from_value(serde_json::json!({
                    "name": "A. Shopper", "line1": "1 High Street", "city": "Berlin", "postalCode": "10115",
                    "country": "DE"
                }))
                .unwrap(),
                service: ShippingService::Standard,
                attempt: 1,
                desired: ShipmentDesired::Delivered,
            },
        )
    }

    fn children(shipment: Option<Arc<Shipment>>) -> Children {
        Children { reservation: None, payment: None, shipment }
    }

    #[test]
    fn a_child_stands_for_itself_until_a_cache_shows_it() {
        let made = Made::now(shipment());
        let all = MadeChildren { shipment: Some(made.clone()), ..MadeChildren::default() };
        assert!(!all.clone().unless_shown(&children(made.recent())).is_empty());
        assert!(all.clone().unless_shown(&children(Some(Arc::new(shipment())))).is_empty());
        assert!(all.unless_shown(&children(None)).is_empty());
    }

    #[test]
    fn one_that_no_cache_shows_in_time_is_made_again() {
        let Some(long_ago) = Instant::now().checked_sub(SHOWN_WITHIN) else { return };
        assert!(Made { child: Arc::new(shipment()), at: long_ago }.recent().is_none());
        assert!(Made::now(shipment()).recent().is_some());
    }
}
