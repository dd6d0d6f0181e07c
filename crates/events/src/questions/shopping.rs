//! What services ask each other while a shopper is served.

use money::Money;
use resources::{Address, Item, OrderPhase, ShippingService};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Question;

/// By which keys are tokens believed?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ReadKeys {}

/// The answer to [`ReadKeys`]: the key that signs, those that signed tokens which still last, and the one that signs next.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadKeysAnswer {
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// An Ed25519 public key, as in a JSON Web Key.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    /// Its id, as in the header of a token.
    pub kid: String,
    /// The key, in base64url without padding.
    pub x: String,
}

impl Question for ReadKeys {
    type Answer = ReadKeysAnswer;
    const SUBJECT: &'static str = "accounts.keys";
}

/// Is this session alive, and whose is it?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckSession {
    /// The session's id.
    pub session: String,
}

/// The answer to [`CheckSession`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SessionAnswer {
    /// It is theirs.
    Alive(Identity),
    /// It has ended, or never was.
    Over,
}

/// A user and what they may.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The user's id.
    pub id: String,
    /// Their email address.
    pub email: String,
    /// What to call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Permissions by name: `catalog:write`; `admin` stands for all.
    pub permissions: Vec<String>,
}

impl Question for CheckSession {
    type Answer = SessionAnswer;
    const SUBJECT: &'static str = "accounts.session";
}

/// What are these articles? Those that nobody knows are left out of the answer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadArticles {
    /// The articles, at most 200.
    pub skus: Vec<String>,
}

/// The answer to [`ReadArticles`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReadArticlesAnswer {
    /// The articles, in the order of the SKU.
    pub articles: Vec<ArticleData>,
}

/// An article as others need to know it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ArticleData {
    /// Its stock keeping unit.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// The price of one piece.
    pub price: Money,
    /// Its first picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many can be sold, as far as the catalog has heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
    /// True: it is sold no more.
    pub retired: bool,
}

impl Question for ReadArticles {
    type Answer = ReadArticlesAnswer;
    const SUBJECT: &'static str = "catalog.articles";
}

/// What a shopper orders.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    /// What is ordered, one entry an article.
    #[schemars(length(min = 1, max = 100))]
    pub items: Vec<Item>,
    /// Where the goods go.
    pub shipping_address: Address,
    /// How fast the goods travel.
    #[serde(default)]
    pub shipping_service: ShippingService,
    /// How the order is paid. Without a method it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<NewPayment>,
    /// A coupon's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub coupon: Option<String>,
    /// The total that the shopper saw: another one is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
}

/// How an order is paid.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPayment {
    /// The payment provider's token of a method, like pm_card_visa; never card data.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"))]
    pub method: String,
}

/// Place this order, once for each key of a user: the same key again has the same answer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// The user's id.
    pub user: String,
    /// Where messages about the order go.
    pub email: String,
    /// The key, of the user's own or of their cart.
    pub key: String,
    /// What is ordered.
    pub order: NewOrder,
}

/// The answer to [`PlaceOrder`]; `Reply::Invalid` says why there can be no such order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderAnswer {
    /// The order id.
    pub id: String,
    /// The name of the resource.
    pub name: String,
    /// How far it has come; absent before it is quoted.
    #[serde(default)]
    pub phase: Option<OrderPhase>,
    /// True when it had been placed before.
    pub repeated: bool,
}

impl Question for PlaceOrder {
    type Answer = PlaceOrderAnswer;
    const SUBJECT: &'static str = "orders.place";
}

/// Whose order is this?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadOwner {
    /// The order id.
    pub order_id: String,
}

/// The answer to [`ReadOwner`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReadOwnerAnswer {
    /// False when no such order is known.
    pub known: bool,
    /// The user's id; absent for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl Question for ReadOwner {
    type Answer = ReadOwnerAnswer;
    const SUBJECT: &'static str = "orders.owner";
}

/// Pay this order of a user by that method, when it awaits a payment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChoosePayment {
    /// The order id.
    pub order_id: String,
    /// The user who asks.
    pub user: String,
    /// The method.
    pub method: String,
    /// The user's own key for this request: asked again under it, the answer is that of the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The answer to [`ChoosePayment`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ChoosePaymentAnswer {
    /// It is asked for; the phase that the order was in.
    Chosen(Option<OrderPhase>),
    /// The user has no such order.
    Absent,
    /// The order cannot be paid now. Says why.
    Refused(String),
}

impl Question for ChoosePayment {
    type Answer = ChoosePaymentAnswer;
    const SUBJECT: &'static str = "orders.pay";
}

/// Give back all the money that is kept for this order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefundOrder {
    /// The order id.
    pub order_id: String,
    /// Who asks; recorded on the order.
    pub by: String,
    /// Why, in words; the same words again are the same request.
    pub reason: String,
}

/// The answer to [`RefundOrder`].
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RefundOrderAnswer {
    /// It is asked for: the operator judges it, and the order says what came of it.
    Asked,
    /// There is no such order.
    Absent,
    /// It cannot be. Says why.
    Refused(String),
}

impl Question for RefundOrder {
    type Answer = RefundOrderAnswer;
    const SUBJECT: &'static str = "orders.refund";
}
