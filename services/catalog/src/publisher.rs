//! What the world is told of changes in the catalog.

use events::{Event, EventError, EventType, PriceChanged};
use jiff::Timestamp;

/// `price.changed`: its id says which change of which article it is.
pub(crate) fn price_changed(change: &PriceChanged, now: Timestamp) -> Result<Event, EventError> {
    let id = format!("price/{}/{}", change.sku, change.revision);
    Event::new(EventType::PriceChanged, "catalog", id, &change.sku, now, change)
}
