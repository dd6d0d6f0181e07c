//! What services have reported a moment ago, ahead of the resources: never needed to be right, only to be quick.
//!
//! A service tells what it has committed twice: by writing the child's status, which passes the API server and a watch, and,
//! ahead of that, in a message that nobody has to receive. A leader goes on from whichever comes first. What it has heard is
//! what its ledger says, so a decision on it is the one that the status would bring; a leader that has not heard it, or has
//! lost its memory, waits for the status as if there were no message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::{ChildKind, StatusReport};
use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use resources::{Order, Payment, Shipment, StockReservation};
use tokio_util::sync::CancellationToken;

use crate::child::Child;
use crate::order::Children;

/// The API server has had the status by then, or takes none: what was heard counts no more.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// How long it takes to subscribe again, after the broker refused.
const AGAIN: Duration = Duration::from_secs(5);

/// What was heard of children of all kinds.
#[derive(Default)]
pub(crate) struct Reports {
    reservations: Heard<StockReservation>,
    payments: Heard<Payment>,
    shipments: Heard<Shipment>,
}

impl Reports {
    /// Takes a report in.
    fn hear(&self, report: StatusReport) -> Result<(), serde_json::Error> {
        let StatusReport { kind, uid, status, .. } = report;
        let now = Instant::now();
        match kind {
            ChildKind::StockReservation => self.reservations.hear(uid, serde_json::from_value(status)?, now),
            ChildKind::Payment => self.payments.hear(uid, serde_json::from_value(status)?, now),
            ChildKind::Shipment => self.shipments.hear(uid, serde_json::from_value(status)?, now),
        }
        Ok(())
    }

    /// The children, each with what was reported of it last, by whichever way.
    pub(crate) fn newest(&self, children: Children) -> Children {
        let Children { reservation, payment, shipment } = children;
        let now = Instant::now();
        Children {
            reservation: reservation.map(|child| self.reservations.newest(child, now)),
            payment: payment.map(|child| self.payments.newest(child, now)),
            shipment: shipment.map(|child| self.shipments.newest(child, now)),
        }
    }
}

/// What was heard of children of one kind, by their UIDs.
struct Heard<C: Child>(Mutex<HashMap<String, (C::Status, Instant)>>);

// Not derived: that would ask the same of the child.
impl<C: Child> Default for Heard<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: Child> Heard<C> {
    fn hear(&self, uid: String, status: C::Status, now: Instant) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() == heard.capacity() {
            heard.retain(|_, (_, at)| now.saturating_duration_since(*at) < SHOWN_WITHIN);
        }
        // Messages of two replicas may overtake each other.
        let older =
            heard.get(&uid).is_some_and(|(known, _)| C::report_number(known) > C::report_number(&status));
        if !older {
            heard.insert(uid, (status, now));
        }
    }

    /// The child with the newer of what it shows and what was heard. What it shows need not be remembered.
    fn newest(&self, child: Arc<C>, now: Instant) -> Arc<C> {
        let Some(uid) = child.uid() else { return child };
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((status, at)) = heard.get(&uid) else { return child };
        let shown = child.status().is_some_and(|shown| C::report_number(shown) >= C::report_number(status));
        if shown || now.saturating_duration_since(*at) >= SHOWN_WITHIN {
            heard.remove(&uid);
            return child;
        }
        Arc::new(child.with_report(status.clone()))
    }
}

/// Listens to the reports of a namespace, or of all, until `stop` is cancelled, and wakes the orders that they are about.
pub(crate) async fn follow(
    nats: &async_nats::Client,
    namespace: Option<&str>,
    reports: &Reports,
    wake: &UnboundedSender<ObjectRef<Order>>,
    stop: &CancellationToken,
) {
    let following = async {
        loop {
            match nats.subscribe(StatusReport::SUBJECTS).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        take(&message.payload, namespace, reports, wake);
                    }
                }
                Err(error) => tracing::warn!("cannot listen to reports, will retry: {error}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = stop.cancelled() => {}
    }
}

fn take(
    payload: &[u8],
    namespace: Option<&str>,
    reports: &Reports,
    wake: &UnboundedSender<ObjectRef<Order>>,
) {
    let report: StatusReport = match serde_json::from_slice(payload) {
        Ok(report) => report,
        Err(error) => return tracing::debug!("a report cannot be read, its status will be: {error}"),
    };
    if namespace.is_some_and(|namespace| namespace != report.namespace) {
        return;
    }
    let order = ObjectRef::new(&report.name).within(&report.namespace);
    match reports.hear(report) {
        // Nobody listens once the controllers stop.
        Ok(()) => drop(wake.unbounded_send(order)),
        Err(error) => tracing::debug!("a report cannot be read, its status will be: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;
    use resources::{ReservationPhase, StockReservationStatus};
    use serde_json::json;

    use super::*;

    fn status(phase: ReservationPhase, revision: i64) -> StockReservationStatus {
        StockReservationStatus { phase: Some(phase), revision, ..StockReservationStatus::default() }
    }

    fn reservation(status: Option<StockReservationStatus>) -> Arc<StockReservation> {
        let spec = json!({"orderRef": {"name": "web-1", "id": "o-1"}, "lines": [],
                          "total": {"amount": "0.00", "currency": "EUR"}, "desired": "Held"});
        let mut child = StockReservation::new("web-1", serde_json::from_value(spec).unwrap());
        child.metadata.uid = Some("uid-1".into());
        child.status = status;
        Arc::new(child)
    }

    fn phase(child: &StockReservation) -> Option<ReservationPhase> {
        child.status.as_ref().and_then(|status| status.phase)
    }

    #[test]
    fn what_was_heard_counts_until_the_resource_shows_as_much() {
        let (heard, now) = (Heard::<StockReservation>::default(), Instant::now());
        heard.hear("uid-1".into(), status(ReservationPhase::Held, 1), now);
        assert_eq!(phase(&heard.newest(reservation(None), now)), Some(ReservationPhase::Held));
        let committed = reservation(Some(status(ReservationPhase::Committed, 2)));
        assert_eq!(phase(&heard.newest(committed, now)), Some(ReservationPhase::Committed));
        assert!(heard.0.lock().unwrap().is_empty(), "what is shown need not be remembered");
    }

    #[test]
    fn an_older_message_that_comes_later_changes_nothing() {
        let (heard, now) = (Heard::<StockReservation>::default(), Instant::now());
        heard.hear("uid-1".into(), status(ReservationPhase::Committed, 2), now);
        heard.hear("uid-1".into(), status(ReservationPhase::Held, 1), now);
        assert_eq!(phase(&heard.newest(reservation(None), now)), Some(ReservationPhase::Committed));
    }

    #[test]
    fn what_the_api_server_never_shows_counts_for_a_minute() {
        let (heard, now) = (Heard::<StockReservation>::default(), Instant::now());
        heard.hear("uid-1".into(), status(ReservationPhase::Held, 1), now);
        assert_eq!(phase(&heard.newest(reservation(None), now + SHOWN_WITHIN)), None);
    }

    #[test]
    fn a_successor_of_the_same_name_and_a_child_without_a_resource_are_left_alone() {
        let (heard, now) = (Heard::<StockReservation>::default(), Instant::now());
        heard.hear("uid-0".into(), status(ReservationPhase::Held, 1), now);
        assert_eq!(phase(&heard.newest(reservation(None), now)), None);
        let mut direct = StockReservation::clone(&reservation(None));
        direct.metadata.uid = None;
        assert_eq!(phase(&heard.newest(Arc::new(direct), now)), None);
    }

    #[test]
    fn a_report_wakes_its_order_and_one_of_elsewhere_or_that_cannot_be_read_does_not() {
        let report = |namespace: &str, status: serde_json::Value| {
            json!({"kind": "StockReservation", "namespace": namespace, "name": "web-1", "uid": "uid-1", "status": status})
                .to_string()
        };
        let held = json!({"phase": "Held", "revision": 1});
        let (wake, mut woken) = unbounded();
        let reports = Reports::default();
        take(report("other", held.clone()).as_bytes(), Some("default"), &reports, &wake);
        take(report("default", json!({"phase": "Lent"})).as_bytes(), Some("default"), &reports, &wake);
        take(b"{oops", Some("default"), &reports, &wake);
        assert!(woken.try_recv().is_err());
        take(report("default", held).as_bytes(), Some("default"), &reports, &wake);
        assert_eq!(woken.try_recv().unwrap(), ObjectRef::new("web-1").within("default"));
        let children = Children { reservation: Some(reservation(None)), payment: None, shipment: None };
        let newest = reports.newest(children).reservation.unwrap();
        assert_eq!(phase(&newest), Some(ReservationPhase::Held));
    }
}
