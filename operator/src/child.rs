//! Children: made and changed for an order, and their wishes sent to the services that answer for them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::questions::ask_subject;
use chassis::trace::{join, within};
use chassis::{Backoff, Point, clock, effect, publish_command};
use events::{Command, CommandTarget, TraceParent};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use resources::{ORDER_LABEL, Order, OrderReference};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Failed};
use crate::world::World;

/// A kind that the operator makes for an order and a service answers for.
pub(crate) trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The spec.
    type Spec: CommandTarget + Serialize + Clone + PartialEq + Send + Sync;
    /// The status that the service reports.
    type Status: DeserializeOwned + Clone + Send + Sync;
    /// The kind's name, for logs and metrics.
    const KIND: &'static str;

    fn new(name: &str, spec: Self::Spec) -> Self;
    fn spec(&self) -> &Self::Spec;
    fn with_spec(&self, spec: Self::Spec) -> Self;
    /// As its service has it, of a child that has no resource.
    fn with_status(self, status: Self::Status) -> Self;
    fn status(&self) -> Option<&Self::Status>;
    /// As it will be once the report is written to the resource.
    fn with_report(&self, report: Self::Status) -> Self;
    /// Grows from one report of a child to the next.
    fn report_number(status: &Self::Status) -> (i64, Option<i64>);
    fn order_reference(spec: &Self::Spec) -> &OrderReference;
    /// True when the service has answered the present spec and nothing is left to ask.
    fn is_answered(&self) -> bool;
    /// True when what is left to ask was refused for good, so that a person may settle it by hand.
    fn is_refused(&self) -> bool {
        false
    }
}

/// What every kind of child answers alike: kube gives no trait for the spec and the status of a derived kind.
macro_rules! child_accessors {
    ($kind:ident, $spec:ty, $status:ident) => {
        type Spec = $spec;
        type Status = $status;
        const KIND: &'static str = stringify!($kind);

        fn new(name: &str, spec: Self::Spec) -> Self {
            Self::new(name, spec)
        }

        fn spec(&self) -> &Self::Spec {
            &self.spec
        }

        fn with_spec(&self, spec: Self::Spec) -> Self {
            Self { spec, ..self.clone() }
        }

        fn with_status(self, status: Self::Status) -> Self {
            // Such a child has no generation, and its answer is to the spec that was asked: both are absent.
            Self { status: Some($status { observed_generation: None, ..status }), ..self }
        }

        fn status(&self) -> Option<&Self::Status> {
            self.status.as_ref()
        }

        fn with_report(&self, report: Self::Status) -> Self {
            Self { status: Some(report), ..self.clone() }
        }

        fn report_number(status: &Self::Status) -> (i64, Option<i64>) {
            (status.revision, status.observed_generation)
        }

        fn order_reference(spec: &Self::Spec) -> &resources::OrderReference {
            &spec.order_ref
        }
    };
}
pub(crate) use child_accessors;

/// Where what is done about a child passes.
const fn point<C: Child>(action: &'static str) -> Point {
    Point::new("operator", C::KIND, action)
}

/// How long it is remembered that a command was sent.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * 3600);
/// How long a command waits that is among the dead letters already.
const AFTER_DEATH: Duration = Duration::from_secs(3600);

/// What became of a wish.
pub(crate) enum Ensured {
    /// The child has that spec.
    True,
    /// The child cannot be made any more; the service was asked itself.
    AskedDirectly,
}

/// A child that no cache shows.
pub(crate) enum Answered<C> {
    /// As the API server made it.
    Made(C),
    /// As its service has it, which was asked itself.
    Directly(C),
}

/// Makes the child of `order` exist with `spec`, and sends the wish of one that is new: its own controller would, but only
/// once its cache shows it.
///
/// A child is changed on the version that was observed. One that exists though it was not observed is left for the next
/// decision; one of an earlier order of the same name is removed first.
pub(crate) async fn ensure<C: Child>(
    order: &Order,
    observed: Option<&C>,
    spec: &C::Spec,
    commander: &Commander,
    answered: impl FnOnce(Answered<C>),
) -> Result<Ensured, Error> {
    let world = &*commander.world;
    let name = order.name_any();
    let id = C::order_reference(spec).id.as_str();
    let api: Api<C> = Api::namespaced(world.kubernetes.clone(), &order.namespace().unwrap_or_default());
    match observed {
        Some(child) if child.meta().uid.is_none() => return ask_directly(order, spec, world, answered).await,
        Some(child) if child.spec() == spec => return Ok(Ensured::True),
        Some(child) => {
            let desired = child.with_spec(spec.clone());
            let parameters = PostParams::default();
            let replacing = effect(point::<C>("change"), id, || api.replace(&name, &parameters, &desired));
            return match world.patiently("change a child of the order", replacing).await {
                Ok(_) => Ok(Ensured::True),
                Err(error) if error.status().is_some_and(|status| status.code == 404) => {
                    Err(Error::new("change a child of the order", Failed::Blocked("it is gone".into())))
                }
                Err(error) => Err(error),
            };
        }
        None => {}
    }
    let mut child = C::new(&name, spec.clone());
    let meta = child.meta_mut();
    meta.namespace = order.namespace();
    meta.labels = Some(BTreeMap::from([(ORDER_LABEL.to_owned(), name.clone())]));
    meta.owner_references = order.controller_owner_ref(&()).map(|owner| vec![owner]);
    let parameters = PostParams::default();
    let creating = effect(point::<C>("create"), id, || api.create(&parameters, &child));
    let error = match world.patiently("make a child of the order", creating).await {
        Ok(made) => {
            commander.begin(&made).await;
            answered(Answered::Made(made));
            return Ok(Ensured::True);
        }
        Err(error) => error,
    };
    match error.status() {
        Some(status) if status.reason == "AlreadyExists" => clear_the_name(&api, order, spec, world).await,
        Some(status) if status.code == 403 && status.message.contains("being terminated") => {
            ask_directly(order, spec, world, answered).await
        }
        Some(_) | None => Err(error),
    }
}

/// The name is taken: by our own child, which the cache has not seen, or by one of an earlier order.
async fn clear_the_name<C: Child>(
    api: &Api<C>,
    order: &Order,
    spec: &C::Spec,
    world: &World,
) -> Result<Ensured, Error> {
    let name = &order.name_any();
    let Some(found) = world.patiently("read a child of the order", api.get_opt(name)).await? else {
        return Err(Error::new(
            "make a child of the order",
            Failed::Blocked("its name was just freed".into()),
        ));
    };
    if C::order_reference(found.spec()) == C::order_reference(spec) {
        return Ok(Ensured::True);
    }
    let owner = found.owner_references().iter().any(|owner| Some(&owner.uid) == order.metadata.uid.as_ref());
    if owner {
        let sentence = "its name is taken by a child that names another order id and this order as its owner: \
                        remove it by hand once its stock and money are settled";
        return Err(Error::new("make a child of the order", Failed::Blocked(sentence.into())));
    }
    let uid = found.uid();
    tracing::info!(kind = C::KIND, uid, "removing the child of an earlier order of this name");
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::background()
    };
    let id = C::order_reference(spec).id.as_str();
    let removing = effect(point::<C>("remove"), id, || api.delete(name, &parameters));
    world.patiently("remove a child of an earlier order", removing).await?;
    Err(Error::new("make a child of the order", Failed::Blocked("its name is being freed".into())))
}

/// In a namespace that is going no child can be made: the service is asked itself, and its answer stands for the child.
async fn ask_directly<C: Child>(
    order: &Order,
    spec: &C::Spec,
    world: &World,
    answered: impl FnOnce(Answered<C>),
) -> Result<Ensured, Error> {
    world.may_act("ask a service itself")?;
    let reference = C::order_reference(spec);
    let command = Command {
        order_id: reference.id.clone(),
        namespace: order.namespace().unwrap_or_default(),
        name: order.name_any(),
        uid: None,
        generation: 0,
        sent_at: clock::now(),
        spec: spec.clone(),
    };
    let asking = || ask_subject(&world.nats, C::Spec::APPLY, &command, Duration::from_secs(5));
    let status: C::Status = effect(point::<C>("ask"), &command.order_id, asking)
        .await
        .map_err(|error| Error::new("ask a service itself, as the namespace is going", error))?;
    answered(Answered::Directly(C::new(&order.name_any(), spec.clone()).with_status(status)));
    Ok(Ensured::AskedDirectly)
}

/// Sends the wishes of children to their services, and again past the deadline.
pub(crate) struct Commander {
    pub(crate) world: Arc<World>,
    sent: Mutex<HashMap<String, Sent>>,
}

#[derive(Clone, Copy)]
struct Sent {
    generation: i64,
    at: Instant,
    times: u32,
}

impl Commander {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, sent: Mutex::default() }
    }

    /// Sends the wish of a child that was just made. That it failed matters little: its own controller sends it again.
    async fn begin<C: Child>(&self, child: &C) {
        let (Some(uid), Some(generation)) = (child.uid(), child.meta().generation) else { return };
        // Noted first: its own controller may see the child before this is done.
        self.note(&uid, Some(Sent { generation, at: clock::instant(), times: 1 }));
        if let Err(error) = send(child, &self.world).await {
            self.note(&uid, None);
            tracing::warn!(kind = C::KIND, "failed to command at once, will retry: {}", error.chain());
        }
    }

    fn last(&self, uid: &str, generation: i64) -> Option<Sent> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(uid).copied().filter(|sent| sent.generation == generation)
    }

    fn note(&self, uid: &str, sent: Option<Sent>) {
        let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.is_some() && all.len() == all.capacity() {
            // Those of children that went without a word: whoever is still there is only asked again.
            all.retain(|_, sent| clock::instant().saturating_duration_since(sent.at) < FORGOTTEN_AFTER);
        }
        match sent {
            Some(sent) => all.insert(uid.to_owned(), sent),
            None => all.remove(uid),
        };
    }
}

/// So often a command is sent before the cache is suspected of hiding its answer.
const TIMES_OF_A_LIVE_CACHE: u32 = 2;

/// Sends the child's wish unless it is answered; re-drives it with backoff until it is.
pub(crate) async fn command<C: Child>(child: Arc<C>, commander: Arc<Commander>) -> Result<Action, Error> {
    let (Some(uid), Some(generation)) = (child.uid(), child.meta().generation) else {
        return Ok(Action::await_change());
    };
    if child.is_answered() || child.meta().deletion_timestamp.is_some() {
        commander.note(&uid, None);
        return Ok(Action::await_change());
    }
    let namespace = child.namespace().unwrap_or_default();
    let policy = commander.world.policy(&namespace);
    let backoff = Backoff { initial: policy.retry_initial, maximum: policy.retry_maximum };
    let last = commander.last(&uid, generation);
    if let Some(Sent { at, times, .. }) = last {
        let left = backoff.wait(times).saturating_sub(clock::instant().saturating_duration_since(at));
        if !left.is_zero() {
            return Ok(Action::requeue(left));
        }
    }
    let id = C::order_reference(child.spec()).id.clone();
    if child.is_refused() && commander.world.has_settled_money(&child.name_any(), &namespace, &id) {
        // A person has said that nobody is to be asked any more: asked again later, it could be done twice.
        return Ok(Action::requeue(AFTER_DEATH));
    }
    if let Some(Sent { at, .. }) = last
        && commander.world.dead_letters.hold(&id, &uid, generation)
        && clock::instant().saturating_duration_since(at) < AFTER_DEATH
    {
        // It would be one dead letter more each time: it waits for a person, who redrives it or retries.
        return Ok(Action::requeue(backoff.maximum.min(AFTER_DEATH)));
    }
    let times = last.map_or(0, |sent| sent.times) + 1;
    if times > TIMES_OF_A_LIVE_CACHE && !commander.world.is_current(child.as_ref()).await? {
        // It may be answered long since: its cache has missed an event.
        commander.world.suspicion.raise();
    }
    send(child.as_ref(), &commander.world).await?;
    if times > 1 {
        tracing::info!(kind = C::KIND, order = id, times, "not answered in time, sent again");
        metrics::counter!("supercargo_commands_redriven_total", "kind" => C::KIND).increment(1);
    }
    commander.note(&uid, Some(Sent { generation, at: clock::instant(), times }));
    Ok(Action::requeue(backoff.wait(times)))
}

/// Sends the child's wish once, under a fresh message id and the same business key.
pub(crate) async fn send<C: Child>(child: &C, world: &World) -> Result<(), Error> {
    world.may_act("send a command")?;
    let command = Command {
        order_id: C::order_reference(child.spec()).id.clone(),
        namespace: child.namespace().unwrap_or_default(),
        name: child.name_any(),
        uid: child.uid(),
        generation: child.meta().generation.unwrap_or_default(),
        sent_at: clock::now(),
        spec: child.spec().clone(),
    };
    let trace = TraceParent::of_order(&command.order_id);
    let span =
        tracing::info_span!("command", kind = C::KIND, order = command.order_id, trace_id = trace.trace_id());
    let span = join(span, &trace);
    let publish = || publish_command(&world.jetstream, "operator", &command);
    within(span, effect(point::<C>("command"), &command.order_id, publish))
        .await
        .map_err(|error| Error::new("send a command", Failed::Publish(error)))
}

/// What follows a failure to send.
#[allow(clippy::needless_pass_by_value, reason = "the form that the controller asks for")]
pub(crate) fn resend_after_error<C: Child>(child: Arc<C>, error: &Error, _: Arc<Commander>) -> Action {
    tracing::warn!(
        kind = C::KIND,
        name = child.name_any(),
        "failed to command, will retry: {}",
        error.chain()
    );
    metrics::counter!("supercargo_reconcile_failures_total", "kind" => C::KIND, "category" => error.category()).increment(1);
    Action::requeue(Duration::from_secs(1))
}
