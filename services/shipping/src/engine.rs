//! The work on parcels: one step after the other, each decided on what is stored, its result stored before the next.
//!
//! # Guarantees
//! - A booking call is written down before it is made, under the lock of the parcel's row: a wish to cancel that comes
//!   first keeps it from being made, one that comes later finds that it may have been.
//! - A crash between a call and the storing of its result repeats the call, which carriers take for the same.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::trace::{join, within};
use chassis::worklist::{Next, Work};
use chassis::{Point, Store, effect};
use events::TraceParent;
use jiff::Timestamp;

use crate::carrier::{Cancellation, Carrier, CarrierError};
use crate::observe::{Asked, Observation, apply};
use crate::parcel::{Parcel, Policy, Step, next_step, to_microseconds};
use crate::{publisher, store};

/// So many steps are taken in one go; together they take less time than the lease of the work.
const STEPS: usize = 3;
/// So often in a row the carrier must have failed before the status says so.
const FAILURES_TO_REPORT: u32 = 2;

/// Carries parcels on.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    carrier: Arc<dyn Carrier>,
    policy: Policy,
}

/// What a call came to: what is now known, and the error that has it tried again.
type Outcome = (Option<Observation>, Option<CarrierError>);

impl Engine {
    /// An engine on `store` that asks `carrier`.
    #[must_use]
    pub const fn new(store: Store, carrier: Arc<dyn Carrier>, policy: Policy) -> Self {
        Self { store, carrier, policy }
    }

    /// Decides the next step of an order, and writes down that a booking call begins.
    async fn decide(&self, order_id: &str, now: Timestamp) -> anyhow::Result<Option<(Parcel, Step)>> {
        let mut transaction = self.store.begin().await.context("failed to begin")?;
        transaction.about("booking", order_id);
        let Some(mut parcel) = store::load_in_tx(&mut transaction, order_id).await? else {
            return Ok(None);
        };
        parcel.forget_a_time_out_of_reach(now, &self.policy);
        let step = next_step(&parcel, now);
        if step == Step::Book {
            parcel.begin_booking(now, &self.policy);
            store::save_booking_in_tx(&mut transaction, order_id, parcel.attempt, &parcel.booking).await?;
            transaction.commit().await.context("failed to note that a booking begins")?;
        }
        Ok(Some((parcel, step)))
    }

    async fn take(&self, parcel: &Parcel, step: Step) -> anyhow::Result<Outcome> {
        let label = || parcel.booking.label.as_ref().context("the parcel has no label");
        let (carrier, order) = (&self.carrier, parcel.order_id.as_str());
        let point = |call| Point::new("shipping", "carrier", call);
        let (request, reference) = (parcel.booking_request(), parcel.reference());
        Ok(match step {
            Step::Book => match effect(point("book"), order, || carrier.book(&request)).await {
                Ok(booked) => (Some(Observation::Booked(booked)), None),
                Err(CarrierError::Refused { reason, message }) => {
                    (Some(Observation::BookingRefused { reason: reason.to_owned(), message }), None)
                }
                Err(error @ CarrierError::Failed { .. }) => {
                    (Some(Observation::BookingFailed { ended: true }), Some(error))
                }
                Err(error @ CarrierError::Lost { .. }) => {
                    (Some(Observation::BookingFailed { ended: false }), Some(error))
                }
            },
            Step::LookUp => match effect(point("find"), order, || carrier.find(&reference)).await {
                Ok(Some(booked)) => (Some(Observation::Booked(booked)), None),
                Ok(None) => (Some(Observation::NotFound), None),
                Err(error) => (None, Some(error)),
            },
            Step::Cancel => {
                let shipment = &label()?.shipment_id;
                match effect(point("cancel"), order, || carrier.cancel(shipment)).await {
                    Ok(Cancellation::Voided) => (Some(Observation::Voided), None),
                    Ok(Cancellation::Refused { message }) => {
                        // Without an answer the parcel is tracked later.
                        let tracker = carrier.track(&label()?.tracking_number).await.ok();
                        (Some(Observation::CancelRefused { message, tracker }), None)
                    }
                    Err(error) => (None, Some(error)),
                }
            }
            Step::Track => {
                let number = &label()?.tracking_number;
                match effect(point("track"), order, || carrier.track(number)).await {
                    Ok(tracker) => (Some(Observation::Tracked(tracker)), None),
                    Err(error) => (None, Some(error)),
                }
            }
            Step::WaitUntil(_) | Step::Nothing => (None, None),
        })
    }

    /// Stores what was observed, with what is to be told of it; answers what is to be done next.
    async fn record(&self, order_id: &str, asked: Asked, observation: &Observation) -> anyhow::Result<Step> {
        let mut transaction = self.store.begin().await.context("failed to begin")?;
        transaction.about("answer", order_id);
        let known = store::load_in_tx(&mut transaction, order_id)
            .await?
            .with_context(|| format!("the parcel of order {order_id} is gone"))?;
        let now = chassis::clock::now();
        let advance = apply(&known, asked, observation, &self.policy, now);
        if asked.attempt != known.attempt {
            tracing::error!(
                attempt = asked.attempt,
                present = known.attempt,
                "an answer to an attempt that is over"
            );
        }
        if advance.parcel != known {
            store::save_in_tx(&mut transaction, &advance.parcel, false).await?;
            if let Some(ended) = &advance.ended {
                store::save_booking_in_tx(&mut transaction, order_id, asked.attempt, ended).await?;
            }
            store::save_details_in_tx(&mut transaction, order_id, asked.attempt, &advance.details).await?;
            publisher::publish_in_tx(&mut transaction, &advance.parcel, &advance.changes).await?;
            if advance.report {
                publisher::report_in_tx(&mut transaction, &advance.parcel).await?;
            }
            transaction.commit().await.context("failed to store what the carrier answered")?;
        }
        for change in &advance.changes {
            tracing::info!(phase = change.phase.as_str(), attempt = change.attempt, "the parcel goes on");
        }
        Ok(next_step(&advance.parcel, now))
    }

    async fn carry_on(&self, order_id: &str, failures: u32) -> anyhow::Result<Next> {
        for _ in 0..STEPS {
            let now = to_microseconds(chassis::clock::now());
            let Some((parcel, step)) = self.decide(order_id, now).await? else {
                return Ok(Next::Done);
            };
            if let Some(next) = rest(step) {
                return Ok(next);
            }
            let asked = Asked { attempt: parcel.attempt, at: now };
            let (observation, error) = self.take(&parcel, step).await?;
            let mut following = None;
            if let Some(observation) = &observation {
                following = Some(self.record(order_id, asked, observation).await?);
            }
            if let Some(error) = error {
                if failures >= FAILURES_TO_REPORT && step != Step::Track {
                    let message = "The carrier does not answer as it should; it is asked again.".to_owned();
                    self.record(order_id, asked, &Observation::Away { message }).await?;
                }
                return Err(error.into());
            }
            if let Some(next) = following.and_then(rest) {
                return Ok(next);
            }
        }
        Ok(Next::At(chassis::clock::now()))
    }
}

/// What the worklist is told when there is nothing to ask the carrier now.
const fn rest(step: Step) -> Option<Next> {
    match step {
        Step::Nothing => Some(Next::Done),
        Step::WaitUntil(at) => Some(Next::At(at)),
        Step::Book | Step::LookUp | Step::Cancel | Step::Track => None,
    }
}

#[async_trait]
impl Work for Engine {
    async fn perform(&self, key: &str, failures: u32) -> anyhow::Result<Next> {
        let trace = TraceParent::of_order(key);
        let span = join(tracing::info_span!("parcel", order = key, trace_id = trace.trace_id()), &trace);
        within(span, self.carry_on(key, failures)).await
    }
}
