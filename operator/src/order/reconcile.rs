//! The edge of the order controller: observe, ask, decide, act, write.

use std::sync::Arc;
use std::time::Duration;

use chassis::questions::{AskError, ask};
use chassis::trace::{join, within};
use chassis::{Point, clock, effect};
use events::TraceParent;
use events::questions::{CheckCustomer, Quote, RecallName};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use resources::{Order, OrderStatus, Payment, RepairAction, Shipment, StockReservation};

use super::decide::{Situation, decide};
use super::effects;
use super::made::SHOWN_WITHIN;
use super::memory::{Memory, Recollection};
use super::pace::Pace;
use super::plan::{Decision, Plan, Urgency};
use super::quotation::Quotation;
use super::requests;
use super::turns::{ASK_AGAIN, Turn, Turns};
use crate::child::Commander;
use crate::error::{Error, Failed};
use crate::policy::Policy;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(3);
/// After this the event of our own write has been missed.
const EVENT_MISSED_AFTER: Duration = Duration::from_secs(5);
/// So many decisions in a row may be made on a stale object, before its cache is suspected.
const CONFLICTS_OF_A_LIVE_CACHE: u32 = 4;
const CONFLICT_BACKOFF: chassis::Backoff =
    chassis::Backoff { initial: Duration::from_millis(50), maximum: Duration::from_secs(5) };
/// What only people read may wait this long for a transition to carry it.
const COSMETIC_DELAY: Duration = Duration::from_secs(2);

/// What the controller of orders works with.
pub(crate) struct Controller {
    pub(crate) world: Arc<World>,
    pub(crate) memory: Memory,
    pub(crate) recorder: Recorder,
    pub(crate) commander: Arc<Commander>,
    pub(crate) turns: Turns,
    pub(crate) pace: Pace,
}

/// The children as they are in the caches, less those of an earlier order of the same name.
pub(crate) struct Children {
    pub(crate) reservation: Option<Arc<StockReservation>>,
    pub(crate) payment: Option<Arc<Payment>>,
    pub(crate) shipment: Option<Arc<Shipment>>,
}

/// Brings one order forward as far as it goes for now.
pub(crate) async fn reconcile(order: Arc<Order>, controller: Arc<Controller>) -> Result<Action, Error> {
    let (Some(uid), Some(id)) = (order.uid(), resources::order_id(&order)) else {
        return Ok(Action::await_change());
    };
    let trace = TraceParent::of_order(&id);
    let name = format!("{}/{}", order.namespace().unwrap_or_default(), order.name_any());
    let span = join(tracing::info_span!("reconcile", order = id, name, trace_id = trace.trace_id()), &trace);
    let started = std::time::Instant::now();
    let driving = async {
        let outcome = drive(&order, &uid, &id, &controller).await;
        if let Err(error) = &outcome
            && !error.is_conflict()
        {
            tracing::warn!("failed to drive, will retry: {}", error.chain());
        }
        outcome
    };
    let outcome = within(span, driving).await;
    metrics::histogram!("supercargo_reconcile_seconds", "kind" => "Order")
        .record(started.elapsed().as_secs_f64());
    outcome
}

/// What follows a failure: a conflict is decided anew at once, all else backs off.
#[allow(clippy::needless_pass_by_value, reason = "the form that the controller asks for")]
pub(crate) fn requeue_after_error(order: Arc<Order>, error: &Error, controller: Arc<Controller>) -> Action {
    let uid = order.uid().unwrap_or_default();
    if error.is_conflict() {
        let mut conflicts = 1;
        controller.memory.change(&uid, |memory| {
            memory.conflicts += 1;
            conflicts = memory.conflicts;
        });
        if conflicts > CONFLICTS_OF_A_LIVE_CACHE {
            // The cache does not follow: it has missed an event.
            controller.world.suspicion.raise();
        }
        return Action::requeue(CONFLICT_BACKOFF.wait(conflicts));
    }
    let mut failures = 1;
    controller.memory.change(&uid, |memory| {
        memory.unanswered += 1;
        failures = memory.unanswered;
    });
    metrics::counter!("supercargo_reconcile_failures_total", "kind" => "Order", "category" => error.category()).increment(1);
    Action::requeue(
        chassis::Backoff { initial: Duration::from_millis(200), maximum: Duration::from_secs(30) }
            .jittered(failures),
    )
}

async fn drive(order: &Arc<Order>, uid: &str, id: &str, controller: &Controller) -> Result<Action, Error> {
    let world = &controller.world;
    world.may_act("drive an order")?;
    if order.annotations().contains_key(resources::RESTORING_ANNOTATION) {
        // Without its status it would begin anew.
        return Ok(Action::await_change());
    }
    let mut recollection = controller.memory.recall(uid);
    if recollection.replaced.is_some() && recollection.replaced == order.metadata.resource_version {
        // The cache has not seen our own write yet; its event wakes us. One that has not come by then was missed.
        if recollection.behind_since.is_some_and(|since| since.elapsed() >= EVENT_MISSED_AFTER) {
            world.suspicion.raise();
        }
        controller.memory.change(uid, |memory| {
            memory.behind_since.get_or_insert_with(std::time::Instant::now);
        });
        return Ok(Action::requeue(EVENT_MISSED_AFTER));
    }
    if recollection.behind_since.is_some() {
        controller.memory.change(uid, |memory| memory.behind_since = None);
        recollection.behind_since = None;
    }
    if controller.memory.is_released(uid) {
        return Ok(Action::await_change());
    }
    if order.metadata.deletion_timestamp.is_some()
        && !order.finalizers().iter().any(|f| f == resources::FINALIZER)
    {
        controller.memory.forget(uid);
        return Ok(Action::await_change());
    }
    let namespace = order.namespace().unwrap_or_default();
    let policy = world.policy(&namespace);
    let children = world.children(order, id, &recollection);
    if !recollection.made.is_empty() {
        controller.memory.change(uid, |memory| {
            memory.made = std::mem::take(&mut memory.made).unless_shown(&children);
        });
    }
    let children = world.reports.newest(children);
    let status = recollection.newest(order.status.as_ref());
    // Times in resources carry microseconds: what is decided is what is read back.
    let now = Timestamp::from_microsecond(clock::now().as_microsecond()).unwrap_or(Timestamp::UNIX_EPOCH);
    let askers = askers(order, &status, world).await?;
    let dead_letters = world.dead_letters.of_order(id);
    let mut situation = Situation {
        order,
        id,
        status: &status,
        reservation: children.reservation.as_deref(),
        payment: children.payment.as_deref(),
        shipment: children.shipment.as_deref(),
        quotation: None,
        askers: &askers,
        dead_letters: &dead_letters,
        policy: &policy,
        now,
    };
    effects::tell_what_is_written(order, uid, &situation, controller).await?;
    let mut decision = decide(&situation);
    let quotation;
    if decision == Decision::Ask {
        quotation = match ask_quotation(order, id, &policy, world).await {
            Ok(quotation) => quotation,
            Err(error) => return wait_for_quotation(order, uid, &status, controller, error).await,
        };
        situation.quotation = Some(&quotation);
        decision = decide(&situation);
    }
    let Decision::Act(plan) = decision else { return Ok(Action::await_change()) };
    if plan.ends_without_goods() && !world.are_current(order, &children).await? {
        // Each kind has a watch of its own: one may lag behind the order's, above all in a leader that was paused.
        tracing::info!("the caches of the children lag behind; deciding again");
        return Ok(Action::requeue(Duration::from_millis(200)));
    }
    recollection = controller.memory.recall(uid);
    act(order, uid, &situation, *plan, recollection, controller).await
}

/// Who asks for what is asked of the order and not judged yet; for most orders nobody, which costs nothing.
async fn askers(
    order: &Order,
    status: &OrderStatus,
    world: &World,
) -> Result<Vec<(RepairAction, String)>, Error> {
    let asked = requests::asked(order, status);
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let live = world.live_order(order).await?.unwrap_or_else(|| order.clone());
    Ok(asked.into_iter().map(|action| (action, requests::asker(&live, action))).collect())
}

async fn act(
    order: &Arc<Order>,
    uid: &str,
    situation: &Situation<'_>,
    plan: Plan,
    mut recollection: Recollection,
    controller: &Controller,
) -> Result<Action, Error> {
    let mut performed = match effects::perform(order, uid, situation, &plan, controller).await {
        Ok(performed) => performed,
        Err(error) => {
            say_what_is_in_the_way(order, uid, &error, controller).await;
            return Err(error);
        }
    };
    let Plan { transitions, effects: _, mut status, urgency, look_again } = plan;
    if performed.gone {
        controller.memory.release(uid, situation.now);
        return Ok(Action::await_change());
    }
    let after = controller.memory.recall(uid);
    (recollection.direct, recollection.made, recollection.said) = (after.direct, after.made, after.said);
    // What no cache has shown by then is looked for again: it may be gone.
    let expires =
        (!recollection.made.is_empty()).then(|| situation.now.checked_add(SHOWN_WITHIN).ok()).flatten();
    performed.look_again = [performed.look_again, expires].into_iter().flatten().min();
    recollection.unanswered = 0;
    recollection.conflicts = 0;
    let transition_is_new = !transitions.is_empty();
    recollection.untold.extend(transitions);
    recollection.status = Some(status.clone());
    let delay = match urgency {
        Urgency::Unchanged => {
            recollection.unwritten_since = None;
            recollection.said.clear();
            controller.memory.keep(uid, recollection);
            return Ok(requeue(situation.now, [look_again, performed.look_again]));
        }
        Urgency::Cosmetic => COSMETIC_DELAY,
        Urgency::Soon => controller.pace.wait(situation.policy.status_delay),
        Urgency::Now => Duration::ZERO,
    };
    recollection.wait_to_write(situation.now, transition_is_new);
    let due = recollection.write_due(delay);
    if due > situation.now {
        controller.memory.keep(uid, recollection);
        return Ok(requeue(situation.now, [Some(due), look_again, performed.look_again]));
    }
    let overdue = Duration::try_from(situation.now.duration_since(due)).unwrap_or(Duration::ZERO);
    let turn = if delay.is_zero() { Turn::Mine(None) } else { controller.turns.take(overdue) };
    controller.memory.keep(uid, recollection.clone());
    let Turn::Mine(_turn) = turn else {
        let again = situation.now.checked_add(ASK_AGAIN).ok();
        return Ok(requeue(situation.now, [again, look_again, performed.look_again]));
    };
    let base = performed.order.as_ref().unwrap_or(order);
    status.announced_sequence = order.status.as_ref().map(|written| recollection.announced(written));
    let began = std::time::Instant::now();
    let written = write(base, &status, &controller.world).await?;
    controller.pace.learn(began.elapsed());
    recollection.unwritten_since = None;
    recollection.said.clear();
    recollection.replaced = replaced(order, &written);
    controller.memory.keep(uid, recollection);
    metrics::counter!("supercargo_status_writes_total", "kind" => "Order").increment(1);
    tracing::debug!(version = written.resource_version(), phase = ?status.phase, sequence = status.sequence, "written");
    effects::tell_what_is_written(&written, uid, situation, controller).await?;
    Ok(requeue(situation.now, [look_again, performed.look_again]))
}

fn requeue(now: Timestamp, times: impl IntoIterator<Item = Option<Timestamp>>) -> Action {
    match times.into_iter().flatten().min() {
        Some(at) => {
            let wait = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
            // A day at most: the queue keeps no far future.
            Action::requeue(wait.max(Duration::from_millis(5)).min(Duration::from_secs(24 * 3600)))
        }
        None => Action::await_change(),
    }
}

/// The cluster refuses an effect (a quota, a webhook, a name that is taken): the order says so while it is tried again. The
/// phase stays: what was decided is written once its effects are true.
async fn say_what_is_in_the_way(order: &Arc<Order>, uid: &str, error: &Error, controller: &Controller) {
    const REASON: &str = "WaitingForCluster";
    let told = order.status.as_ref().and_then(|status| status.reason.as_deref()) == Some(REASON);
    if told || !error.is_refusal() {
        return;
    }
    let mut status = order.status.clone().unwrap_or_default();
    status.reason = Some(REASON.to_owned());
    status.message = Some(format!("It is tried again: {}.", error.chain()).chars().take(1024).collect());
    match write(order, &status, &controller.world).await {
        Ok(written) => controller.memory.change(uid, |memory| memory.replaced = replaced(order, &written)),
        Err(error) => tracing::debug!("failed to say what is in the way: {}", error.chain()),
    }
}

/// The version that a write has replaced; none when the API server found nothing to change, and so sends no event.
fn replaced(order: &Order, written: &Order) -> Option<String> {
    let before = order.metadata.resource_version.clone();
    before.filter(|before| written.metadata.resource_version.as_ref() != Some(before))
}

/// Writes the status on the version that was decided on.
async fn write(order: &Order, status: &OrderStatus, world: &World) -> Result<Order, Error> {
    let name = order.name_any();
    let api: Api<Order> = Api::namespaced(world.kubernetes.clone(), &order.namespace().unwrap_or_default());
    let mut desired = order.clone();
    desired.status = Some(status.clone());
    let parameters = PostParams::default();
    let id = resources::order_id(order).unwrap_or_default();
    let point = Point::new("operator", "Order", "status");
    let writing = effect(point, &id, || api.replace_status(&name, &parameters, &desired));
    world.patiently("write the status of the order", writing).await
}

async fn ask_quotation(
    order: &Order,
    id: &str,
    policy: &Policy,
    world: &World,
) -> Result<Quotation, AskError> {
    let spec = &order.spec;
    let quote = Quote { currency: policy.currency, items: spec.items.clone(), coupon: spec.coupon.clone() };
    let customer = CheckCustomer { id: spec.customer.id.clone(), email: spec.customer.email.clone() };
    let recall = RecallName {
        namespace: order.namespace().unwrap_or_default(),
        name: order.name_any(),
        order_id: id.to_owned(),
    };
    let (quote, customer, recalled) = tokio::try_join!(
        ask(&world.nats, &quote, PATIENCE),
        ask(&world.nats, &customer, PATIENCE),
        ask(&world.nats, &recall, PATIENCE),
    )?;
    Ok(Quotation { quote, customer, recalled })
}

/// The order cannot be judged yet: it says so, and is tried again.
async fn wait_for_quotation(
    order: &Arc<Order>,
    uid: &str,
    status: &OrderStatus,
    controller: &Controller,
    error: AskError,
) -> Result<Action, Error> {
    let mut told = status.clone();
    told.reason = Some("WaitingForServices".to_owned());
    told.message = Some(
        format!("The order cannot be quoted yet, it is tried again: {error}.").chars().take(1024).collect(),
    );
    if order.status.as_ref().and_then(|status| status.reason.as_deref()) != told.reason.as_deref() {
        let written = write(order, &told, &controller.world).await?;
        controller.memory.change(uid, |memory| memory.replaced = replaced(order, &written));
    }
    Err(Error::new("ask catalog, accounts and orders about the order", Failed::Ask(error)))
}
