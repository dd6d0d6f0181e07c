//! The controllers of one leader: one watch a kind. The watch of a child wakes its own controller and its order's.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Stream, StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::runtime::controller::{Config, Controller as Runtime, Error as RuntimeError};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use resources::{Order, Payment, Shipment, Shop, StockReservation};
use tokio_util::sync::CancellationToken;

use crate::child::{Child, Commander, command, resend_after_error};
use crate::dead_letters::{DeadLetters, follow};
use crate::error::Error;
use crate::leadership::Mandate;
use crate::order::{Controller, Memory, Pace, Turns, reconcile, requeue_after_error};
use crate::reports::{self, Reports};
use crate::watch::{Suspicion, Watching, watch};
use crate::world::World;

/// The queue merges what arrives for one object within this time.
const DEBOUNCE: Duration = Duration::from_millis(2);

/// How the controllers run.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The namespace to watch; `None` for all.
    pub(crate) namespace: Option<String>,
    /// How many objects of a kind are reconciled at the same time.
    pub(crate) concurrency: u16,
    /// Who writes Kubernetes Events.
    pub(crate) instance: String,
    /// How often everything is listed anew.
    pub(crate) relist: Duration,
}

/// Runs the controllers until `stop` is cancelled, then finishes what is being reconciled; nothing is begun once `mandate`
/// is over.
pub(crate) async fn run(
    platform: &chassis::Platform,
    scope: &Scope,
    mandate: Mandate,
    stop: CancellationToken,
) {
    let client = platform.kubernetes.clone();
    let place = scope.namespace.as_deref().unwrap_or("all");
    let caches = platform.health.check(&format!("operator caches of {place}"));
    let watching = Watching {
        client: client.clone(),
        namespace: scope.namespace.clone(),
        relist: scope.relist,
        suspicion: Suspicion::default(),
    };
    let (wake, woken) = unbounded();
    let (orders, order_watch) = watch::<Order>(&watching);
    let (reservations, reservation_watch) = watch::<StockReservation>(&watching);
    let (payments, payment_watch) = watch::<Payment>(&watching);
    let (shipments, shipment_watch) = watch::<Shipment>(&watching);
    let (shops, shop_watch) = watch::<Shop>(&watching);
    let world = Arc::new(World {
        kubernetes: client.clone(),
        nats: platform.nats.clone(),
        jetstream: platform.jetstream.clone(),
        orders: orders.clone(),
        dead_letters: DeadLetters::default(),
        reports: Reports::default(),
        mandate,
        suspicion: watching.suspicion.clone(),
        reservations: reservations.clone(),
        payments: payments.clone(),
        shipments: shipments.clone(),
        shops: shops.clone(),
    });
    let commander = Arc::new(Commander::new(world.clone()));
    let reporter = Reporter { controller: "supercargo".into(), instance: Some(scope.instance.clone()) };
    let controller = Arc::new(Controller {
        world: world.clone(),
        memory: Memory::default(),
        recorder: Recorder::new(client, reporter),
        commander: commander.clone(),
        turns: Turns::default(),
        pace: Pace::default(),
    });
    let ready = async {
        // Deciding on half-filled caches would take what exists for missing.
        let _ = tokio::join!(
            reservations.wait_until_ready(),
            payments.wait_until_ready(),
            shipments.wait_until_ready(),
            shops.wait_until_ready(),
        );
        caches.ready();
        tracing::info!(namespace = place, "driving orders");
    };
    // What concerns every order, so that all are decided anew.
    let (changed, changes) = unbounded();
    tokio::join!(
        follow_clock(changed.clone(), &stop),
        follow(&world.jetstream, &world.dead_letters, &orders, &wake, &stop),
        reports::follow(&world.nats, scope.namespace.as_deref(), &world.reports, &wake, &stop),
        follow_shops(shop_watch, platform.kubernetes.clone(), changed, stop.clone()),
        drive_children(reservation_watch, reservations.clone(), &commander, &wake, scope, &stop),
        drive_children(payment_watch, payments.clone(), &commander, &wake, scope, &stop),
        drive_children(shipment_watch, shipments.clone(), &commander, &wake, scope, &stop),
        async {
            ready.await;
            let answering = controller.clone();
            let driving = drive_orders(order_watch, orders.clone(), woken, changes, controller, scope, &stop);
            tokio::select! {
                () = driving => {}
                () = crate::retell::answer(&orders, &answering, &wake, &scope.instance) => {}
            }
        },
    );
    // A standby needs no caches.
    caches.ready();
}

/// A policy that changes wakes the orders, and says of itself that it is in force.
async fn follow_shops(
    watch: impl Stream<Item = watcher::Result<Shop>>,
    client: kube::Client,
    changed: UnboundedSender<()>,
    stop: CancellationToken,
) {
    let following = watch.for_each(|shop| {
        let (client, changed) = (client.clone(), changed.clone());
        async move {
            match shop {
                Ok(shop) => {
                    // Nobody listens once the controllers stop.
                    let _ = changed.unbounded_send(());
                    crate::shop::acknowledge(&client, &shop).await;
                }
                Err(error) => note("Shop", Some(RuntimeError::QueueError(error))),
            }
        }
    });
    tokio::select! {
        () = following => {}
        () = stop.cancelled() => {}
    }
}

/// A clock that is set wakes the orders: when each is to be looked at again was computed by what it said before.
async fn follow_clock(changed: UnboundedSender<()>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            step = chassis::clock::stepped() => {
                tracing::warn!("the clock was set by {step:#}: all orders are decided anew");
                // Nobody listens once the controllers stop.
                let _ = changed.unbounded_send(());
            }
            () = stop.cancelled() => return,
        }
    }
}

async fn drive_orders(
    watch: impl Stream<Item = watcher::Result<Order>> + Send + 'static,
    orders: Store<Order>,
    woken: UnboundedReceiver<ObjectRef<Order>>,
    changes: UnboundedReceiver<()>,
    controller: Arc<Controller>,
    scope: &Scope,
    stop: &CancellationToken,
) {
    Runtime::for_stream(watch, orders)
        .reconcile_on(woken)
        .reconcile_all_on(changes)
        .with_config(Config::default().concurrency(scope.concurrency).debounce(DEBOUNCE))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, requeue_after_error, controller)
        .for_each(|outcome| async move { note("Order", outcome.err()) })
        .await;
}

async fn drive_children<C: Child>(
    watch: impl Stream<Item = watcher::Result<C>> + Send + 'static,
    children: Store<C>,
    commander: &Arc<Commander>,
    wake: &UnboundedSender<ObjectRef<Order>>,
    scope: &Scope,
    stop: &CancellationToken,
) {
    let wake = wake.clone();
    let watch = watch.inspect_ok(move |child| {
        let reference = C::order_reference(child.spec());
        let order = ObjectRef::new(&reference.name).within(&child.namespace().unwrap_or_default());
        // Nobody listens once the controllers stop.
        let _ = wake.unbounded_send(order);
    });
    Runtime::for_stream(watch, children)
        .with_config(Config::default().concurrency(scope.concurrency).debounce(DEBOUNCE))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(command::<C>, resend_after_error::<C>, commander.clone())
        .for_each(|outcome| async move { note(C::KIND, outcome.err()) })
        .await;
}

/// Failures of reconciliations are told where they happen; here are those of the watch itself.
fn note(kind: &'static str, error: Option<RuntimeError<Error, watcher::Error>>) {
    match error {
        Some(RuntimeError::QueueError(error)) => {
            metrics::counter!("supercargo_watch_failures_total", "kind" => kind).increment(1);
            tracing::warn!(kind, "the watch failed, will retry: {error}");
        }
        Some(RuntimeError::RunnerError(error)) => tracing::error!(kind, "the controller failed: {error}"),
        // Gone since it was queued.
        Some(RuntimeError::ObjectNotFound(_) | RuntimeError::ReconcilerFailed(..)) | None => {}
    }
}
