//! What tests do at fail points: watch which points an order passes, and arm faults there.
//!
//! A crash is one of the whole role: a role runs in a tokio runtime of its own, whose threads know its [`Incarnation`].
//! When a fault kills it, what it is doing never goes on, whatever else it does stops at its next point, and who started
//! it is told to drop the runtime and start the role anew.
#![allow(clippy::disallowed_methods, reason = "threads of tests wait, outside every runtime")]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::Point;

/// How long a role lives at least: one that dies quicker than it starts gets nothing done. Those that crash meanwhile stay where
/// they are, and die with it.
const SHORTEST_LIFE: Duration = Duration::from_secs(3);
/// How long those that crash or wait together are gathered.
const GATHERING: Duration = Duration::from_millis(100);

/// How long an effect is held at most.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The process dies; the effect is not done.
    CrashBefore,
    /// The process dies as soon as the effect is done.
    CrashAfter,
    /// The effect is done, and its caller gets an error.
    AnswerLost,
    /// The effect is done twice.
    Twice,
    /// The effect is done late: much time passes for every role meanwhile.
    Delayed,
    /// The effect is not done, and its caller gets the error of a lost answer.
    RequestLost,
    /// The effect waits until the test lets it go on.
    Held,
}

impl Mode {
    /// Those that every point is tried with.
    pub const ALL: [Self; 5] =
        [Self::CrashBefore, Self::CrashAfter, Self::AnswerLost, Self::Twice, Self::Delayed];
}

/// A fault of one order, for the `occurrence`th time (from 1) that it passes the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The point's name.
    pub point: String,
    /// Which time.
    pub occurrence: u32,
    /// What happens.
    pub mode: Mode,
}

/// One life of a role, between two crashes.
pub struct Incarnation {
    role: &'static str,
    born: Instant,
    dead: AtomicBool,
    dying: AtomicBool,
    died: mpsc::UnboundedSender<&'static str>,
}

impl Incarnation {
    /// A new life of `role`; its death is told to `died`.
    #[must_use]
    pub fn new(role: &'static str, died: mpsc::UnboundedSender<&'static str>) -> Arc<Self> {
        Arc::new(Self {
            role,
            born: Instant::now(),
            dead: AtomicBool::new(false),
            dying: AtomicBool::new(false),
            died,
        })
    }

    /// Makes the present thread one of this life's: for `on_thread_start` of its runtime.
    pub fn enter(self: &Arc<Self>) {
        PRESENT.with(|present| *present.borrow_mut() = Some(self.clone()));
    }

    /// It dies soon, with all that crash by then.
    fn die(self: &Arc<Self>) {
        if self.dying.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = self.clone();
        // A thread, not a task: the runtime ends.
        std::thread::spawn(move || {
            std::thread::sleep(SHORTEST_LIFE.saturating_sub(this.born.elapsed()).max(GATHERING));
            this.dead.store(true, Ordering::SeqCst);
            // Nobody listens when the test is over.
            let _ = this.died.send(this.role);
        });
    }
}

thread_local! {
    static PRESENT: RefCell<Option<Arc<Incarnation>>> = const { RefCell::new(None) };
}

fn present() -> Option<Arc<Incarnation>> {
    PRESENT.with(|present| present.borrow().clone())
}

/// What is known of one order.
#[derive(Default)]
struct Watched {
    passed: BTreeMap<String, u32>,
    faults: Vec<Fault>,
    fired: Vec<Fault>,
    held: Option<Arc<Notify>>,
}

#[derive(Default)]
struct Registry {
    orders: HashMap<String, Watched>,
    /// Names by which an order is known besides its id.
    names: HashMap<String, String>,
    waiting: u32,
    jump: Duration,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches the order with that id, also known by that name, and arms `faults`: before it is made, so that none is missed.
pub fn watch(order_id: &str, name: &str, faults: Vec<Fault>) {
    let mut registry = registry();
    registry.names.insert(name.to_owned(), order_id.to_owned());
    registry.orders.insert(order_id.to_owned(), Watched { faults, ..Watched::default() });
}

/// How often the order passed each point, and the faults that struck it; it is watched no longer.
pub fn unwatch(order_id: &str) -> (BTreeMap<String, u32>, Vec<Fault>) {
    let mut registry = registry();
    registry.names.retain(|_, id| id != order_id);
    registry.orders.remove(order_id).map(|watched| (watched.passed, watched.fired)).unwrap_or_default()
}

/// How much time passes during a delay.
pub fn delay_by(jump: Duration) {
    registry().jump = jump;
}

/// Notes that `subjects` pass `point`; answers the first fault that strikes.
pub(super) fn cross(point: Point, subjects: impl FnOnce() -> Vec<String>) -> Option<(Mode, String)> {
    let mut registry = registry();
    if registry.orders.is_empty() {
        return None;
    }
    let Registry { orders, names, .. } = &mut *registry;
    let mut strikes = None;
    for subject in subjects() {
        // An order id, or a text with one, or with a name, between slashes.
        let known = subject.split('/').find_map(|part| {
            orders.contains_key(part).then(|| part.to_owned()).or_else(|| names.get(part).cloned())
        });
        let Some(id) = known else { continue };
        let Some(watched) = orders.get_mut(&id) else { continue };
        let point = point.to_string();
        let count = watched.passed.entry(point.clone()).or_default();
        *count += 1;
        let count = *count;
        if strikes.is_some() {
            continue;
        }
        let struck =
            watched.faults.iter().position(|fault| fault.point == point && fault.occurrence == count);
        if let Some(index) = struck {
            let fault = watched.faults.swap_remove(index);
            strikes = Some((fault.mode, id));
            watched.fired.push(fault);
        }
    }
    strikes
}

/// Goes on only in a process that lives.
pub(super) async fn alive() {
    if present().is_some_and(|life| life.dead.load(Ordering::SeqCst)) {
        std::future::pending::<()>().await;
    }
}

/// The present role dies here.
pub(super) async fn crash<T>() -> T {
    if let Some(life) = present() {
        life.die();
    }
    std::future::pending().await
}

/// Waits until the test lets the order go on, or forgets about it.
pub(super) async fn hold(order_id: &str) {
    let gate = Arc::new(Notify::new());
    {
        let mut registry = registry();
        let Some(watched) = registry.orders.get_mut(order_id) else { return };
        watched.held = Some(gate.clone());
    }
    let _ = tokio::time::timeout(LONGEST_HOLD, gate.notified()).await;
}

/// True while an effect of the order is held.
#[must_use]
pub fn is_held(order_id: &str) -> bool {
    registry().orders.get(order_id).is_some_and(|watched| watched.held.is_some())
}

/// Lets the held effect of the order go on.
pub fn release(order_id: &str) {
    if let Some(gate) = registry().orders.get_mut(order_id).and_then(|watched| watched.held.take()) {
        gate.notify_one();
    }
}

/// Waits until a jump of the clock has passed, together with others that wait.
pub(super) async fn delay() {
    static PASSED: OnceLock<Notify> = OnceLock::new();
    let passed = PASSED.get_or_init(Notify::new);
    let notified = passed.notified();
    let mut notified = std::pin::pin!(notified);
    notified.as_mut().enable();
    let first = {
        let mut registry = registry();
        registry.waiting += 1;
        registry.waiting == 1
    };
    if first {
        std::thread::spawn(move || {
            std::thread::sleep(GATHERING);
            let jump = registry().jump;
            crate::clock::skip(jump);
            // What has become due meanwhile goes first.
            std::thread::sleep(10 * GATHERING);
            registry().waiting = 0;
            passed.notify_waiters();
        });
    }
    notified.await;
}

static PACE: AtomicU32 = AtomicU32::new(1);

/// Divides the times after which others take over from the dead.
pub fn set_pace(divisor: u32) {
    PACE.store(divisor.max(1), Ordering::SeqCst);
}

pub(super) fn paced(production: Duration) -> Duration {
    production / PACE.load(Ordering::SeqCst)
}
