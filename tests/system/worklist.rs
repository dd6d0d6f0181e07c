//! The worklist that services share, with two workers as two replicas are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chassis::effect::faults::{self, Fault, Mode};
use chassis::worklist::{Next, Work, work};
use chassis::{Platform, Store};
use clap::Parser;
use jiff::Timestamp;
use sqlx::migrate::Migrator;
use testkit::eventually;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Tested;

const SERVICE: &str = "worklist_test";

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    common: chassis::Settings,
}

/// Signs that a worker has begun, and waits until it may end with `next`.
struct Gated {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
    next: fn() -> Next,
}

#[async_trait]
impl Work for Gated {
    async fn perform(&self, _: &str, _: u32) -> anyhow::Result<Next> {
        self.begun.add_permits(1);
        self.may_end.acquire().await?.forget();
        Ok((self.next)())
    }
}

fn tomorrow() -> Next {
    Next::At(Timestamp::now() + jiff::SignedDuration::from_hours(24))
}

#[tokio::test]
async fn a_worker_that_was_paused_past_its_lease_settles_nothing_of_its_successor_s() -> Tested {
    // A lease of a second and a half. In this process the worklist is this test's alone.
    faults::set_pace(10);
    let common = Settings::try_parse_from(["test"])?.common;
    let stop = CancellationToken::new();
    let platform = Platform::connect(common.clone(), chassis::Health::default(), stop.clone()).await?;
    let url = common.database_url_of(SERVICE)?;
    let nothing = Migrator { migrations: Vec::new().into(), ..Migrator::DEFAULT };
    let key = testkit::unique("paused");
    let renewal = Fault { point: format!("{SERVICE}.worklist.renew"), occurrence: 1, mode: Mode::Held };
    faults::watch(&key, "nobody", vec![renewal]);

    let gated = |next| {
        let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        (begun.clone(), may_end.clone(), Gated { begun, may_end, next })
    };
    let (paused_begun, paused_may_end, paused) = gated(|| Next::Done);
    let store = Store::connect(&url, SERVICE, 4, &nothing).await?;
    let mut transaction = store.begin().await?;
    transaction.schedule(&key, Timestamp::now()).await?;
    transaction.commit().await?;
    let first = tokio::spawn(work(platform.clone(), store.clone(), 1, paused));
    paused_begun.acquire().await?.forget();

    let (begun, may_end, successor) = gated(tomorrow);
    let other = Store::connect(&url, SERVICE, 4, &nothing).await?;
    let second = tokio::spawn(work(platform, other, 1, successor));
    tokio::time::timeout(Duration::from_secs(60), begun.acquire()).await??.forget();
    // The successor has it; the first wakes and thinks that it is done.
    paused_may_end.add_permits(1);
    may_end.add_permits(1);
    let rests = eventually("the work rests until tomorrow", || async {
        let due: Option<bool> =
            sqlx::query_scalar("SELECT leased_until IS NULL AND due_at > now() + interval '23 hours' FROM worklist WHERE key = $1")
                .bind(&key)
                .fetch_optional(store.pool())
                .await?;
        anyhow::ensure!(due == Some(true), "the row of the successor's work: {due:?}");
        Ok(())
    })
    .await;
    faults::unwatch(&key);
    sqlx::query("DELETE FROM worklist WHERE key = $1").bind(&key).execute(store.pool()).await?;
    stop.cancel();
    first.await??;
    second.await??;
    rests
}
