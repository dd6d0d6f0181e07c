//! Reading and writing the Lease, each within a bound.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ObjectMeta, PostParams};

use super::claim::{Claim, Watched, held, released};

/// How long the API server may take: a try that hangs leaves time for another one, and one that is slow is no loss.
const PATIENCE: Duration = Duration::from_secs(4);

/// The Lease as this replica knows it.
pub(super) struct Access {
    api: Api<Lease>,
    name: String,
    identity: String,
    watched: Watched,
    /// Ours as it was written last, so that a renewal is one request.
    own: Option<Lease>,
}

impl Access {
    pub(super) fn new(client: kube::Client, namespace: &str, name: String, identity: String) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name, identity, watched: Watched::default(), own: None }
    }

    /// Takes or renews the Lease where that may be; true when it is ours.
    ///
    /// # Errors
    /// When the API server refuses or does not answer in time: it may be ours or not.
    pub(super) async fn claim(&mut self) -> anyhow::Result<bool> {
        let before = match self.own.take() {
            Some(own) => Some(own),
            None => self.read().await?,
        };
        match self.watched.judge(before.as_ref(), &self.identity, Instant::now()) {
            Claim::StandBy => Ok(false),
            Claim::Take | Claim::Renew => self.write(before).await,
        }
    }

    async fn read(&self) -> anyhow::Result<Option<Lease>> {
        let reading = tokio::time::timeout(PATIENCE, self.api.get_opt(&self.name));
        reading.await.with_context(|| format!("no answer within {PATIENCE:?}"))?.context("failed to read it")
    }

    /// Writes on the version that was read: another replica may have been quicker.
    async fn write(&mut self, before: Option<Lease>) -> anyhow::Result<bool> {
        let spec = held(
            before.as_ref().and_then(|lease| lease.spec.as_ref()),
            &self.identity,
            jiff::Timestamp::now(),
        );
        let parameters = PostParams::default();
        let writing = async {
            match before {
                Some(lease) => {
                    let lease = Lease { spec: Some(spec), ..lease };
                    self.api.replace(&self.name, &parameters, &lease).await
                }
                None => {
                    let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                    self.api.create(&parameters, &Lease { metadata, spec: Some(spec) }).await
                }
            }
        };
        let written = tokio::time::timeout(PATIENCE, writing).await;
        match written.with_context(|| format!("no answer within {PATIENCE:?}"))? {
            Ok(lease) => {
                self.own = Some(lease);
                Ok(true)
            }
            // Somebody else was quicker, or our own write arrived and its answer did not: it is read anew.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let now = self.read().await?;
                let holder = now.as_ref().and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref());
                let ours = holder == Some(self.identity.as_str());
                if ours {
                    anyhow::bail!("it was changed meanwhile and is still ours");
                }
                Ok(false)
            }
            Err(error) => Err(error).context("failed to write it"),
        }
    }

    /// Lets go of it, so that another replica need not wait until it runs out.
    ///
    /// # Errors
    /// When the API server refuses or does not answer in time: it runs out by itself.
    pub(super) async fn release(&mut self) -> anyhow::Result<()> {
        let Some(own) = self.own.take().map_or(self.read().await?, Some) else { return Ok(()) };
        let Some(spec) =
            own.spec.as_ref().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
        else {
            return Ok(());
        };
        let lease = Lease { spec: Some(released(spec)), ..own.clone() };
        let parameters = PostParams::default();
        let releasing = tokio::time::timeout(PATIENCE, self.api.replace(&self.name, &parameters, &lease));
        releasing
            .await
            .with_context(|| format!("no answer within {PATIENCE:?}"))?
            .context("failed to write it")?;
        Ok(())
    }
}
