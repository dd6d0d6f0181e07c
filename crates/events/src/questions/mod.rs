//! Questions: NATS request/reply between the operator, the services and the command line, safe to repeat.
//!
//! Every reply is [`Reply`]: the answer, or an error that the asker may retry.

mod shopping;

use jiff::Timestamp;
use money::{Currency, Money};
use resources::{Item, Line, OrderPhase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StockLevel;

pub use shopping::{
    ArticleData, CheckSession, ChoosePayment, ChoosePaymentAnswer, Identity, NewOrder, NewPayment,
    PlaceOrder, PlaceOrderAnswer, PublicKey, ReadArticles, ReadArticlesAnswer, ReadKeys, ReadKeysAnswer,
    ReadOwner, ReadOwnerAnswer, RefundOrder, RefundOrderAnswer, SessionAnswer,
};

/// A question, its answer and its subject.
pub trait Question: Serialize + serde::de::DeserializeOwned + Send + Sync {
    /// The answer.
    type Answer: Serialize + serde::de::DeserializeOwned + Send + Sync;
    /// The subject.
    const SUBJECT: &'static str;
}

/// What comes back.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Reply<A> {
    /// The answer.
    Answer(A),
    /// The question cannot be read, or asks for what can never be; repeating it is useless. Says why.
    Invalid(String),
    /// The service cannot answer now. Says why.
    Unavailable(String),
}

/// What does it all cost? Asked by the operator before an order is placed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// The shop's currency.
    pub currency: Currency,
    /// What is ordered.
    pub items: Vec<Item>,
    /// The coupon's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
}

/// The answer to [`Quote`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum QuoteAnswer {
    /// All lines have a price.
    Quoted {
        /// The lines, in the order of the items.
        lines: Vec<Line>,
        /// What the customer owes.
        total: Money,
    },
    /// The order cannot be quoted.
    Refused(Refusal),
}

impl Question for Quote {
    type Answer = QuoteAnswer;
    const SUBJECT: &'static str = "catalog.quote";
}

/// Why an order is refused: reason is one of design's words for `Rejected`, message a sentence for the customer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// `UnknownArticle`, `CouponUnknown`, `CurrencyMismatch`, `CustomerUnknown`, `CustomerDisabled`.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// May this customer order?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckCustomer {
    /// The user id; absent for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The email address.
    pub email: String,
}

/// The answer to [`CheckCustomer`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum CheckCustomerAnswer {
    /// They may.
    Allowed,
    /// They may not.
    Refused(Refusal),
}

impl Question for CheckCustomer {
    type Answer = CheckCustomerAnswer;
    const SUBJECT: &'static str = "accounts.check";
}

/// Was goods' delivery under this name begun or finished before, by another order?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecallName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The id of the order that asks; it does not count itself.
    pub order_id: String,
}

/// The answer to [`RecallName`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecallNameAnswer {
    /// The order of that name that was `Shipped` or `Completed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed: Option<ProcessedOrder>,
}

/// An order whose goods went out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProcessedOrder {
    /// Its id.
    pub order_id: String,
    /// How far it came.
    pub phase: OrderPhase,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

impl Question for RecallName {
    type Answer = RecallNameAnswer;
    const SUBJECT: &'static str = "orders.recall";
}

/// Keep this finished order for ever, so that its resource can go.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// The order id.
    pub order_id: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The phase in which it ended.
    pub phase: OrderPhase,
    /// The number of its last transition: the history must hold all up to it.
    pub sequence: i64,
    /// The transitions that the resource still tells, as the data of their events: what the history lacks is filled in.
    pub transitions: Vec<crate::OrderTransition>,
    /// The order and its children as they were, as JSON of the resources.
    pub snapshot: serde_json::Value,
}

/// The answer to [`Archive`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ArchiveAnswer {
    /// Snapshot and history are committed.
    Archived,
    /// Not yet: says what is missing.
    Incomplete(String),
}

impl Question for Archive {
    type Answer = ArchiveAnswer;
    const SUBJECT: &'static str = "orders.archive";
}

/// What happened to an order? Asked by name, by the command line.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadHistory {
    /// The namespace.
    pub namespace: String,
    /// The name; also of an order that is gone.
    pub name: String,
}

/// The answer to [`ReadHistory`]: the newest order of that name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReadHistoryAnswer {
    /// The order's id; absent when no order of that name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// When it was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub archived_at: Option<Timestamp>,
    /// Every event about it, oldest first.
    pub events: Vec<HistoryEvent>,
    /// Older orders of the same name, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_order_ids: Vec<String>,
}

/// One event in a history.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEvent {
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The event's name: `order.placed`, `payment.captured`.
    #[serde(rename = "type")]
    pub event: String,
    /// Its CloudEvents id.
    pub id: String,
    /// The number of the transition, for events of the order itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The phase that it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// One word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The whole data of the event.
    pub data: serde_json::Value,
}

impl Question for ReadHistory {
    type Answer = ReadHistoryAnswer;
    const SUBJECT: &'static str = "orders.history";
}

/// How much is there? Asked by the command line.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadStock {
    /// The articles; all when empty.
    pub skus: Vec<String>,
    /// Only articles after this one, in the order of the SKU: pages of at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The answer to [`ReadStock`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadStockAnswer {
    /// The levels, in the order of the SKU.
    pub levels: Vec<StockLevel>,
    /// True when there are more after the last one.
    pub more: bool,
}

impl Question for ReadStock {
    type Answer = ReadStockAnswer;
    const SUBJECT: &'static str = "inventory.stock";
}

/// Put these articles into the catalog: all parts of one import take effect together, or none does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImportArticles {
    /// The import that this is a part of, a UUID.
    pub import_id: String,
    /// The number of the part, from 0.
    pub part: u32,
    /// How many parts there are; the import takes effect when all have arrived.
    pub parts: u32,
    /// The articles.
    pub articles: Vec<Article>,
}

/// An article to be put into the catalog.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Article {
    /// Its stock keeping unit.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// The price of one piece.
    pub price: Money,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// The answer to [`ImportArticles`] and [`CountStock`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImportAnswer {
    /// True once the whole import has taken effect.
    pub complete: bool,
    /// How many rows were new.
    pub created: u64,
    /// How many rows were there and are now other.
    pub changed: u64,
}

impl Question for ImportArticles {
    type Answer = ImportAnswer;
    const SUBJECT: &'static str = "catalog.import";
}

/// This many are on hand: a stocktake. All parts of one import take effect together, or none does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CountStock {
    /// The import that this is a part of, a UUID.
    pub import_id: String,
    /// The number of the part, from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// True: only say whether it could be done (`Reply::Invalid` names the row when it could not).
    pub dry_run: bool,
    /// Article and pieces on hand to have.
    pub counts: Vec<crate::StockLine>,
    /// Why, for the ledger.
    pub cause: String,
}

impl Question for CountStock {
    type Answer = ImportAnswer;
    const SUBJECT: &'static str = "inventory.count";
}

/// Tell the transitions of these orders again, as far as their resources still tell them. Asked by `orders` when it misses
/// some; answered by the operator that leads.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TellAgain {
    /// The ids of the orders; absent for all, after the stream of events was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<Vec<String>>,
}

/// The answer to [`TellAgain`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TellAgainAnswer {
    /// How many of them have a resource, and are told again soon.
    pub found: u64,
    /// How many orders, of this question and earlier ones, are still to be told.
    #[serde(default)]
    pub left: u64,
    /// Who answers: another leader knows nothing of what this one was asked.
    #[serde(default)]
    pub leader: String,
}

impl Question for TellAgain {
    type Answer = TellAgainAnswer;
    const SUBJECT: &'static str = "operator.tell-again";
}
