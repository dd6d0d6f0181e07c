//! Delivery of webhooks: each event until its receiver answers 2xx, across restarts, in order within its queue.
//!
//! An event is journaled by its maker before it comes here, and marked `delivered/{id}` once it has arrived: what is
//! journaled and not marked is sent again after a restart, so a receiver may see it twice, never not at all.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::common::{lock, now_millis};
use crate::faults::{FaultBox, Webhooks};
use crate::journal::{Batch, Journal};
use crate::settings::Account;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 16;

/// Signs a body at a time (unix seconds): the headers to send with it.
pub(crate) type Sign = fn(secret: &str, body: &str, at: i64) -> Vec<(&'static str, String)>;

/// An event on its way.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// The event's id.
    pub id: String,
    /// Parcels of one queue arrive in order.
    pub queue: String,
    /// The raw body.
    pub body: String,
}

/// Delivers one server's events. Without a URL nothing is pending and nothing is sent.
#[derive(Clone, Debug)]
pub(crate) struct Courier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    account: Account,
    client: Option<reqwest::Client>,
    sign: Sign,
    faults: FaultBox,
    journal: Arc<Journal>,
    queues: Mutex<HashMap<String, VecDeque<Parcel>>>,
    pending: Mutex<HashSet<String>>,
    permits: Semaphore,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Courier {
    /// A courier that stops with the token; its tasks are the tracker's.
    pub fn new(
        account: Account,
        sign: Sign,
        faults: FaultBox,
        journal: Arc<Journal>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> anyhow::Result<Courier> {
        let client = match account.webhook_url {
            Some(_) => Some(
                reqwest::Client::builder()
                    .timeout(PATIENCE)
                    .no_proxy()
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .context("failed to build the HTTP client for webhooks")?,
            ),
            None => None,
        };
        Ok(Courier(Arc::new(Inner {
            account,
            client,
            sign,
            faults,
            journal,
            queues: Mutex::default(),
            pending: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
            stop,
            tasks,
        })))
    }

    /// Whether events are sent at all.
    pub fn is_on(&self) -> bool {
        self.0.client.is_some()
    }

    /// How many events have not arrived yet.
    pub fn pending(&self) -> usize {
        lock(&self.0.pending).len()
    }

    /// Whether this event has not arrived yet.
    pub fn is_pending(&self, id: &str) -> bool {
        lock(&self.0.pending).contains(id)
    }

    /// Takes an event that has been appended to the journal; it is sent once it is durable there.
    pub fn send(&self, parcel: Parcel) {
        let Some(client) = self.0.client.clone() else { return };
        lock(&self.0.pending).insert(parcel.id.clone());
        let mut queues = lock(&self.0.queues);
        let name = parcel.queue.clone();
        let idle = !queues.contains_key(&name);
        queues.entry(name.clone()).or_default().push_back(parcel);
        drop(queues);
        if idle {
            let inner = self.0.clone();
            self.0.tasks.spawn(async move {
                let stop = inner.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = inner.work_off(&client, &name) => {}
                }
            });
        }
    }
}

impl Inner {
    async fn work_off(&self, client: &reqwest::Client, queue: &str) {
        loop {
            let parcel = {
                let mut queues = lock(&self.queues);
                match queues.get_mut(queue).and_then(VecDeque::pop_front) {
                    Some(parcel) => parcel,
                    None => {
                        queues.remove(queue);
                        return;
                    }
                }
            };
            if let Err(fault) = self.journal.durable().await {
                tracing::error!(%fault, "webhooks rest");
                return;
            }
            if self.deliver(client, &parcel).await == Webhooks::Duplicate {
                self.deliver(client, &parcel).await;
            }
            lock(&self.pending).remove(&parcel.id);
            let mut batch = Batch::default();
            match batch.put("delivered", &parcel.id, &true) {
                Ok(()) => drop(self.journal.append(batch)),
                Err(fault) => tracing::error!(%fault, event = parcel.id, "failed to mark a webhook"),
            }
        }
    }

    /// Tries until the receiver has it; answers how it travelled.
    async fn deliver(&self, client: &reqwest::Client, parcel: &Parcel) -> Webhooks {
        let mut pause = FIRST_PAUSE;
        for attempt in 1_u32.. {
            let mode = self.permission().await;
            if let (Webhooks::Delay(delay), 1) = (mode, attempt) {
                tokio::time::sleep(delay).await;
            }
            match self.attempt(client, parcel).await {
                Ok(()) => return mode,
                Err(fault) if attempt == 1 || attempt.is_multiple_of(10) => {
                    tracing::warn!(event = parcel.id, attempt, fault, "webhook not taken, trying again");
                }
                Err(fault) => tracing::debug!(event = parcel.id, attempt, fault, "webhook not taken"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Webhooks::On
    }

    /// Waits while webhooks are off.
    async fn permission(&self) -> Webhooks {
        loop {
            let (mode, mut changes) = self.faults.webhooks();
            if mode != Webhooks::Off || changes.changed().await.is_err() {
                return mode;
            }
        }
    }

    async fn attempt(&self, client: &reqwest::Client, parcel: &Parcel) -> Result<(), String> {
        let Some(url) = self.account.webhook_url.clone() else { return Ok(()) };
        let _permit = self.permits.acquire().await.map_err(|fault| fault.to_string())?;
        let at = now_millis() / 1000;
        let mut request = client.post(url).header("Content-Type", "application/json; charset=utf-8");
        for (name, value) in (self.sign)(&self.account.webhook_secret, &parcel.body, at) {
            request = request.header(name, value);
        }
        match request.body(parcel.body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status())),
            Err(fault) => Err(format!("{fault:#}")),
        }
    }
}
