//! Requests under an `Idempotency-Key` that ask another service.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use chassis::Store;
use rest::{IdempotencyKey, Problem, Step, Stored, once_asking};
use world::World;

/// What was decided, and asked.
#[derive(Default)]
struct Counts {
    decided: AtomicUsize,
    asked: AtomicUsize,
}

impl Counts {
    fn all(&self) -> (usize, usize) {
        (self.decided.load(Ordering::SeqCst), self.asked.load(Ordering::SeqCst))
    }

    /// Sends a request under the key `k` that decides to ask, and is answered so after a while.
    async fn send(&self, store: &Store, answer: Result<u32, Problem>) -> Result<Stored, Problem> {
        let key = IdempotencyKey(Some("k".into()));
        let asking = async || {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            answer
        };
        once_asking(
            store,
            "u-1",
            &key,
            &"request",
            StatusCode::ACCEPTED,
            |_| {
                self.decided.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(Step::Ask)))
            },
            asking,
        )
        .await
    }
}

#[tokio::test]
async fn who_asks_another_service_holds_no_connection() {
    let world = World::open().await;
    let mut others = Vec::new();
    for _ in 0..7 {
        others.push(world.store.pool().acquire().await.unwrap());
    }
    let counts = Counts::default();
    let engine = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        tokio::time::timeout(Duration::from_millis(100), world.store.pool().acquire()).await.is_ok()
    };
    let (stored, free) = tokio::join!(counts.send(&world.store, Ok(1)), engine);
    assert!(free, "the only connection is held while the other service is asked");
    assert_eq!(stored.unwrap().body, 1);
    drop(others);
    world.close().await;
}

#[tokio::test]
async fn of_requests_under_one_key_one_asks_and_the_others_get_its_answer() {
    let world = World::open().await;
    let counts = Counts::default();
    let send = || counts.send(&world.store, Ok(7));
    let (a, b, c) = tokio::join!(send(), send(), send());
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(counts.all(), (1, 1));
    assert!(all.iter().all(|stored| stored.body == 7 && stored.status == StatusCode::ACCEPTED));
    assert_eq!(all.iter().filter(|stored| stored.replayed).count(), 2);
    world.close().await;
}

#[tokio::test]
async fn an_answer_that_is_not_known_is_asked_for_again_and_nothing_is_decided_anew() {
    let world = World::open().await;
    let counts = Counts::default();
    let lost = counts.send(&world.store, Err(Problem::unavailable("no answer"))).await.unwrap_err();
    assert_eq!((lost.status(), counts.all()), (StatusCode::SERVICE_UNAVAILABLE, (1, 1)));
    let again = counts.send(&world.store, Ok(2)).await.unwrap();
    assert_eq!((again.body, again.replayed, counts.all()), (2.into(), false, (1, 2)));
    world.close().await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_asks_leaves_the_key_to_the_next_after_a_while() {
    let world = World::open().await;
    let counts = Counts::default();
    let asking = counts.send(&world.store, Ok(1));
    assert!(tokio::time::timeout(Duration::from_millis(150), asking).await.is_err(), "it dies");
    assert_eq!(counts.all(), (1, 1));
    let again = counts.send(&world.store, Ok(2)).await.unwrap();
    assert_eq!((again.body, counts.all()), (2.into(), (1, 2)));
    world.close().await;
}

#[tokio::test]
async fn what_is_refused_leaves_the_key_free() {
    let world = World::open().await;
    let counts = Counts::default();
    let refused = counts.send(&world.store, Err(Problem::conflict("not now"))).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(counts.send(&world.store, Ok(3)).await.unwrap().body, 3);
    assert_eq!(counts.all(), (2, 2));
    assert!(counts.send(&world.store, Ok(4)).await.unwrap().replayed);
    world.close().await;
}
