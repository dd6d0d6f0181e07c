//! Why something about an object was not done.

use chassis::questions::AskError;

/// What failed, and why. `Display` names the operation; the source is chained.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}")]
pub struct Error {
    operation: &'static str,
    #[source]
    failed: Failed,
}

/// The causes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The API server refused, or did not answer.
    #[error(transparent)]
    Kubernetes(#[from] kube::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Patience(std::time::Duration),
    /// A service did not answer a question.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// JetStream did not take a message.
    #[error("{0:#}")]
    Publish(anyhow::Error),
    /// Something else has the name.
    #[error("{0}")]
    Blocked(String),
    /// The Lease was not renewed in time.
    #[error("this replica leads no more")]
    NotLeading,
}

impl Error {
    pub(crate) fn new(operation: &'static str, failed: impl Into<Failed>) -> Self {
        Self { operation, failed: failed.into() }
    }

    /// True when the decision was made on a stale object.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match &self.failed {
            Failed::Kubernetes(kube::Error::Api(status)) => status.code == 409 || is_stale_sequence(status),
            Failed::Kubernetes(_)
            | Failed::Blocked(_)
            | Failed::Patience(_)
            | Failed::Ask(_)
            | Failed::NotLeading
            | Failed::Publish(_) => false,
        }
    }

    /// True when the cluster refuses, and will until somebody changes something.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match &self.failed {
            Failed::Kubernetes(kube::Error::Api(status)) => {
                matches!(status.code, 400 | 403 | 422) && !is_stale_sequence(status)
            }
            Failed::Blocked(_) => true,
            Failed::Kubernetes(_)
            | Failed::Patience(_)
            | Failed::Ask(_)
            | Failed::NotLeading
            | Failed::Publish(_) => false,
        }
    }

    /// A bounded word for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match &self.failed {
            Failed::Kubernetes(_) => "kubernetes",
            Failed::Patience(_) => "timeout",
            Failed::Ask(_) => "question",
            Failed::Publish(_) => "publish",
            Failed::Blocked(_) => "blocked",
            Failed::NotLeading => "leadership",
        }
    }

    /// The whole chain in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        format!("{self}: {}", self.failed)
    }

    pub(crate) fn status(&self) -> Option<&kube::core::Status> {
        match &self.failed {
            Failed::Kubernetes(kube::Error::Api(status)) => Some(status),
            Failed::Kubernetes(_)
            | Failed::Patience(_)
            | Failed::Ask(_)
            | Failed::Publish(_)
            | Failed::NotLeading
            | Failed::Blocked(_) => None,
        }
    }
}

fn is_stale_sequence(status: &kube::core::Status) -> bool {
    status.code == 422 && status.message.contains("status.sequence cannot fall")
}
