//! What the worklist does: carts that are closed become orders, and changed prices reach the carts.

use async_trait::async_trait;
use chassis::worklist::{Next, Work};
use uuid::Uuid;

use crate::placing::Placing;
use crate::prices::reprice;

/// A piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// The order of this closed cart is placed.
    Place(Uuid),
    /// The newest price of this article reaches the carts.
    Reprice(String),
}

impl Job {
    /// Its key in the worklist.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Place(cart) => format!("place/{cart}"),
            Self::Reprice(sku) => format!("price/{sku}"),
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        let (kind, subject) = key.split_once('/')?;
        match kind {
            "place" => subject.parse().ok().map(Self::Place),
            "price" => Some(Self::Reprice(subject.to_owned())),
            _ => None,
        }
    }
}

/// Does the work.
pub(crate) struct Jobs {
    pub(crate) placing: Placing,
}

#[async_trait]
impl Work for Jobs {
    async fn perform(&self, key: &str, _failures: u32) -> anyhow::Result<Next> {
        match Job::of_key(key) {
            Some(Job::Place(cart)) => {
                // Asked for ever, less and less often: what was acknowledged is not dropped.
                self.placing.place(cart).await?;
            }
            Some(Job::Reprice(sku)) => reprice(self.placing.carts().store(), &sku).await?,
            None => tracing::error!(key, "the worklist of cart has a key that means nothing: it is dropped"),
        }
        Ok(Next::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_work_is_found_again_by_its_key() {
        for job in [Job::Place(Uuid::from_u128(7)), Job::Reprice("MUG-01".into())] {
            assert_eq!(Job::of_key(&job.key()), Some(job));
        }
        for key in ["", "place", "place/none", "order/1"] {
            assert_eq!(Job::of_key(key), None, "{key}");
        }
    }
}
