//! Stands in for the outside world on a laptop: card payments, a carrier, a mailbox and a collector of traces.
//!
//! Real servers on real ports, stateful and durable, with webhooks and faults on demand. The crate shares no code with
//! the services that call it, so its books can be held against theirs. The README has every endpoint.

mod carrier;
mod common;
mod faults;
mod idempotency;
mod journal;
mod mailbox;
mod server;
mod settings;
mod stripe;
mod traces;
mod webhook;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use settings::Settings;

/// Runs all servers until told to stop, or until one of them cannot go on.
pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let settings = settings.check()?;
    let _locked = lock_folder(&settings.data)?;
    let stripe_listener = server::bind("SANDBOX_STRIPE_ADDR", settings.stripe_addr).await?;
    let carrier_listener = server::bind("SANDBOX_CARRIER_ADDR", settings.carrier_addr).await?;
    let smtp_listener = server::bind("SANDBOX_SMTP_ADDR", settings.smtp_addr).await?;
    let mailbox_listener = server::bind("SANDBOX_MAILBOX_ADDR", settings.mailbox_addr).await?;
    // Ends with one server's failure too, so that the others do not linger.
    let stop = stop.child_token();
    let tasks = TaskTracker::new();
    let stripe_base = format!("http://{}", stripe_listener.local_addr()?);
    let carrier_base = format!("http://{}", carrier_listener.local_addr()?);
    let data = settings.data.as_path();
    let stripe = stripe::Stripe::open(data, settings.stripe, stripe_base, stop.clone(), tasks.clone())?;
    let carrier = carrier::Carrier::open(
        data,
        settings.carrier,
        carrier_base,
        settings.delivery,
        stop.clone(),
        tasks.clone(),
    )?;
    let mailbox = mailbox::Mailbox::open(data)?;
    let traces = Arc::new(traces::Traces::default());
    tracing::info!(
        stripe = %stripe_listener.local_addr()?,
        carrier = %carrier_listener.local_addr()?,
        smtp = %smtp_listener.local_addr()?,
        mailbox = %mailbox_listener.local_addr()?,
        data = %data.display(),
        "the sandbox is open"
    );
    let servers = async {
        tokio::try_join!(
            server::serve(stripe_listener, stripe.router(), stop.clone()),
            server::serve(carrier_listener, carrier.router(), stop.clone()),
            server::serve(mailbox_listener, mailbox.router().merge(traces.router()), stop.clone()),
            mailbox::listen(smtp_listener, mailbox.clone(), stop.clone(), tasks.clone()),
        )
    };
    let ended = tokio::select! {
        ended = servers => ended.map(|_| ()),
        fault = stripe.broken() => Err(fault),
        fault = carrier.broken() => Err(fault),
        fault = mailbox.broken() => Err(fault),
    };
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.is_err() {
        tracing::warn!("some webhooks were still on their way: they are sent after the next start");
    }
    ended
}

/// Makes the folder and holds it: two processes in one folder would spoil each other's books.
fn lock_folder(folder: &Path) -> anyhow::Result<File> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| {
        format!("failed to make the folder SANDBOX_DATA={shown}: choose one that can be written, e.g. .dev/sandbox")
    })?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("failed to open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("SANDBOX_DATA={shown} is in use by another sandbox: stop it, or choose another folder")
        }
        Err(std::fs::TryLockError::Error(fault)) => {
            Err(fault).with_context(|| format!("failed to lock {}", path.display()))
        }
    }
}
