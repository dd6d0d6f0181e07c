//! A carrier with EasyPost's shape of API: shipments with labels, and trackers.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use resources::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::carrier::{Booked, BookingRequest, Cancellation, Carrier, CarrierError, Detail, Tracker};
use crate::observe::clip;
use crate::parcel::to_microseconds;

/// After this long a call is given up and its answer is lost.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The carrier behind `CARRIER_URL`.
#[derive(Clone, Debug)]
pub struct EasyPost {
    client: reqwest::Client,
    base: Url,
    key: String,
}

impl EasyPost {
    /// A client of the API at `base` (without `/v2`), giving each call up after `patience`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: Url, key: String, patience: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(patience.min(Duration::from_secs(5)))
            .timeout(patience)
            .user_agent("supercargo")
            .build()
            .context("failed to make an HTTP client for the carrier")?;
        Ok(Self { client, base, key })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Answer, CarrierError> {
        let started = Instant::now();
        let outcome = self.send(&call).await;
        let label = match &outcome {
            Ok(answer) if answer.status.is_success() => "answered",
            Ok(_) => "refused",
            Err(_) => "lost",
        };
        metrics::histogram!("supercargo_shipping_carrier_seconds", "call" => call.name, "outcome" => label)
            .record(started.elapsed());
        outcome
    }

    async fn send(&self, call: &Call<'_>) -> Result<Answer, CarrierError> {
        let lost = |source: anyhow::Error| CarrierError::Lost { call: call.name, source };
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| lost(anyhow::anyhow!("CARRIER_URL cannot have a path")))?
            .pop_if_empty()
            .push("v2")
            .extend(call.path);
        let mut request =
            self.client.request(call.method.clone(), url).bearer_auth(&self.key).query(call.query);
        if let Some(key) = call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| lost(error.into()))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| lost(error.into()))?;
        if status.is_success() {
            return Ok(Answer { call: call.name, status, body: body.to_vec(), error: ApiError::default() });
        }
        // An error of another shape is a proxy's: what the carrier does behind it is not known.
        let wrapped: ErrorBody = serde_json::from_slice(&body)
            .map_err(|_| lost(anyhow::anyhow!("HTTP {status} without an error of the carrier's")))?;
        Ok(Answer { call: call.name, status, body: Vec::new(), error: wrapped.error })
    }
}

struct Call<'a> {
    name: &'static str,
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    idempotency_key: Option<&'a str>,
    body: Option<Value>,
}

impl<'a> Call<'a> {
    const fn new(name: &'static str, method: Method, path: &'a [&'a str]) -> Self {
        Self { name, method, path, query: &[], idempotency_key: None, body: None }
    }
}

struct Answer {
    call: &'static str,
    status: StatusCode,
    body: Vec<u8>,
    error: ApiError,
}

impl Answer {
    fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, CarrierError> {
        serde_json::from_slice(&self.body).map_err(|error| CarrierError::Lost {
            call: self.call,
            source: anyhow::Error::new(error).context("the answer cannot be read"),
        })
    }

    fn is_refusal(&self, code: &str) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY && self.error.code == code
    }

    /// The error of an answer that is none of those which the call knows.
    fn failed(&self) -> CarrierError {
        let ApiError { code, message } = &self.error;
        // The first request with this key is still being executed.
        if self.status == StatusCode::CONFLICT {
            return CarrierError::Lost { call: self.call, source: anyhow::anyhow!("{code}: {message}") };
        }
        let advice = if self.status == StatusCode::UNAUTHORIZED { ", check CARRIER_KEY" } else { "" };
        CarrierError::Failed {
            call: self.call,
            status: self.status.as_u16(),
            message: format!("{code}: {message}{advice}"),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ApiError,
}

#[derive(Default, Deserialize)]
struct ApiError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct ShipmentShape {
    id: String,
    #[serde(default)]
    refund_status: Option<String>,
    #[serde(default)]
    tracker: Option<TrackerShape>,
}

#[derive(Deserialize)]
struct ShipmentList {
    shipments: Vec<ShipmentShape>,
}

/// A tracker as the API and webhooks tell it.
#[derive(Deserialize)]
pub(crate) struct TrackerShape {
    pub(crate) tracking_code: String,
    #[serde(default)]
    pub(crate) reference: Option<String>,
    status: String,
    #[serde(default)]
    status_detail: Option<String>,
    #[serde(default)]
    public_url: Option<String>,
    #[serde(default)]
    est_delivery_date: Option<String>,
    #[serde(default)]
    updated_at: Option<Timestamp>,
    #[serde(default)]
    tracking_details: Vec<DetailShape>,
}

#[derive(Deserialize)]
struct DetailShape {
    status: String,
    #[serde(default)]
    status_detail: Option<String>,
    #[serde(default)]
    message: Option<String>,
    datetime: Timestamp,
}

impl ShipmentShape {
    /// With a label that is worth something.
    fn is_live(&self) -> bool {
        self.tracker.is_some() && self.refund_status.as_deref().is_none_or(|status| status == "rejected")
    }

    fn booked(self) -> Option<Booked> {
        let tracker = self.tracker?.tracker();
        Some(Booked { shipment_id: clip(&self.id, 200), tracker })
    }
}

impl TrackerShape {
    pub(crate) fn tracker(self) -> Tracker {
        let mut details: Vec<Detail> = self
            .tracking_details
            .into_iter()
            .map(|step| detail(step.status, step.status_detail, step.message, step.datetime))
            .collect();
        // Some carriers tell the status before its step.
        let is_told = details.last().is_some_and(|last| last.status == self.status);
        if let (false, Some(at)) = (is_told, self.updated_at) {
            details.push(detail(self.status, self.status_detail, None, at));
        }
        Tracker {
            tracking_number: clip(&self.tracking_code, 200),
            tracking_url: self.public_url.filter(|url| url.len() <= 2048),
            estimated_delivery: self.est_delivery_date.and_then(|date| date.parse().ok()),
            details,
        }
    }
}

fn detail(status: String, detail: Option<String>, message: Option<String>, at: Timestamp) -> Detail {
    Detail {
        status: clip(&status, 200),
        detail: clip(&detail.unwrap_or_default(), 200),
        message: message.map(|message| clip(&message, 1024)),
        at: to_microseconds(at),
    }
}

fn address(address: &Address) -> Value {
    let Address { name, line1, line2, city, region, postal_code, country, phone } = address;
    json!({
        "name": name, "street1": line1, "street2": line2, "city": city, "state": region, "zip": postal_code,
        "country": country, "phone": phone,
    })
}

#[async_trait]
impl Carrier for EasyPost {
    async fn book(&self, request: &BookingRequest) -> Result<Booked, CarrierError> {
        let BookingRequest { reference, address: to, service, items } = request;
        let call = Call {
            idempotency_key: Some(reference),
            // The weight is nominal: articles have none.
            body: Some(json!({
                "reference": reference, "service": service.as_str(), "buy": true, "to_address": address(to),
                "items": items, "parcel": {"weight": 10},
            })),
            ..Call::new("book", Method::POST, &["shipments"])
        };
        let answer = self.ask(call).await?;
        let lost = |text: &'static str| CarrierError::Lost { call: "book", source: anyhow::anyhow!(text) };
        if answer.status.is_success() {
            let shipment: ShipmentShape = answer.read()?;
            return shipment.booked().ok_or_else(|| lost("the shipment was made without a label"));
        }
        if answer.is_refusal("IDEMPOTENCY.CONFLICT") {
            // The first request had another address, and was executed after all.
            let found = self.find(reference).await?;
            return found.ok_or_else(|| lost("the key was used, but there is no shipment of that reference"));
        }
        match answer.status {
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                let undeliverable = answer.error.code == "ADDRESS.VERIFY.FAILURE";
                let reason = if undeliverable { "AddressUndeliverable" } else { "CarrierRefused" };
                Err(CarrierError::Refused { reason, message: answer.error.message })
            }
            _ => Err(answer.failed()),
        }
    }

    async fn find(&self, reference: &str) -> Result<Option<Booked>, CarrierError> {
        let query = [("reference", reference), ("page_size", "100")];
        let call = Call { query: &query, ..Call::new("find", Method::GET, &["shipments"]) };
        let answer = self.ask(call).await?;
        if !answer.status.is_success() {
            return Err(answer.failed());
        }
        let mut list: ShipmentList = answer.read()?;
        let live = list.shipments.iter().position(ShipmentShape::is_live);
        let labelled = live.or_else(|| list.shipments.iter().position(|shipment| shipment.tracker.is_some()));
        Ok(labelled.and_then(|index| list.shipments.swap_remove(index).booked()))
    }

    async fn cancel(&self, shipment_id: &str) -> Result<Cancellation, CarrierError> {
        let path = ["shipments", shipment_id, "refund"];
        let answer = self.ask(Call::new("cancel", Method::POST, &path)).await?;
        if answer.is_refusal("SHIPMENT.REFUND.UNAVAILABLE") {
            return Ok(Cancellation::Refused { message: answer.error.message });
        }
        if !answer.status.is_success() {
            return Err(answer.failed());
        }
        let shipment: ShipmentShape = answer.read()?;
        match shipment.refund_status.as_deref() {
            Some("refunded") => Ok(Cancellation::Voided),
            Some("rejected") => {
                Ok(Cancellation::Refused { message: "The carrier does not take the label back.".to_owned() })
            }
            status => Err(CarrierError::Failed {
                call: "cancel",
                status: answer.status.as_u16(),
                message: format!("the refund is {}, not settled", status.unwrap_or("not there")),
            }),
        }
    }

    async fn track(&self, tracking_number: &str) -> Result<Tracker, CarrierError> {
        let path = ["trackers", tracking_number];
        let answer = self.ask(Call::new("track", Method::GET, &path)).await?;
        if !answer.status.is_success() {
            return Err(answer.failed());
        }
        Ok(answer.read::<TrackerShape>()?.tracker())
    }
}
