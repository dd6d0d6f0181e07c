//! CloudEvents 1.0 in binary mode: attributes in headers, JSON data in the payload.

use async_nats::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EventType, TraceParent};

/// What every `source` begins with: `/supercargo/operator`, `/supercargo/payment`.
pub const SOURCE_PREFIX: &str = "/supercargo/";

/// The attributes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Unique within the source; the same event told twice has the same one.
    pub id: String,
    /// Which service tells it: `operator`, `payment`.
    pub source: String,
    /// The order id; for levels and prices the article.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// The trace that it belongs to.
    pub trace: TraceParent,
}

/// An event, ready to be published, or as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its type.
    pub event_type: EventType,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its data, of the form that the catalogue gives for the type.
    pub data: serde_json::Value,
}

/// Why a message is no event of the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A CloudEvents attribute is missing.
    #[error("the header {0} is missing: events are CloudEvents 1.0 in binary mode")]
    MissingHeader(&'static str),
    /// A CloudEvents attribute cannot be read.
    #[error("the header {name} cannot be read: {value:?}")]
    InvalidHeader {
        /// The header's name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// The type is not in the catalogue.
    #[error("the event type {0:?} is not in the catalogue")]
    UnknownType(String),
    /// The payload is not the JSON that the type has.
    #[error("the data of {event_type} cannot be read")]
    InvalidData {
        /// The type's name.
        event_type: &'static str,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
}

impl Event {
    /// An event about an order.
    ///
    /// `id` must be the same whenever the same thing is told: the order id and sequence, or entity and revision.
    ///
    /// # Errors
    /// When the data cannot be written as JSON, which would be a defect of its type.
    pub fn new<D: Serialize>(
        event_type: EventType,
        service: &str,
        id: String,
        subject: &str,
        time: Timestamp,
        data: &D,
    ) -> Result<Self, EventError> {
        let data = serde_json::to_value(data)
            .map_err(|source| EventError::InvalidData { event_type: event_type.name(), source })?;
        let attributes = Attributes {
            id,
            source: format!("{SOURCE_PREFIX}{service}"),
            subject: subject.to_owned(),
            time,
            trace: TraceParent::of_order(subject),
        };
        Ok(Self { event_type, attributes, data })
    }

    /// The data as the type that the catalogue gives.
    ///
    /// # Errors
    /// When the JSON is of another form.
    pub fn data<D: DeserializeOwned>(&self) -> Result<D, EventError> {
        serde_json::from_value(self.data.clone())
            .map_err(|source| EventError::InvalidData { event_type: self.event_type.name(), source })
    }

    /// The headers of the message: CloudEvents attributes, `traceparent`, and `Nats-Msg-Id` for deduplication.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = self.attributes.headers(self.event_type.cloud_event_type());
        headers.insert(async_nats::header::NATS_MESSAGE_ID, self.attributes.id.as_str());
        headers
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When an attribute is missing, the type is unknown, or the payload is no JSON.
    pub fn read(headers: Option<&HeaderMap>, payload: &[u8]) -> Result<Self, EventError> {
        let type_text = header(headers, "ce-type")?;
        let event_type =
            EventType::from_cloud_event_type(&type_text).ok_or(EventError::UnknownType(type_text))?;
        let attributes = Attributes::read(headers)?;
        let data = serde_json::from_slice(payload)
            .map_err(|source| EventError::InvalidData { event_type: event_type.name(), source })?;
        Ok(Self { event_type, attributes, data })
    }
}

impl Attributes {
    /// As headers, with the CloudEvents `type` given.
    #[must_use]
    pub fn headers(&self, cloud_event_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", self.id.as_str());
        headers.insert("ce-type", cloud_event_type);
        headers.insert("ce-source", self.source.as_str());
        headers.insert("ce-subject", self.subject.as_str());
        headers.insert("ce-time", self.time.to_string().as_str());
        headers.insert("traceparent", self.trace.to_string().as_str());
        headers.insert("content-type", "application/json");
        headers
    }

    /// Reads them from headers.
    ///
    /// # Errors
    /// When one is missing or cannot be read.
    pub fn read(headers: Option<&HeaderMap>) -> Result<Self, EventError> {
        let time = header(headers, "ce-time")?;
        let time =
            time.parse().map_err(|_| EventError::InvalidHeader { name: "ce-time", value: time.clone() })?;
        let subject = header(headers, "ce-subject")?;
        let trace = header(headers, "traceparent")
            .ok()
            .and_then(|text| TraceParent::parse(&text))
            .unwrap_or_else(|| TraceParent::of_order(&subject));
        Ok(Self {
            id: header(headers, "ce-id")?,
            source: header(headers, "ce-source")?,
            subject,
            time,
            trace,
        })
    }
}

fn header(headers: Option<&HeaderMap>, name: &'static str) -> Result<String, EventError> {
    headers
        .and_then(|headers| headers.get(name))
        .map(|value| value.as_str().to_owned())
        .filter(|value| !value.is_empty())
        .ok_or(EventError::MissingHeader(name))
}
