//! The types of events, as one table: name, entity, and the data that each carries.

use resources::OrderPhase;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// An order; data [`crate::OrderTransition`].
    Order,
    /// The goods of an order, [`crate::StockChanged`]; or the level of an article, [`crate::StockLevel`].
    Stock,
    /// The money of an order; data [`crate::PaymentChanged`].
    Payment,
    /// The parcel of an order; data [`crate::ShipmentChanged`].
    Shipment,
    /// The price of an article; data [`crate::PriceChanged`].
    Price,
    /// A user; data [`crate::UserChanged`].
    User,
    /// A cart; data [`crate::CartCheckedOut`].
    Cart,
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $entity:ident $name:literal),+ $(,)?) => {
        /// Every type of event. The subject is `supercargo.event.<entity>.<name>`, the CloudEvents type
        /// `dev.supercargo.<entity>.<name>.v1`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant),+
        }

        impl EventType {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name without version: `order.placed`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it is about.
            #[must_use]
            pub const fn entity(self) -> Entity {
                match self { $(Self::$variant => Entity::$entity),+ }
            }

            /// The subject in stream `EVENTS`.
            #[must_use]
            pub const fn subject(self) -> &'static str {
                match self { $(Self::$variant => concat!("supercargo.event.", $name)),+ }
            }

            /// The CloudEvents `type`.
            #[must_use]
            pub const fn cloud_event_type(self) -> &'static str {
                match self { $(Self::$variant => concat!("dev.supercargo.", $name, ".v1")),+ }
            }

            /// The type with that CloudEvents `type`.
            #[must_use]
            pub fn from_cloud_event_type(text: &str) -> Option<Self> {
                match text {
                    $(concat!("dev.supercargo.", $name, ".v1") => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    /// Quoted; stock is asked for.
    OrderPlaced = Order "order.placed",
    /// Refused before anything was done.
    OrderRejected = Order "order.rejected",
    /// Stock is held.
    OrderReserved = Order "order.reserved",
    /// The customer has to do something about the payment.
    OrderPaymentNeeded = Order "order.payment_needed",
    /// Paid, or promised for sure.
    OrderPaid = Order "order.paid",
    /// The carrier has the goods.
    OrderShipped = Order "order.shipped",
    /// Delivered and paid.
    OrderCompleted = Order "order.completed",
    /// Undoing has begun.
    OrderCompensating = Order "order.compensating",
    /// Ended without goods by a failure.
    OrderFailed = Order "order.failed",
    /// Ended without goods by wish.
    OrderCancelled = Order "order.cancelled",
    /// Needs a person.
    OrderStuck = Order "order.stuck",
    /// History and snapshot are safe; the resource is going.
    OrderArchived = Order "order.archived",
    /// The goods of an order are set aside.
    StockReserved = Stock "stock.reserved",
    /// The goods of an order cannot be had.
    StockInsufficient = Stock "stock.insufficient",
    /// The goods of an order are free again, or back on the shelf.
    StockReleased = Stock "stock.released",
    /// The goods of an order have left the house.
    StockCommitted = Stock "stock.committed",
    /// A hold ran out.
    StockExpired = Stock "stock.expired",
    /// An article's level is another.
    StockLevelChanged = Stock "stock.level_changed",
    /// An article is below its reorder point.
    StockBelowMinimum = Stock "stock.below_minimum",
    /// The provider has promised the money.
    PaymentAuthorized = Payment "payment.authorized",
    /// The money is taken.
    PaymentCaptured = Payment "payment.captured",
    /// The customer has to confirm at their bank.
    PaymentActionRequired = Payment "payment.action_required",
    /// The provider refuses; nothing was taken.
    PaymentDeclined = Payment "payment.declined",
    /// The provider's answer did not arrive.
    PaymentUnknown = Payment "payment.unknown",
    /// Nothing was taken and nothing can be any more.
    PaymentVoided = Payment "payment.voided",
    /// The money is given back.
    PaymentRefunded = Payment "payment.refunded",
    /// An undo failed for good.
    PaymentFailed = Payment "payment.failed",
    /// The carrier has given a label.
    ShipmentBooked = Shipment "shipment.booked",
    /// The carrier has the goods.
    ShipmentDispatched = Shipment "shipment.dispatched",
    /// The goods are on their last way.
    ShipmentOutForDelivery = Shipment "shipment.out_for_delivery",
    /// Something is in the way.
    ShipmentException = Shipment "shipment.exception",
    /// The customer has the goods.
    ShipmentDelivered = Shipment "shipment.delivered",
    /// The carrier refuses.
    ShipmentRejected = Shipment "shipment.rejected",
    /// The goods are gone.
    ShipmentLost = Shipment "shipment.lost",
    /// The goods came back.
    ShipmentReturned = Shipment "shipment.returned",
    /// The label is void.
    ShipmentCancelled = Shipment "shipment.cancelled",
    /// An article costs another price.
    PriceChanged = Price "price.changed",
    /// A user has signed up.
    UserRegistered = User "user.registered",
    /// A user may order no more.
    UserDisabled = User "user.disabled",
    /// A user may order again.
    UserEnabled = User "user.enabled",
    /// A session of a user is over.
    UserLoggedOut = User "user.logged_out",
    /// A cart has become an order.
    CartCheckedOut = Cart "cart.checked_out",
}

impl EventType {
    /// The event that tells of entering `phase`.
    #[must_use]
    pub const fn of_phase(phase: OrderPhase) -> Self {
        match phase {
            OrderPhase::Placed => Self::OrderPlaced,
            OrderPhase::Reserved => Self::OrderReserved,
            OrderPhase::AwaitingPayment => Self::OrderPaymentNeeded,
            OrderPhase::Paid => Self::OrderPaid,
            OrderPhase::Shipped => Self::OrderShipped,
            OrderPhase::Completed => Self::OrderCompleted,
            OrderPhase::Rejected => Self::OrderRejected,
            OrderPhase::Failed => Self::OrderFailed,
            OrderPhase::Cancelled => Self::OrderCancelled,
            OrderPhase::Compensating => Self::OrderCompensating,
            OrderPhase::Stuck => Self::OrderStuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_again_by_its_cloud_event_type() {
        for event_type in EventType::ALL {
            assert_eq!(EventType::from_cloud_event_type(event_type.cloud_event_type()), Some(*event_type));
            assert_eq!(event_type.subject(), format!("supercargo.event.{}", event_type.name()));
        }
        assert_eq!(EventType::from_cloud_event_type("dev.supercargo.order.eaten.v1"), None);
    }
}
