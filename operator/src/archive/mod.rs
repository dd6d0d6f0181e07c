//! Archiving: `orders` keeps snapshot and history for ever, then the resource and its children go.

use std::time::Duration;

use chassis::questions::ask;
use chassis::{Point, effect, publish_event};
use events::OrderTransition;
use events::questions::{Archive, ArchiveAnswer};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use resources::{FINALIZER, Order, OrderStatus};

use crate::announce;
use crate::error::{Error, Failed};
use crate::order::{Controller, Situation};

/// What came of archiving.
pub(crate) enum Outcome {
    /// The resource goes.
    Gone,
    /// Something is missing: look again then.
    Later(Timestamp),
}

/// Keeps the finished order, then lets it go. Doing it again after a crash is harmless.
pub(crate) async fn archive(
    order: &Order,
    situation: &Situation<'_>,
    status: &OrderStatus,
    controller: &Controller,
) -> Result<Outcome, Error> {
    let world = &controller.world;
    world.may_act("have the order archived")?;
    let Some(phase) = status.phase else { return Ok(Outcome::Later(later(situation.now))) };
    let question = Archive {
        order_id: situation.id.to_owned(),
        namespace: order.namespace().unwrap_or_default(),
        name: order.name_any(),
        phase,
        sequence: status.sequence,
        transitions: retold(situation, status),
        snapshot: snapshot(situation, status),
    };
    let id = situation.id;
    let point = |action| Point::new("operator", "archive", action);
    let answer = effect(point("ask"), id, || ask(&world.nats, &question, Duration::from_secs(5)))
        .await
        .map_err(|error| Error::new("have the order archived", error))?;
    if let ArchiveAnswer::Incomplete(missing) = answer {
        tracing::info!(missing, "the archive is not complete yet, will ask again");
        return Ok(Outcome::Later(later(situation.now)));
    }
    let event = announce::archived(&announce::transition(situation, status))
        .map_err(|error| Error::new("write an event", Failed::Publish(error.into())))?;
    effect(point("announce"), id, || publish_event(&world.jetstream, &event))
        .await
        .map_err(|error| Error::new("announce the archiving", Failed::Publish(error)))?;
    let api: Api<Order> = Api::namespaced(world.kubernetes.clone(), &order.namespace().unwrap_or_default());
    let name = order.name_any();
    if order.metadata.deletion_timestamp.is_none() {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: order.uid(),
                resource_version: order.resource_version(),
            }),
            ..DeleteParams::background()
        };
        let deleting = effect(point("delete"), id, || api.delete(&name, &parameters));
        world.patiently("delete the archived order", deleting).await?;
    }
    let others: Vec<&String> = order.finalizers().iter().filter(|one| *one != FINALIZER).collect();
    let mut patch = serde_json::json!({"metadata": {"finalizers": others, "uid": order.uid()}});
    if order.metadata.deletion_timestamp.is_some() {
        // On the version that was decided on, as the deletion above: an older one may not have ended.
        patch["metadata"]["resourceVersion"] = serde_json::json!(order.resource_version());
    }
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let released = effect(point("release"), id, || api.patch(&name, &parameters, &patch));
    match world.patiently("let the archived order go", released).await {
        Ok(_) => Ok(Outcome::Gone),
        Err(error) if error.status().is_some_and(|status| status.code == 404) => Ok(Outcome::Gone),
        Err(error) => Err(error),
    }
}

fn later(now: Timestamp) -> Timestamp {
    now.checked_add(Duration::from_secs(2)).unwrap_or(now)
}

/// The transitions that the resource still tells, for what the history may lack.
fn retold(situation: &Situation<'_>, status: &OrderStatus) -> Vec<OrderTransition> {
    let now = announce::transition(situation, status);
    status.history.iter().map(|entry| now.retold(status, entry)).collect()
}

fn snapshot(situation: &Situation<'_>, status: &OrderStatus) -> serde_json::Value {
    let mut order = situation.order.clone();
    order.status = Some(status.clone());
    serde_json::json!({
        "order": order,
        "stockReservation": situation.reservation,
        "payment": situation.payment,
        "shipment": situation.shipment,
    })
}
