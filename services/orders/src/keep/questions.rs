//! What is kept, asked for over NATS: an answer is bounded by the largest message.

use async_trait::async_trait;
use chassis::Store;
use chassis::questions::Answerer;
use events::questions::{Question, Reply};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::read;

/// An order with its children is some kilobytes: so many stay below the megabyte that a message of NATS may have.
const AT_ONCE: i64 = 10;

/// What is kept of the orders after this one?
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadKept {
    /// The order id that the last answer ended with; empty at first.
    pub after: String,
}

/// What is kept of some orders; none when there are no more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeptOrders {
    /// By order id.
    pub orders: Vec<KeptOrder>,
}

/// An order and its children, as they were seen last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptOrder {
    /// The order id.
    pub order_id: String,
    /// When the newest of it was written down.
    pub kept_at: Timestamp,
    /// The resources, of whichever kind.
    pub resources: Vec<Value>,
}

impl Question for ReadKept {
    type Answer = KeptOrders;
    const SUBJECT: &'static str = "orders.kept";
}

/// Answers what is kept.
#[derive(Clone)]
pub struct Storekeeper {
    /// The service's store.
    pub store: Store,
}

#[async_trait]
impl Answerer<ReadKept, KeptOrders> for Storekeeper {
    async fn answer(&self, question: ReadKept) -> Reply<KeptOrders> {
        match read(self.store.pool(), &question.after, AT_ONCE).await {
            Ok(orders) => Reply::Answer(KeptOrders { orders }),
            Err(error) => Reply::Unavailable(format!("the database failed: {error}")),
        }
    }
}
