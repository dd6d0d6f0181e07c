//! A request met with the books: what changes and what is answered. Nothing is changed here.

use serde::Deserialize;
use serde_json::Value;

use super::errors::ApiError;
use super::model::{Address, Booking, Books, Shipment};
use super::tracking::{Script, TrackerStatus, script};
use crate::common::fresh_id;

/// What a POST asks for.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Create(Box<NewShipment>),
    Buy { id: String, service: Option<String> },
    Refund { id: String },
}

/// A shipment as it is asked for, validated.
#[derive(Clone, Debug)]
pub(crate) struct NewShipment {
    pub reference: Option<String>,
    pub service: String,
    pub buy: bool,
    pub to_address: Address,
    pub items: Value,
    pub parcel: Value,
}

/// What a request does.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The status of the answer.
    pub status: u16,
    /// The shipment to answer with.
    pub shipment: Shipment,
    /// Whether it is to be put into the books.
    pub changed: bool,
}

#[derive(Deserialize)]
struct Wanted {
    reference: Option<String>,
    service: Option<String>,
    #[serde(default)]
    buy: bool,
    to_address: Option<WantedAddress>,
    #[serde(default)]
    items: Value,
    #[serde(default)]
    parcel: Value,
}

#[derive(Deserialize)]
struct WantedAddress {
    name: Option<String>,
    company: Option<String>,
    street1: Option<String>,
    street2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    zip: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

/// Reads the body of `POST /v2/shipments`, wrapped or not.
pub(crate) fn read_shipment(body: Value) -> Result<NewShipment, ApiError> {
    let inner = match body.get("shipment") {
        Some(wrapped) => wrapped.clone(),
        None => body,
    };
    let wanted: Wanted = serde_json::from_value(inner)
        .map_err(|fault| ApiError::malformed(format!("The shipment: {fault}.")))?;
    let address = wanted.to_address.ok_or_else(|| ApiError::required("to_address"))?;
    let given = |field: &str, text: Option<String>| {
        text.filter(|text| !text.trim().is_empty()).ok_or_else(|| ApiError::required(field))
    };
    let country = given("to_address.country", address.country)?;
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(ApiError::invalid("to_address.country", "must be two letters, e.g. DE"));
    }
    Ok(NewShipment {
        reference: wanted.reference.filter(|reference| !reference.is_empty()),
        service: read_service(wanted.service)?.unwrap_or_else(|| "standard".to_owned()),
        buy: wanted.buy,
        to_address: Address {
            name: address.name,
            company: address.company,
            street1: given("to_address.street1", address.street1)?,
            street2: address.street2,
            city: given("to_address.city", address.city)?,
            state: address.state,
            zip: address.zip,
            country: country.to_uppercase(),
            phone: address.phone,
            email: address.email,
        },
        items: wanted.items,
        parcel: wanted.parcel,
    })
}

/// A service that exists.
pub(crate) fn read_service(service: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(service) = service else { return Ok(None) };
    match service.to_lowercase().as_str() {
        known @ ("standard" | "express") => Ok(Some(known.to_owned())),
        _ => Err(ApiError::invalid("service", "must be standard or express")),
    }
}

/// Executes a command at a time, for parcels that travel so long (milliseconds).
pub(crate) fn execute(books: &Books, command: Command, now: i64, delivery: i64) -> Result<Change, ApiError> {
    match command {
        Command::Create(new) => create(books, *new, now, delivery),
        Command::Buy { id, service } => {
            let mut shipment = find(books, &id)?;
            if shipment.cancelled_at.is_some() {
                return Err(ApiError::refunded());
            }
            let changed = shipment.booking.is_none();
            if changed {
                shipment.service = service.unwrap_or(shipment.service);
                shipment.booking = Some(book(now, delivery));
            }
            Ok(Change { status: 200, shipment, changed })
        }
        Command::Refund { id } => {
            let mut shipment = find(books, &id)?;
            if shipment.cancelled_at.is_some() {
                return Ok(Change { status: 200, shipment, changed: false });
            }
            match shipment.status(now) {
                None | Some(TrackerStatus::PreTransit) => {
                    shipment.cancelled_at = Some(now);
                    Ok(Change { status: 200, shipment, changed: true })
                }
                Some(other) => Err(ApiError::too_late(other.name())),
            }
        }
    }
}

fn find(books: &Books, id: &str) -> Result<Shipment, ApiError> {
    books.find(id).cloned().ok_or_else(|| ApiError::not_found("shipment", id))
}

fn create(books: &Books, new: NewShipment, now: i64, delivery: i64) -> Result<Change, ApiError> {
    let NewShipment { reference, service, buy, to_address, items, parcel } = new;
    let live = reference.as_deref().and_then(|reference| {
        books.of_reference(reference).rfind(|shipment| shipment.cancelled_at.is_none())
    });
    if let Some(first) = live {
        let mut shipment = first.clone();
        let changed = buy && shipment.booking.is_none();
        if changed {
            shipment.booking = Some(book(now, delivery));
        }
        return Ok(Change { status: 200, shipment, changed });
    }
    if script(&to_address.street1) == Script::Refuses {
        return Err(ApiError::undeliverable());
    }
    let shipment = Shipment {
        id: fresh_id("shp"),
        sequence: 0,
        reference,
        service,
        to_address,
        items,
        parcel,
        created_at: now,
        booking: buy.then(|| book(now, delivery)),
        cancelled_at: None,
        announced: 0,
    };
    Ok(Change { status: 201, shipment, changed: true })
}

fn book(now: i64, delivery: i64) -> Booking {
    Booking {
        tracking_code: fresh_id("SC").replace('_', "").to_uppercase(),
        tracker_id: fresh_id("trk"),
        booked_at: now,
        delivery_millis: delivery,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(street1: &str, buy: bool) -> Command {
        let body = json!({"reference": "o-1", "buy": buy, "to_address": {"street1": street1, "city": "Berlin", "country": "de"}});
        Command::Create(Box::new(read_shipment(body).unwrap()))
    }

    fn done(books: &mut Books, command: Command, now: i64) -> Change {
        let change = execute(books, command, now, 1_000).unwrap();
        books.put(change.shipment.clone());
        change
    }

    #[test]
    fn a_second_live_shipment_of_a_reference_is_answered_with_the_first() {
        let mut books = Books::default();
        let first = done(&mut books, wanted("1 High Street", true), 0);
        let second = done(&mut books, wanted("2 High Street", true), 10);
        assert_eq!((first.status, second.status), (201, 200));
        assert_eq!(first.shipment, second.shipment);
        done(&mut books, Command::Refund { id: first.shipment.id.clone() }, 20);
        let third = done(&mut books, wanted("1 High Street", true), 30);
        assert_ne!(third.shipment.id, first.shipment.id);
    }

    #[test]
    fn a_label_is_refunded_until_the_parcel_was_picked_up() {
        let mut books = Books::default();
        let id = done(&mut books, wanted("1 High Street", true), 0).shipment.id;
        let refund = Command::Refund { id: id.clone() };
        assert_eq!(
            execute(&books, refund.clone(), 500, 1_000).unwrap_err().code(),
            "SHIPMENT.REFUND.UNAVAILABLE"
        );
        let change = done(&mut books, refund.clone(), 499);
        assert_eq!(change.shipment.status_name(9_999), "cancelled");
        assert!(!execute(&books, refund, 9_999, 1_000).unwrap().changed);
        assert!(execute(&books, Command::Buy { id, service: None }, 9_999, 1_000).is_err());
    }

    #[test]
    fn buying_twice_is_buying_once() {
        let mut books = Books::default();
        let id = done(&mut books, wanted("1 High Street", false), 0).shipment.id;
        let buy = Command::Buy { id, service: Some("express".into()) };
        let first = done(&mut books, buy.clone(), 5);
        let second = done(&mut books, buy, 6);
        assert_eq!((first.shipment.service.as_str(), second.changed), ("express", false));
        assert_eq!(first.shipment.booking, second.shipment.booking);
    }

    #[test]
    fn an_undeliverable_address_and_a_wrong_one_are_refused() {
        let books = Books::default();
        let refused = execute(&books, wanted("UNDELIVERABLE 1", true), 0, 0).unwrap_err();
        assert_eq!((refused.status, refused.code()), (422, "ADDRESS.VERIFY.FAILURE"));
        let fault = |body: Value| read_shipment(body).unwrap_err().code();
        assert_eq!(fault(json!({})), "PARAMETER.REQUIRED");
        assert_eq!(fault(json!([])), "PARAMETERS.MALFORMED");
        assert_eq!(
            fault(json!({"to_address": {"street1": "x", "city": "y", "country": "Germany"}})),
            "PARAMETER.INVALID"
        );
        let wrapped = json!({"shipment": {"service": "drone", "to_address": {"street1": "x", "city": "y", "country": "DE"}}});
        assert_eq!(fault(wrapped), "PARAMETER.INVALID");
    }
}
