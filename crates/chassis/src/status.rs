//! Status reports: a service tells Kubernetes what has come true of a child.

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use resources::{Payment, Shipment, StockReservation};
use serde::{Deserialize, Serialize};

/// The kinds whose status services report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChildKind {
    /// Reported by inventory.
    StockReservation,
    /// Reported by payment.
    Payment,
    /// Reported by shipping.
    Shipment,
}

impl ChildKind {
    fn api_resource(self) -> ApiResource {
        match self {
            Self::StockReservation => ApiResource::erase::<StockReservation>(&()),
            Self::Payment => ApiResource::erase::<Payment>(&()),
            Self::Shipment => ApiResource::erase::<Shipment>(&()),
        }
    }

    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StockReservation => "StockReservation",
            Self::Payment => "Payment",
            Self::Shipment => "Shipment",
        }
    }
}

impl fmt::Display for ChildKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ChildKind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        [Self::StockReservation, Self::Payment, Self::Shipment]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .with_context(|| format!("{text:?} is not a kind whose status is reported"))
    }
}

/// The present state of a child, with its revision: the API server refuses an older one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The kind of the child.
    pub kind: ChildKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: a successor of the same name is left alone.
    pub uid: String,
    /// The whole status, as in the resource.
    pub status: serde_json::Value,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// It is in the resource.
    Written,
    /// The resource is gone, another one, or has a newer report.
    Superseded,
}

impl StatusReport {
    /// Where reports are told ahead of the resources, as core messages that nobody has to receive.
    pub const SUBJECTS: &str = "supercargo.report.*";

    /// Tells it to whoever listens. It may get lost: what counts is the resource.
    ///
    /// # Errors
    /// When the connection to NATS is closed.
    pub(crate) async fn tell_ahead(&self, nats: &async_nats::Client) -> anyhow::Result<()> {
        let subject = format!("supercargo.report.{}", self.kind.as_str().to_lowercase());
        let payload = serde_json::to_vec(self).context("failed to write a report")?;
        nats.publish(subject, payload.into()).await.context("failed to tell a report ahead")
    }

    /// Which object this is about; later reports about it replace earlier ones.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.kind, self.namespace, self.name, self.uid)
    }

    /// Writes it; the status is replaced as a whole.
    pub(crate) async fn write(&self, client: &kube::Client) -> anyhow::Result<Reported> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &self.namespace, &self.kind.api_resource());
        let patch = serde_json::from_value(serde_json::json!([
            {"op": "test", "path": "/metadata/uid", "value": self.uid},
            {"op": "add", "path": "/status", "value": self.status},
        ]))
        .context("failed to make a status patch")?;
        let patched = api.patch_status(&self.name, &PatchParams::default(), &Patch::Json::<()>(patch)).await;
        match patched {
            Ok(_) => Ok(Reported::Written),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Reported::Superseded),
            Err(kube::Error::Api(status)) if status.code == 422 && is_superseded(&status.message) => {
                Ok(Reported::Superseded)
            }
            Err(error) => Err(error).with_context(|| {
                format!("failed to report the status of {} {}/{}", self.kind, self.namespace, self.name)
            }),
        }
    }
}

/// The API server's words for a failed `test` of the UID, and ours for an older revision.
fn is_superseded(message: &str) -> bool {
    message.contains("status.revision cannot fall")
        || message.contains("testing value")
        || message.contains("test failed")
        || message.contains("testing path")
        || message.contains("the server rejected our request due to an error in our request")
}
