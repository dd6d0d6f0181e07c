//! Performing effects: the one place where a decision touches the world.

use std::sync::Arc;
use std::time::Duration;

use chassis::trace::Chapter;
use chassis::{ChildKind, Point, effect, publish_event};
use events::OrderTransition;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use jiff::Timestamp;
use kube::Resource;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event as KubernetesEvent, EventType};
use resources::{FINALIZER, HistoryEntry, Order, OrderStatus};

use super::decide::Situation;
use super::made::Made;
use super::plan::{Effect, Plan, Tell};
use super::reconcile::Controller;
use crate::child::Answered;
use crate::error::{Error, Failed};
use crate::world::World;
use crate::{announce, archive, child};

/// What came of the effects.
#[derive(Default)]
pub(super) struct Performed {
    /// The order as an effect has changed it.
    pub(super) order: Option<Order>,
    /// True when the order is archived and its resource goes.
    pub(super) gone: bool,
    /// When to look again, for what could not be done yet.
    pub(super) look_again: Option<Timestamp>,
}

/// Makes the effects true; in what order does not matter, but that the finalizer comes first and the archive last.
pub(super) async fn perform(
    order: &Arc<Order>,
    uid: &str,
    situation: &Situation<'_>,
    plan: &Plan,
    controller: &Controller,
) -> Result<Performed, Error> {
    let mut performed = Performed::default();
    if plan.effects.contains(&Effect::AddFinalizer) {
        performed.order = Some(add_finalizer(order, controller).await?);
    }
    performed.look_again = ensure_all(order, uid, situation, plan, controller).await?;
    for effect in &plan.effects {
        match effect {
            Effect::Tell(tell) => tell_people_once(order, uid, tell, controller).await,
            Effect::AskAgain(kind) => ask_again(*kind, situation, controller).await?,
            Effect::Archive => match archive::archive(order, situation, &plan.status, controller).await? {
                archive::Outcome::Gone => performed.gone = true,
                archive::Outcome::Later(at) => performed.look_again = Some(at),
            },
            Effect::AddFinalizer
            | Effect::EnsureReservation(_)
            | Effect::EnsurePayment(_)
            | Effect::EnsureShipment(_) => {}
        }
    }
    Ok(performed)
}

/// Publishes the events of the transitions that the resource tells and nobody was told of, oldest first.
///
/// An event is told only of what is written: what is decided and not written may, after a crash, be decided otherwise, and
/// would then have two meanings under one number. After a crash between the two the next leader tells it.
pub(super) async fn tell_what_is_written(
    order: &Order,
    uid: &str,
    situation: &Situation<'_>,
    controller: &Controller,
) -> Result<(), Error> {
    let recollection = controller.memory.recall(uid);
    let Some(written) = &order.status else {
        if recollection.tells_again {
            controller.memory.change(uid, |memory| memory.tells_again = false);
        }
        return Ok(());
    };
    // All are sent, oldest first, before the first is acknowledged. Where one fails, it and those after it are told again.
    let mut telling = FuturesOrdered::new();
    for (entry, decided) in recollection.news(written) {
        let data = match decided {
            Some(transition) => transition.data.clone(),
            None => announce::transition(situation, written).retold(written, entry),
        };
        telling.push_back(tell(data, controller));
    }
    for (entry, decided) in recollection.news(written) {
        if let Some(told) = telling.next().await {
            told?;
        }
        let phase = entry.phase.as_str();
        metrics::counter!("supercargo_order_transitions_total", "phase" => phase).increment(1);
        tracing::info!(sequence = entry.sequence, phase, reason = entry.reason, "transition");
        if decided.is_some() {
            time_in_phase(situation.id, written, entry);
            tell_the_whole(order, situation.id, written, entry);
        }
        if let Some(tell) = decided.and_then(|transition| transition.tell.as_ref()) {
            tell_people(order, tell, controller).await;
        }
        controller.memory.change(uid, |memory| {
            memory.announced = entry.sequence;
            memory.untold.retain(|transition| transition.data.sequence > entry.sequence);
        });
    }
    if recollection.tells_again {
        controller.memory.change(uid, |memory| memory.tells_again = false);
    }
    Ok(())
}

/// An order that has ended is the root of its trace, from when it was made until its end.
fn tell_the_whole(order: &Order, order_id: &str, status: &OrderStatus, ended: &HistoryEntry) {
    if !ended.phase.is_finished() {
        return;
    }
    let made = order.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let began = made.into_iter().chain(status.history.first().map(|entry| entry.at.0)).min();
    let name = format!("{}/{}", order.namespace().unwrap_or_default(), order.name_any());
    let details = [
        ("name", name.as_str()),
        ("phase", ended.phase.as_str()),
        ("reason", ended.reason.as_deref().unwrap_or_default()),
    ];
    let (began, ended) = (began.unwrap_or(ended.at.0), ended.at.0);
    Chapter { order_id, name: "order", began, ended, details: &details }.tell_as_root();
}

/// How long the order was in the phase that it has left.
fn time_in_phase(order_id: &str, status: &OrderStatus, entered: &HistoryEntry) {
    let before = entered.sequence.saturating_sub(1);
    if let Some(left) = status.history.iter().rev().find(|entry| entry.sequence == before) {
        let rested = entered.at.0.duration_since(left.at.0).unsigned_abs();
        metrics::histogram!("supercargo_order_phase_seconds", "phase" => left.phase.as_str())
            .record(rested.as_secs_f64());
        let (began, ended) = (left.at.0, entered.at.0);
        Chapter { order_id, name: left.phase.as_str(), began, ended, details: &[] }.tell();
    }
}

async fn tell(data: OrderTransition, controller: &Controller) -> Result<(), Error> {
    controller.world.may_act("announce a transition")?;
    let event = data.event().map_err(|error| Error::new("write an event", Failed::Publish(error.into())))?;
    let point = Point::new("operator", "Order", "announce");
    let publish = || publish_event(&controller.world.jetstream, &event);
    effect(point, &data.order_id, publish)
        .await
        .map_err(|error| Error::new("announce a transition", Failed::Publish(error)))
}

/// Tells people what they were not told since the last write.
async fn tell_people_once(order: &Order, uid: &str, tell: &Tell, controller: &Controller) {
    if !controller.memory.recall(uid).said.contains(tell) {
        tell_people(order, tell, controller).await;
        controller.memory.change(uid, |memory| memory.said.push(tell.clone()));
    }
}

/// A Kubernetes Event on the order: best effort, what matters is in the status and in the history.
async fn tell_people(order: &Order, tell: &Tell, controller: &Controller) {
    let Tell { warning, reason, note } = tell;
    let event = KubernetesEvent {
        type_: if *warning { EventType::Warning } else { EventType::Normal },
        reason: reason.clone(),
        note: Some(note.chars().take(1000).collect()),
        action: "Drive".to_owned(),
        secondary: None,
    };
    let reference = order.object_ref(&());
    let id = resources::order_id(order).unwrap_or_default();
    let point = Point::new("operator", "Order", "tell");
    let telling = effect(point, &id, || controller.recorder.publish(&event, &reference));
    match tokio::time::timeout(Duration::from_secs(5), telling).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(reason, "failed to write a Kubernetes Event: {error}"),
        Err(_) => tracing::warn!(reason, "failed to write a Kubernetes Event: no answer within 5 s"),
    }
}

async fn ensure_all(
    order: &Arc<Order>,
    uid: &str,
    situation: &Situation<'_>,
    plan: &Plan,
    controller: &Controller,
) -> Result<Option<Timestamp>, Error> {
    let mut look_again: Option<Timestamp> = None;
    for effect in &plan.effects {
        let ensured = match effect {
            Effect::EnsureReservation(spec) => {
                child::ensure(order, situation.reservation, spec, &controller.commander, |answer| {
                    controller.memory.change(uid, |memory| match answer {
                        Answered::Made(child) => memory.made.reservation = Some(Made::now(child)),
                        Answered::Directly(child) => memory.direct.reservation = Some(child),
                    });
                })
                .await?
            }
            Effect::EnsurePayment(spec) => {
                child::ensure(order, situation.payment, spec, &controller.commander, |answer| {
                    controller.memory.change(uid, |memory| match answer {
                        Answered::Made(child) => memory.made.payment = Some(Made::now(child)),
                        Answered::Directly(child) => memory.direct.payment = Some(child),
                    });
                })
                .await?
            }
            Effect::EnsureShipment(spec) => {
                child::ensure(order, situation.shipment, spec, &controller.commander, |answer| {
                    controller.memory.change(uid, |memory| match answer {
                        Answered::Made(child) => memory.made.shipment = Some(Made::now(child)),
                        Answered::Directly(child) => memory.direct.shipment = Some(child),
                    });
                })
                .await?
            }
            Effect::AddFinalizer | Effect::AskAgain(_) | Effect::Tell(_) | Effect::Archive => continue,
        };
        if let child::Ensured::AskedDirectly = ensured {
            look_again = situation.now.checked_add(Duration::from_millis(500)).ok();
        }
    }
    Ok(look_again)
}

/// A person wants the service asked at once, whatever was sent before.
async fn ask_again(kind: ChildKind, situation: &Situation<'_>, controller: &Controller) -> Result<(), Error> {
    let world = &controller.world;
    match kind {
        ChildKind::StockReservation => send_if_there(situation.reservation, world).await,
        ChildKind::Payment => send_if_there(situation.payment, world).await,
        ChildKind::Shipment => send_if_there(situation.shipment, world).await,
    }
}

async fn send_if_there<C: child::Child>(child: Option<&C>, world: &World) -> Result<(), Error> {
    match child.filter(|child| child.meta().uid.is_some()) {
        Some(child) => child::send(child, world).await,
        None => Ok(()),
    }
}

/// Where no admission policy put the finalizer on at creation; on the version that was decided on.
async fn add_finalizer(order: &Order, controller: &Controller) -> Result<Order, Error> {
    let api: Api<Order> =
        Api::namespaced(controller.world.kubernetes.clone(), &order.namespace().unwrap_or_default());
    let mut finalizers = order.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    let patch = serde_json::json!({
        "metadata": {"finalizers": finalizers, "resourceVersion": order.metadata.resource_version}
    });
    let name = order.name_any();
    let id = resources::order_id(order).unwrap_or_default();
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let point = Point::new("operator", "Order", "finalizer");
    let adding = effect(point, &id, || api.patch(&name, &parameters, &patch));
    controller.world.patiently("add the finalizer to the order", adding).await
}
