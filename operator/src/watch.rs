//! Watches: caches of the resources that heal.
//!
//! A watch may miss an event, and the cache is then wrong without knowing it. So each kind is listed anew from time to time,
//! and soon when something about it looks stale. An object that this program cannot read is left out instead of holding up
//! all the others.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, unfold};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{Store, reflector, store};
use kube::runtime::watcher::{self, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// However stale it looks, a kind is listed no more often than this.
const RELIST_AT_MOST_EVERY: Duration = Duration::from_secs(15);

/// Says that a cache looks stale: its watches list anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspicion(Arc<Notify>);

impl Suspicion {
    pub(crate) fn raise(&self) {
        self.0.notify_waiters();
    }
}

/// What is watched, and how.
#[derive(Clone)]
pub(crate) struct Watching {
    pub(crate) client: kube::Client,
    /// `None` for all.
    pub(crate) namespace: Option<String>,
    /// How often everything is listed anew.
    pub(crate) relist: Duration,
    pub(crate) suspicion: Suspicion,
}

/// A cache and the watch that fills it as it is polled.
pub(crate) fn watch<K>(
    watching: &Watching,
) -> (Store<K>, impl Stream<Item = watcher::Result<K>> + Send + use<K>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let Watching { client, namespace, relist, suspicion } = watching.clone();
    let (reader, writer) = store();
    let (all, own) = (client.clone(), namespace.clone());
    let plain = move || watcher(api::<K>(&all, own.as_deref()), watcher::Config::default()).boxed();
    let guarded = move || {
        let api: Api<DeserializeGuard<K>> = api(&client, namespace.as_deref());
        watcher(api, watcher::Config::default()).try_filter_map(|event| async { Ok(readable(event)) }).boxed()
    };
    let events = healing(plain, guarded, relist, suspicion)
        .modify(|object: &mut K| object.managed_fields_mut().clear());
    (reader, reflector(writer, events.default_backoff()).touched_objects())
}

fn api<K>(client: &kube::Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

type Events<K> = BoxStream<'static, watcher::Result<watcher::Event<K>>>;

/// The events of `plain`, begun anew from time to time; of `guarded` while the list holds what cannot be read.
fn healing<K: Send + 'static>(
    plain: impl Fn() -> Events<K> + Send + 'static,
    guarded: impl Fn() -> Events<K> + Send + 'static,
    relist: Duration,
    suspicion: Suspicion,
) -> Events<K> {
    let began = Instant::now();
    let state = (plain(), began, plain, guarded);
    unfold(state, move |(mut events, mut began, plain, guarded)| {
        let suspicion = suspicion.clone();
        async move {
            loop {
                let suspected = async {
                    suspicion.0.notified().await;
                    sleep_until(began + RELIST_AT_MOST_EVERY).await;
                };
                tokio::select! {
                    event = events.next() => {
                        if matches!(&event, Some(Err(error)) if is_unreadable(error)) {
                            // One object in the list cannot be read: each is read by itself from here on.
                            (events, began) = (guarded(), Instant::now());
                        }
                        return event.map(|event| (event, (events, began, plain, guarded)));
                    }
                    () = sleep_until(began + relist) => {}
                    () = suspected => {}
                }
                (events, began) = (plain(), Instant::now());
            }
        }
    })
    .boxed()
}

fn is_unreadable(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::SerdeError(_)))
}

/// The event, unless its object cannot be read.
fn readable<K: Resource<DynamicType = ()>>(
    event: watcher::Event<DeserializeGuard<K>>,
) -> Option<watcher::Event<K>> {
    let read = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let kind = K::kind(&());
            metrics::counter!("supercargo_unreadable_objects_total", "kind" => kind.to_string()).increment(1);
            tracing::error!(
                %kind,
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                "an object cannot be read and is left out: {}",
                invalid.error
            );
            None
        }
    };
    match event {
        watcher::Event::Apply(guard) => read(guard).map(watcher::Event::Apply),
        watcher::Event::Delete(guard) => read(guard).map(watcher::Event::Delete),
        watcher::Event::InitApply(guard) => read(guard).map(watcher::Event::InitApply),
        watcher::Event::Init => Some(watcher::Event::Init),
        watcher::Event::InitDone => Some(watcher::Event::InitDone),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use resources::Shop;
    use serde_json::json;

    use super::*;

    fn shop(currency: &str) -> serde_json::Value {
        json!({"apiVersion": "supercargo.dev/v1alpha1", "kind": "Shop", "metadata": {"name": "default"},
               "spec": {"currency": currency}})
    }

    fn guard(value: serde_json::Value) -> DeserializeGuard<Shop> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_object_that_cannot_be_read_is_left_out_and_the_others_are_not() {
        let good = readable(watcher::Event::InitApply(guard(shop("EUR"))));
        assert!(matches!(good, Some(watcher::Event::InitApply(_))));
        for event in [watcher::Event::InitApply, watcher::Event::Apply, watcher::Event::Delete] {
            assert!(readable(event(guard(shop("no currency at all")))).is_none());
        }
        assert!(matches!(readable::<Shop>(watcher::Event::InitDone), Some(watcher::Event::InitDone)));
    }

    fn unreadable() -> watcher::Error {
        let error = serde_json::from_str::<u8>("x").unwrap_err();
        watcher::Error::InitialListFailed(kube::Error::SerdeError(error))
    }

    fn endless(first: Vec<watcher::Result<watcher::Event<u8>>>) -> Events<u8> {
        stream::iter(first).chain(stream::pending()).boxed()
    }

    #[tokio::test]
    async fn a_list_with_an_unreadable_object_is_followed_by_one_that_reads_each_by_itself() {
        let plain = || endless(vec![Ok(watcher::Event::Init), Err(unreadable())]);
        let guarded = || endless(vec![Ok(watcher::Event::Init), Ok(watcher::Event::InitApply(7))]);
        let events = healing(plain, guarded, Duration::from_secs(600), Suspicion::default());
        let seen: Vec<_> = events.take(4).collect().await;
        assert!(seen[1].is_err());
        assert!(matches!(seen[3], Ok(watcher::Event::InitApply(7))));
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_listed_anew_from_time_to_time_and_soon_when_it_looks_stale() {
        let plain = || endless(vec![Ok(watcher::Event::Init)]);
        let suspicion = Suspicion::default();
        let began = Instant::now();
        let mut events = healing(plain, plain, Duration::from_secs(600), suspicion.clone());
        events.next().await;
        events.next().await;
        assert_eq!(began.elapsed().as_secs(), 600);
        let next = events.next();
        let raising = async {
            tokio::task::yield_now().await;
            suspicion.raise();
            std::future::pending::<()>().await;
        };
        tokio::select! { _ = next => {}, () = raising => {} }
        assert_eq!(began.elapsed().as_secs(), 615);
    }
}
