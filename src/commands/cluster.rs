//! The cluster as the person at the command line reaches it.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};

/// A client of the cluster of `KUBECONFIG`.
pub async fn client() -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer()
        .await
        .context("failed to find a cluster: set KUBECONFIG (source .dev/env after make up)")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(10));
    kube::Client::try_from(config).context("failed to make a client from KUBECONFIG")
}

/// Who types, as the cluster knows them; none where it does not say.
pub async fn user(client: &kube::Client) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username.filter(|name| !name.is_empty())
}
