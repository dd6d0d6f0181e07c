//! A message of the stream as a row of the history.

use chassis::Message;
use events::{
    Attributes, CartCheckedOut, Entity, Event, EventError, EventType, OrderTransition, PaymentChanged,
    PriceChanged, ShipmentChanged, StockChanged, StockLevel, UserChanged,
};
use jiff::Timestamp;
use resources::OrderPhase;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the subjects of events begin with.
const SUBJECT_PREFIX: &str = "supercargo.event.";

/// One event, as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its CloudEvents id.
    pub id: String,
    /// Its name: `order.placed`.
    pub event: String,
    /// Who told it.
    pub source: String,
    /// Its CloudEvents subject.
    pub subject: String,
    /// The order that it is about; absent for levels and prices.
    pub order: Option<OrderName>,
    /// The transition that it tells, when it is one of the order itself.
    pub transition: Option<Transition>,
    /// The phase that it led to, of whatever it is about.
    pub phase: Option<String>,
    /// One word for machines.
    pub reason: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// Its whole data.
    pub data: Value,
}

/// An order by id and by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderName {
    /// The order id.
    pub order_id: String,
    /// The namespace of the resource.
    pub namespace: String,
    /// The name of the resource.
    pub name: String,
}

/// One step of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Its number, from 1.
    pub sequence: i64,
    /// The phase that it led to.
    pub phase: OrderPhase,
    /// When it was decided.
    pub at: Timestamp,
}

/// Why a message cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no CloudEvent, or its data is not of its type's form.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Its type is not in the catalogue and its payload is no JSON.
    #[error("the payload of {event} is no JSON: {fault}")]
    NoJson {
        /// The event's name.
        event: String,
        /// What the reader said.
        fault: serde_json::Error,
    },
    /// The envelope names one order and the data another.
    #[error("{event} has ce-subject {subject:?} but is about the order {order_id:?}")]
    OtherOrder {
        /// The event's name.
        event: &'static str,
        /// The envelope's order id.
        subject: String,
        /// The data's order id.
        order_id: String,
    },
    /// Transitions are counted from 1.
    #[error("{event} of the order {order_id} has sequence {sequence}: transitions are counted from 1")]
    Uncounted {
        /// The event's name.
        event: &'static str,
        /// The order id.
        order_id: String,
        /// The number given.
        sequence: i64,
    },
}

impl Record {
    /// Reads a message. An event that the catalogue does not know (a newer service tells it) is recorded as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(message: &Message) -> Result<Self, RecordError> {
        match Event::read(message.headers.as_ref(), &message.payload) {
            Ok(event) => Self::of(event),
            Err(EventError::UnknownType(_)) => Self::of_unknown(message),
            Err(error) => Err(error.into()),
        }
    }

    /// The record of an event of the catalogue.
    ///
    /// # Errors
    /// When its data is not of its type's form, or contradicts its envelope.
    pub fn of(event: Event) -> Result<Self, RecordError> {
        let about = About::read(&event)?;
        let Event { event_type, attributes, data } = event;
        let Attributes { id, source, subject, time, trace: _ } = attributes;
        if let Some(order) = &about.order
            && order.order_id != subject
        {
            let order_id = order.order_id.clone();
            return Err(RecordError::OtherOrder { event: event_type.name(), subject, order_id });
        }
        let at = about.transition.map_or(time, |transition| transition.at);
        let About { order, transition, phase, reason } = about;
        Ok(Self {
            id,
            event: event_type.name().to_owned(),
            source,
            subject,
            order,
            transition,
            phase,
            reason,
            at,
            data,
        })
    }

    /// The record of a transition that a resource still tells: the same as its event would have been.
    ///
    /// # Errors
    /// When it contradicts itself.
    pub fn of_transition(transition: &OrderTransition) -> Result<Self, RecordError> {
        Self::of(transition.event()?)
    }

    fn of_unknown(message: &Message) -> Result<Self, RecordError> {
        let Attributes { id, source, subject, time, trace: _ } = Attributes::read(message.headers.as_ref())?;
        let event = message.subject.strip_prefix(SUBJECT_PREFIX).unwrap_or(&message.subject).to_owned();
        let data = serde_json::from_slice(&message.payload)
            .map_err(|fault| RecordError::NoJson { event: event.clone(), fault })?;
        Ok(Self {
            id,
            event,
            source,
            subject,
            order: None,
            transition: None,
            phase: None,
            reason: None,
            at: time,
            data,
        })
    }
}

/// What the data of an event says.
#[derive(Default)]
struct About {
    order: Option<OrderName>,
    transition: Option<Transition>,
    phase: Option<String>,
    reason: Option<String>,
}

impl About {
    fn read(event: &Event) -> Result<Self, RecordError> {
        match event.event_type.entity() {
            Entity::Order => Self::of_order(event),
            Entity::Stock if tells_of_an_article(event.event_type) => Self::of_no_order::<StockLevel>(event),
            Entity::Stock => {
                let StockChanged { order_id, namespace, name, .. } = event.data()?;
                let order = Some(OrderName { order_id, namespace, name });
                Ok(Self { order, ..Self::default() })
            }
            Entity::Payment => {
                let PaymentChanged { order_id, namespace, name, phase, reason, .. } = event.data()?;
                let order = Some(OrderName { order_id, namespace, name });
                Ok(Self { order, phase: Some(phase.as_str().to_owned()), reason, transition: None })
            }
            Entity::Shipment => {
                let ShipmentChanged { order_id, namespace, name, phase, reason, .. } = event.data()?;
                let order = Some(OrderName { order_id, namespace, name });
                Ok(Self { order, phase: Some(phase.as_str().to_owned()), reason, transition: None })
            }
            Entity::Price => Self::of_no_order::<PriceChanged>(event),
            Entity::User => Self::of_no_order::<UserChanged>(event),
            Entity::Cart => Self::of_no_order::<CartCheckedOut>(event),
        }
    }

    fn of_order(event: &Event) -> Result<Self, RecordError> {
        let OrderTransition { order_id, namespace, name, sequence, phase, reason, at, .. } = event.data()?;
        // The archive tells where the order had ended; it is no step of its own.
        let is_step = event.event_type != EventType::OrderArchived;
        if is_step && sequence < 1 {
            return Err(RecordError::Uncounted { event: event.event_type.name(), order_id, sequence });
        }
        let transition = is_step.then_some(Transition { sequence, phase, at });
        let order = Some(OrderName { order_id, namespace, name });
        Ok(Self { order, transition, phase: Some(phase.as_str().to_owned()), reason })
    }

    /// Only read to refuse what is malformed.
    fn of_no_order<D: DeserializeOwned>(event: &Event) -> Result<Self, RecordError> {
        event.data::<D>()?;
        Ok(Self::default())
    }
}

/// True for the events of stock that are about an article rather than an order.
fn tells_of_an_article(event_type: EventType) -> bool {
    matches!(event_type, EventType::StockLevelChanged | EventType::StockBelowMinimum)
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use serde_json::json;

    use super::*;

    fn placed(order_id: &str, sequence: i64) -> Value {
        json!({"orderId": order_id, "namespace": "shop", "name": "web-1", "sequence": sequence, "phase": "Placed",
               "at": "2026-11-20T10:00:00.5Z", "customer": {"email": "a@example.com", "name": "A. Shopper"}})
    }

    fn message(subject: &str, type_text: &str, ce_subject: &str, data: &Value) -> Message {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-id", "o-1/1"),
            ("ce-type", type_text),
            ("ce-source", "/supercargo/operator"),
            ("ce-subject", ce_subject),
            ("ce-time", "2026-11-20T10:00:01Z"),
        ] {
            headers.insert(name, value);
        }
        Message { subject: subject.into(), headers: Some(headers), payload: data.to_string().into() }
    }

    fn order_message(data: &Value) -> Message {
        message("supercargo.event.order.placed", "dev.supercargo.order.placed.v1", "o-1", data)
    }

    #[test]
    fn an_order_event_is_recorded_with_its_transition_at_the_time_of_the_decision() {
        let record = Record::read(&order_message(&placed("o-1", 1))).unwrap();
        assert_eq!(record.event, "order.placed");
        let transition = record.transition.unwrap();
        assert_eq!((transition.sequence, transition.phase), (1, OrderPhase::Placed));
        assert_eq!(record.at.to_string(), "2026-11-20T10:00:00.5Z");
        assert_eq!(record.order.unwrap().name, "web-1");
    }

    #[test]
    fn the_archive_is_recorded_but_is_no_transition() {
        let message = message(
            "supercargo.event.order.archived",
            "dev.supercargo.order.archived.v1",
            "o-1",
            &placed("o-1", 6),
        );
        assert_eq!(Record::read(&message).unwrap().transition, None);
    }

    #[test]
    fn an_event_about_an_article_is_recorded_without_an_order() {
        let level = json!({"sku": "MUG-01", "onHand": 5, "reserved": 2, "available": 3, "revision": 7});
        let message = message(
            "supercargo.event.stock.level_changed",
            "dev.supercargo.stock.level_changed.v1",
            "MUG-01",
            &level,
        );
        let record = Record::read(&message).unwrap();
        assert_eq!((record.order, record.subject.as_str(), record.data), (None, "MUG-01", level));
    }

    #[test]
    fn an_event_that_only_a_newer_service_knows_is_recorded_as_it_is() {
        let data = json!({"anything": true});
        let message =
            message("supercargo.event.parcel.weighed", "dev.supercargo.parcel.weighed.v1", "p-1", &data);
        let record = Record::read(&message).unwrap();
        assert_eq!((record.event.as_str(), record.data), ("parcel.weighed", data));
    }

    #[test]
    fn what_cannot_be_read_or_contradicts_itself_is_refused_with_a_sentence() {
        for (message, sentence) in [
            (order_message(&json!({"orderId": "o-1"})), "the data of order.placed cannot be read"),
            (
                order_message(&placed("o-2", 1)),
                "order.placed has ce-subject \"o-1\" but is about the order \"o-2\"",
            ),
            (order_message(&placed("o-1", 0)), "has sequence 0: transitions are counted from 1"),
            (Message { headers: None, ..order_message(&placed("o-1", 1)) }, "the header ce-type is missing"),
        ] {
            let error = Record::read(&message).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn a_transition_filled_in_is_the_record_that_its_event_would_have_made() {
        let told = Record::read(&order_message(&placed("o-1", 1))).unwrap();
        let transition: OrderTransition = serde_json::from_value(placed("o-1", 1)).unwrap();
        assert_eq!(Record::of_transition(&transition).unwrap(), told);
    }
}
