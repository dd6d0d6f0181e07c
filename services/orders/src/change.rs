//! What a shopper may change of a placed order: stop it, pay it otherwise, send it elsewhere.
//!
//! Each is a patch of the resource on the version that was judged: the operator and the rules in the resource's schema decide what
//! comes of it.

use events::questions::{ChoosePaymentAnswer, RefundOrderAnswer};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use resources::{
    Address, Item, Order, OrderPhase, PaymentChoice, REPAIR_BY_ANNOTATION, RepairAction, ShippingService,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keep;
use crate::place::{Desk, is_final, sentence};
use crate::placements;
use crate::views::View;

/// How often a change is judged anew when the order moved meanwhile.
const TRIES: usize = 5;
/// The annotation by which an order remembers the requests that chose its payment, written together with the choice: one that
/// comes again, after a crash that lost its answer, is told so and not refused.
pub const PAYMENT_REQUESTS_ANNOTATION: &str = "supercargo.dev/payment-requests";
/// How many of them an order remembers: the newest.
const REMEMBERED: usize = 8;

/// Another address, another way to travel, or other lines.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ChangeOrder {
    /// Where the goods go; may change until the order is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// How fast they travel; may change until the order is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_service: Option<ShippingService>,
    /// What is ordered; may change while the order rests suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub items: Option<Vec<Item>>,
}

/// What is asked of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Stop it.
    Cancel {
        /// Why, in the customer's words.
        reason: String,
    },
    /// Pay it by that method.
    Pay {
        /// The provider's token.
        method: String,
        /// What tells this request from others, where it may come again: see [`request_of`].
        request: Option<String>,
    },
    /// Change what is ordered or where it goes.
    Edit(ChangeOrder),
    /// Give all the money back.
    Refund {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// How far the order has come does not allow it; says so.
    #[error("{0}")]
    Conflict(String),
    /// Not now.
    #[error("the cluster does not answer: send the same request again in a moment")]
    Unavailable,
}

/// What to write for `change`: a patch of the resource, or nothing when it is so already.
///
/// # Errors
/// Why it cannot be.
pub fn judge(order: &Order, change: &Change) -> Result<Option<Value>, String> {
    let phase = order.status.as_ref().and_then(|status| status.phase);
    let shown = phase.map_or("not quoted yet", OrderPhase::as_str);
    let ended = phase.is_some_and(OrderPhase::is_finished);
    match change {
        Change::Cancel { reason } => match phase {
            Some(OrderPhase::Shipped) => {
                Err("the parcel is on its way and cannot be stopped: send it back once it is there"
                    .to_owned())
            }
            _ if ended => Err(format!("the order has ended ({shown}): there is nothing to cancel")),
            _ if order.spec.cancel.is_some() => Ok(None),
            _ => Ok(Some(json!({ "spec": { "cancel": { "reason": reason } } }))),
        },
        Change::Pay { request: Some(request), .. } if paid_by(order).any(|known| known == request) => {
            Ok(None)
        }
        Change::Pay { method, request } => {
            if phase != Some(OrderPhase::AwaitingPayment) {
                return Err(format!("the order does not await a payment: it is {shown}"));
            }
            let tried = order.spec.payment.clone().unwrap_or_default();
            let same = tried.method.as_ref() == Some(method);
            let retry = if same { tried.retry.saturating_add(1) } else { tried.retry };
            let choice = PaymentChoice { method: Some(method.clone()), retry };
            let mut patch = json!({ "spec": { "payment": choice } });
            if let Some(request) = request {
                let known: Vec<&str> = paid_by(order).collect();
                let newest = known.len().saturating_sub(REMEMBERED - 1);
                let all = known.into_iter().skip(newest).chain([request.as_str()]);
                let all = all.collect::<Vec<_>>().join(" ");
                patch["metadata"] = json!({ "annotations": { PAYMENT_REQUESTS_ANNOTATION: all } });
            }
            Ok(Some(patch))
        }
        Change::Edit(_) if ended => Err(format!("the order has ended ({shown}): it cannot be changed")),
        Change::Edit(edit) => Ok(Some(json!({ "spec": replaced(edit) }))),
        // The operator judges it, and records it with who and why: `supercargo order refund` asks the same way.
        Change::Refund { by, reason } => {
            let annotations = json!({ RepairAction::Refund.annotation(): reason, REPAIR_BY_ANNOTATION: by });
            Ok(Some(json!({ "metadata": { "annotations": annotations } })))
        }
    }
}

/// The requests to pay that the order did already.
fn paid_by(order: &Order) -> impl Iterator<Item = &str> {
    let requests = order.metadata.annotations.as_ref().and_then(|all| all.get(PAYMENT_REQUESTS_ANNOTATION));
    requests.into_iter().flat_map(|requests| requests.split_ascii_whitespace())
}

/// What stands for a user's key on the resource, where others read it.
fn request_of(user: &str, key: &str) -> String {
    placements::name_of(user, key).trim_start_matches("web-").to_owned()
}

/// The edit as a merge patch. An address is another one as a whole: what it does not have, the one before may have had, and
/// a parcel must not go to the flat of somebody else.
fn replaced(edit: &ChangeOrder) -> Value {
    let mut patch = json!(edit);
    if let Some(address) = patch.get_mut("shippingAddress").and_then(Value::as_object_mut) {
        for field in ["line2", "region", "postalCode", "phone"] {
            address.entry(field).or_insert(Value::Null);
        }
    }
    patch
}

impl Desk {
    /// Asks `change` of an order; answers the phase that it was in.
    ///
    /// # Errors
    /// When the order does not allow it, or the cluster does not answer.
    pub async fn change(&self, view: &View, change: &Change) -> Result<Option<OrderPhase>, ChangeError> {
        let orders: kube::Api<Order> = kube::Api::namespaced(self.kubernetes.clone(), &view.order.namespace);
        let name = &view.order.name;
        for _ in 0..TRIES {
            let found = orders.get_opt(name).await.map_err(|error| unavailable(name, &error))?;
            let ours = found
                .filter(|order| resources::order_id(order).as_deref() == Some(view.order.order_id.as_str()));
            let Some(order) = ours else {
                return Err(ChangeError::Conflict("the order has ended and is archived".to_owned()));
            };
            let phase = order.status.as_ref().and_then(|status| status.phase);
            let Some(mut patch) = judge(&order, change).map_err(ChangeError::Conflict)? else {
                return Ok(phase);
            };
            patch["metadata"]["resourceVersion"] = json!(order.resource_version());
            match orders.patch(name, &writer(), &Patch::Merge(&patch)).await {
                Ok(changed) => {
                    if let Change::Edit(edit) = change {
                        self.remember(&view.order.order_id, edit, changed).await;
                    }
                    return Ok(phase);
                }
                // It moved meanwhile: judged anew.
                Err(kube::Error::Api(refusal)) if refusal.code == 409 => {}
                Err(kube::Error::Api(refusal)) if is_final(refusal.code) => {
                    return Err(ChangeError::Conflict(sentence(&refusal.message)));
                }
                Err(error) => return Err(unavailable(name, &error)),
            }
        }
        Err(ChangeError::Unavailable)
    }

    /// What was asked for through REST is from now on the edit: it is what shoppers are shown, at once and not only when the watch
    /// has brought it. The resource has it already, so a failure changes nothing but that.
    async fn remember(&self, order_id: &str, edit: &ChangeOrder, changed: Order) {
        let edited = placements::edit(self.store.pool(), order_id, &json!(edit)).await;
        if let Err(error) = edited.and(keep::note(&self.store, changed).await) {
            tracing::warn!(order = order_id, "an edit is made, and is shown as it was before: {error}");
        }
    }

    /// [`Change::Refund`] of an order, for the service of payments.
    pub(crate) async fn refund(
        &self,
        view: Option<View>,
        by: String,
        reason: String,
    ) -> Result<RefundOrderAnswer, ChangeError> {
        let Some(view) = view else { return Ok(RefundOrderAnswer::Absent) };
        match self.change(&view, &Change::Refund { by, reason }).await {
            Ok(_) => Ok(RefundOrderAnswer::Asked),
            Err(ChangeError::Conflict(why)) => Ok(RefundOrderAnswer::Refused(why)),
            Err(error @ ChangeError::Unavailable) => Err(error),
        }
    }

    /// [`Change::Pay`] of a user's order, for the service of payments.
    pub(crate) async fn pay(
        &self,
        view: Option<View>,
        user: &str,
        method: String,
        key: Option<&str>,
    ) -> Result<ChoosePaymentAnswer, ChangeError> {
        let Some(view) = view.filter(|view| view.user.as_deref() == Some(user)) else {
            return Ok(ChoosePaymentAnswer::Absent);
        };
        match self.change(&view, &Change::Pay { method, request: key.map(|key| request_of(user, key)) }).await
        {
            Ok(phase) => Ok(ChoosePaymentAnswer::Chosen(phase)),
            Err(ChangeError::Conflict(why)) => Ok(ChoosePaymentAnswer::Refused(why)),
            Err(error @ ChangeError::Unavailable) => Err(error),
        }
    }
}

/// Who writes, as the resource remembers it.
fn writer() -> PatchParams {
    PatchParams { field_manager: Some("supercargo-orders".to_owned()), ..PatchParams::default() }
}

fn unavailable(name: &str, error: &kube::Error) -> ChangeError {
    tracing::warn!(name, "failed to change an order: {error}");
    ChangeError::Unavailable
}

#[cfg(test)]
mod tests {
    use resources::OrderStatus;

    use super::*;

    fn order(phase: Option<OrderPhase>, payment: Option<(&str, u32)>) -> Order {
        let mut spec: resources::OrderSpec = serde_json::from_value(json!({
            "customer": { "email": "a@example.com" },
            "items": [{ "sku": "MUG-01", "quantity": 1 }],
            "shippingAddress": { "name": "A", "line1": "1 High Street", "city": "Berlin", "country": "DE" },
        }))
        .unwrap();
        spec.payment =
            payment.map(|(method, retry)| PaymentChoice { method: Some(method.to_owned()), retry });
        let mut order = Order::new("web-1", spec);
        order.status = Some(OrderStatus { phase, ..OrderStatus::default() });
        order
    }

    fn cancel() -> Change {
        Change::Cancel { reason: "too late".into() }
    }

    fn pay(method: &str) -> Change {
        Change::Pay { method: method.into(), request: None }
    }

    #[test]
    fn an_order_can_be_stopped_until_its_parcel_is_on_the_way() {
        for phase in [None, Some(OrderPhase::Placed), Some(OrderPhase::Paid), Some(OrderPhase::Stuck)] {
            let patch = judge(&order(phase, None), &cancel()).unwrap();
            assert_eq!(patch, Some(json!({ "spec": { "cancel": { "reason": "too late" } } })), "{phase:?}");
        }
        for phase in [OrderPhase::Shipped, OrderPhase::Completed, OrderPhase::Cancelled, OrderPhase::Rejected]
        {
            assert!(judge(&order(Some(phase), None), &cancel()).is_err(), "{phase}");
        }
    }

    #[test]
    fn a_wish_to_stop_that_is_there_already_is_not_written_again() {
        let mut stopping = order(Some(OrderPhase::Compensating), None);
        stopping.spec.cancel = Some(resources::Cancel { reason: "before".into() });
        assert_eq!(judge(&stopping, &cancel()), Ok(None));
    }

    #[test]
    fn the_same_method_again_is_a_retry_and_another_one_is_a_choice() {
        let declined = order(Some(OrderPhase::AwaitingPayment), Some(("pm_a", 2)));
        let again = judge(&declined, &pay("pm_a")).unwrap().unwrap();
        assert_eq!(again, json!({ "spec": { "payment": { "method": "pm_a", "retry": 3 } } }));
        let other = judge(&declined, &pay("pm_b")).unwrap().unwrap();
        assert_eq!(other, json!({ "spec": { "payment": { "method": "pm_b", "retry": 2 } } }));
        assert!(judge(&order(Some(OrderPhase::Paid), None), &pay("pm_a")).unwrap_err().contains("Paid"));
    }

    #[test]
    fn a_request_to_pay_that_comes_again_is_done_already_however_far_the_order_is() {
        let request =
            |key: &str| Change::Pay { method: "pm_a".into(), request: Some(request_of("u-1", key)) };
        let mut paid = order(Some(OrderPhase::AwaitingPayment), Some(("pm_a", 0)));
        for number in 0..20 {
            let patch = judge(&paid, &request(&number.to_string())).unwrap().unwrap();
            let known = patch.pointer("/metadata/annotations/supercargo.dev~1payment-requests").unwrap();
            let known = known.as_str().unwrap().to_owned();
            assert!(known.split(' ').count() <= REMEMBERED, "{known}");
            paid.metadata.annotations = Some([(PAYMENT_REQUESTS_ANNOTATION.to_owned(), known)].into());
        }
        assert!(judge(&paid, &request("0")).unwrap().is_some(), "forgotten");
        paid.status.as_mut().unwrap().phase = Some(OrderPhase::Paid);
        assert_eq!(judge(&paid, &request("19")), Ok(None));
        assert_eq!(judge(&paid, &request("12")), Ok(None));
        assert!(judge(&paid, &request("20")).is_err());
        let other = Change::Pay { method: "pm_a".into(), request: Some(request_of("u-2", "19")) };
        assert!(judge(&paid, &other).is_err(), "another user's key");
    }
}
