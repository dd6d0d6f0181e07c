//! Placing an order: an intent, then the resource, then the answer.
//!
//! # Guarantees
//! - A key of a user becomes one `Order`, whatever is repeated, whenever it crashes: the resource is named from both, so a
//!   second creation collides with the first, and the next try finishes what the last one left.
//! - What the cluster refuses leaves nothing behind.

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::trace::Chapter;
use chassis::{Point, Store, effect};
use events::TraceParent;
use events::questions::{
    ChoosePayment, ChoosePaymentAnswer, NewOrder, PlaceOrder, PlaceOrderAnswer, ReadOwner, ReadOwnerAnswer,
    RefundOrder, RefundOrderAnswer, Reply,
};
use kube::api::{Api, PostParams};
use kube::{Resource, ResourceExt};
use resources::{Customer, Order, OrderSpec, PaymentChoice};
use serde_json::Value;

use crate::placements::{self, hash_of, name_of};
use crate::record::OrderName;
use crate::views;

/// Why an order was not placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There can be no such order; says why.
    #[error("{0}")]
    Refused(String),
    /// The key stands for another order.
    #[error("this key was used for another order: take a new key for a new order")]
    OtherRequest,
    /// Not now: the same request again finishes it.
    #[error("{0}")]
    Unavailable(String),
}

impl From<sqlx::Error> for PlaceError {
    fn from(error: sqlx::Error) -> Self {
        tracing::warn!("the database failed while an order was placed: {error}");
        Self::Unavailable("the database does not answer: send the same request again in a moment".to_owned())
    }
}

/// Places orders in one namespace.
#[derive(Clone)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) kubernetes: kube::Client,
    /// Where orders that come through REST are placed.
    pub(crate) namespace: String,
}

impl Desk {
    /// The orders of the namespace.
    pub(crate) fn orders(&self) -> Api<Order> {
        Api::namespaced(self.kubernetes.clone(), &self.namespace)
    }

    /// What the resource of an order wants. Absent where it is not there, or the cluster does not answer: the rest of the order can be
    /// read all the same.
    pub(crate) async fn spec_of(&self, order: &OrderName) -> Option<OrderSpec> {
        let orders: Api<Order> = Api::namespaced(self.kubernetes.clone(), &order.namespace);
        match orders.get_opt(&order.name).await {
            Ok(Some(found)) if resources::order_id(&found).as_deref() == Some(order.order_id.as_str()) => {
                Some(found.spec)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(name = order.name, "failed to read an order to show it: {error}");
                None
            }
        }
    }

    /// Places an order, or answers what its key stands for.
    ///
    /// # Errors
    /// When it is refused or cannot be placed now.
    pub async fn place(&self, question: &PlaceOrder) -> Result<PlaceOrderAnswer, PlaceError> {
        let PlaceOrder { user, email, key, order } = question;
        let name = name_of(user, key);
        let request = serde_json::to_value(order)
            .map_err(|error| PlaceError::Refused(format!("the order cannot be written: {error}")))?;
        let now = chassis::clock::now();
        let pool = self.store.pool();
        let placement = placements::intend(pool, user, key, &name, &request, now).await?;
        if placement.request_hash != hash_of(&request) {
            return Err(PlaceError::OtherRequest);
        }
        if let Some(id) = placement.order_id {
            return Ok(answer(id, name, true));
        }
        let (id, repeated) = match self.create(&resource(&name, user, email, order)).await {
            Ok(created) => created,
            Err(PlaceError::Refused(why)) => {
                placements::withdraw(pool, user, key).await?;
                return Err(PlaceError::Refused(why));
            }
            Err(error) => return Err(error),
        };
        let order = OrderName { order_id: id.clone(), namespace: self.namespace.clone(), name: name.clone() };
        let mut transaction = self.store.begin().await?;
        transaction.about("placement", &id);
        placements::answer_in_tx(&mut transaction, user, key, &id).await?;
        views::begin_in_tx(&mut transaction, &order, user, placement.asked_at).await?;
        transaction.commit().await?;
        metrics::counter!("supercargo_orders_placed_total").increment(1);
        let trace = TraceParent::of_order(&id);
        tracing::info!(order = id, trace_id = trace.trace_id(), name, "placed");
        // Only now is it known whose trace the shopper's request belongs to.
        let (began, ended) = (now, chassis::clock::now());
        let details = [("name", name.as_str()), ("repeated", if repeated { "true" } else { "false" })];
        Chapter { order_id: &id, name: "place", began, ended, details: &details }.tell();
        Ok(answer(id, name, repeated))
    }

    /// Creates the resource; answers its order id, and whether it was there before.
    async fn create(&self, order: &Order) -> Result<(String, bool), PlaceError> {
        let name = order.name_any();
        let (orders, options) = (self.orders(), PostParams::default());
        let create = || orders.create(&options, order);
        match effect(Point::new("orders", "placement", "create"), &name, create).await {
            Ok(created) => Ok((id_of(&created)?, false)),
            Err(kube::Error::Api(refusal)) if refusal.code == 409 && refusal.reason == "AlreadyExists" => {
                self.find(&name).await.map(|id| (id, true))
            }
            Err(kube::Error::Api(refusal)) if is_final(refusal.code) => {
                Err(PlaceError::Refused(sentence(&refusal.message)))
            }
            Err(error) => {
                tracing::warn!(name, "failed to create an order: {error}");
                Err(unavailable())
            }
        }
    }

    /// The order that took the name: it is there, or it came to its end and into the archive meanwhile.
    async fn find(&self, name: &str) -> Result<String, PlaceError> {
        match self.orders().get_opt(name).await {
            Ok(Some(order)) => id_of(&order),
            Ok(None) => views::of_name(self.store.pool(), &self.namespace, name)
                .await?
                .map(|view| view.order.order_id)
                .ok_or_else(unavailable),
            Err(error) => {
                tracing::warn!(name, "failed to read an order: {error}");
                Err(unavailable())
            }
        }
    }
}

fn unavailable() -> PlaceError {
    PlaceError::Unavailable(
        "the cluster does not take the order now: send the same request again in a moment".to_owned(),
    )
}

/// The first answer, which is given again: nothing is quoted yet when an order is placed.
const fn answer(id: String, name: String, repeated: bool) -> PlaceOrderAnswer {
    PlaceOrderAnswer { id, name, phase: None, repeated }
}

fn id_of(order: &Order) -> Result<String, PlaceError> {
    resources::order_id(order).ok_or_else(unavailable)
}

/// The resource for what a user asks for.
fn resource(name: &str, user: &str, email: &str, order: &NewOrder) -> Order {
    let NewOrder { items, shipping_address, shipping_service, payment, coupon, expected_total } =
        order.clone();
    let spec = OrderSpec {
        customer: Customer { id: Some(user.to_owned()), email: email.to_owned() },
        items,
        shipping_address,
        shipping_service,
        payment: payment.map(|payment| PaymentChoice { method: Some(payment.method), retry: 0 }),
        coupon,
        expected_total,
        suspend: false,
        cancel: None,
        ttl_seconds_after_finished: None,
    };
    Order::new(name, spec)
}

/// A refusal that the same request gets again.
pub(crate) const fn is_final(code: u16) -> bool {
    matches!(code, 400 | 422)
}

/// The API server's refusal without what only people at a terminal understand: the resource's name in front.
pub(crate) fn sentence(refusal: &str) -> String {
    let kind = Order::kind(&()).into_owned();
    let named = refusal
        .strip_prefix(&format!("{kind}.supercargo.dev "))
        .and_then(|rest| rest.split_once(" is invalid: "))
        .map(|(_, fault)| fault);
    named.unwrap_or(refusal).chars().take(1000).collect()
}

#[async_trait]
impl Answerer<PlaceOrder, PlaceOrderAnswer> for Desk {
    async fn answer(&self, question: PlaceOrder) -> Reply<PlaceOrderAnswer> {
        match self.place(&question).await {
            Ok(answer) => Reply::Answer(answer),
            Err(error @ (PlaceError::Refused(_) | PlaceError::OtherRequest)) => {
                Reply::Invalid(error.to_string())
            }
            Err(PlaceError::Unavailable(why)) => Reply::Unavailable(why),
        }
    }
}

#[async_trait]
impl Answerer<ReadOwner, ReadOwnerAnswer> for Desk {
    async fn answer(&self, question: ReadOwner) -> Reply<ReadOwnerAnswer> {
        match views::of_id(self.store.pool(), &question.order_id).await {
            Ok(view) => Reply::Answer(ReadOwnerAnswer {
                known: view.is_some(),
                user: view.and_then(|view| view.user),
            }),
            Err(error) => Reply::Unavailable(format!("the database of orders failed: {error}")),
        }
    }
}

#[async_trait]
impl Answerer<ChoosePayment, ChoosePaymentAnswer> for Desk {
    async fn answer(&self, question: ChoosePayment) -> Reply<ChoosePaymentAnswer> {
        let ChoosePayment { order_id, user, method, key } = question;
        let view = match views::of_id(self.store.pool(), &order_id).await {
            Ok(view) => view,
            Err(error) => return Reply::Unavailable(format!("the database of orders failed: {error}")),
        };
        match self.pay(view, &user, method, key.as_deref()).await {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::Unavailable(error.to_string()),
        }
    }
}

#[async_trait]
impl Answerer<RefundOrder, RefundOrderAnswer> for Desk {
    async fn answer(&self, question: RefundOrder) -> Reply<RefundOrderAnswer> {
        let RefundOrder { order_id, by, reason } = question;
        let view = match views::of_id(self.store.pool(), &order_id).await {
            Ok(view) => view,
            Err(error) => return Reply::Unavailable(format!("the database of orders failed: {error}")),
        };
        match self.refund(view, by, reason).await {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::Unavailable(error.to_string()),
        }
    }
}

/// What was asked for, as far as the order itself does not tell it.
pub(crate) fn requested(request: Option<&Value>) -> Option<NewOrder> {
    request.and_then(|request| serde_json::from_value(request.clone()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_cluster_is_told_without_the_name_of_the_resource() {
        let refusal =
            "Order.supercargo.dev \"web-1\" is invalid: spec.items[1]: Duplicate value: {\"sku\":\"MUG-01\"}";
        assert_eq!(sentence(refusal), "spec.items[1]: Duplicate value: {\"sku\":\"MUG-01\"}");
        assert_eq!(sentence("admission webhook says no"), "admission webhook says no");
    }
}
