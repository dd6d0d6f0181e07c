//! `/payments`: read a payment, and choose how an order that awaits one is paid.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::MethodFilter;
use chassis::questions::ask;
use chassis::{Store, Transaction};
use events::questions::{ChoosePayment, ChoosePaymentAnswer, ReadOwner, RefundOrder, RefundOrderAnswer};
use money::Money;
use resources::PaymentPhase;
use rest::{
    Body, Caller, Gate, Holder, IdempotencyKey, Operation, Permission, Problem, Routes, Segments, Step,
    Stored,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::{Part, PartState, Payment, Summary};
use crate::store;

/// How long the service of orders may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What the routes need.
#[derive(Clone)]
pub struct Counter {
    /// The ledger.
    pub store: Store,
    /// Who asks.
    pub gate: Gate,
    /// The way to the service of orders.
    pub nats: async_nats::Client,
}

impl FromRef<Counter> for Gate {
    fn from_ref(counter: &Counter) -> Self {
        counter.gate.clone()
    }
}

/// How an order is to be paid.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPaymentOfOrder {
    /// The order id.
    #[schemars(length(min = 1, max = 100))]
    order_id: String,
    /// The provider's token of a method, like pm_card_visa; never card data.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"))]
    method: String,
}

/// The payment of an order; its id is the order's.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct ShownPaymentOfOrder {
    /// The id.
    id: String,
    /// The order id, which is the same.
    order_id: String,
    /// How far it has come.
    phase: PaymentPhase,
    /// Which attempt that is.
    attempt: u32,
    /// What is to be paid.
    amount: Money,
    /// How much was taken, over all attempts.
    captured: Money,
    /// How much of it was given back.
    refunded: Money,
    /// One word why.
    reason: Option<String>,
    /// The same in a sentence.
    message: Option<String>,
    /// Where the customer confirms at their bank, when they have to.
    action_url: Option<String>,
    /// Parts of it that staff gave back, or are giving back; 100 at most.
    partial_refunds: Vec<ShownPart>,
}

/// A part of the money that is given back.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct ShownPart {
    /// How much.
    amount: Money,
    /// Why.
    reason: String,
    /// How far it is.
    phase: PartPhase,
    /// Why the provider refused it.
    message: Option<String>,
}

/// How far a part is that is given back.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
enum PartPhase {
    /// Asked for.
    Pending,
    /// Given back.
    Refunded,
    /// Refused by the provider: the money is kept.
    Failed,
}

/// A payment is asked for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct ChosenPayment {
    /// The payment's id, which is the order's.
    id: String,
    /// The order id.
    order_id: String,
}

/// Who may give money back.
pub struct PaymentsRefund;

impl Permission for PaymentsRefund {
    const NAME: &'static str = "payments:refund";
}

/// Money is to be given back: a part of it, or all that is kept for the order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRefund {
    /// Why, in words; recorded with who asked. Without an Idempotency-Key the same amount with the same words is the same
    /// request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    reason: Option<String>,
    /// How much of it, in the order's currency; absent: all of it. An order keeps its course when a part is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
}

/// What is recorded where nobody said why.
const NO_REASON: &str = "no reason given";

/// The routes.
#[must_use]
pub fn routes() -> Routes<Counter> {
    Routes::default()
        .with(
            MethodFilter::POST,
            "/payments",
            Operation::new("payments", "createPayment", "Pays an order of yours that awaits a payment.")
                .needs_token(None)
                .is_idempotent()
                .reads::<NewPaymentOfOrder>()
                .answers::<ChosenPayment>(202, "It is asked for; read it by its id.")
                .refuses(404, "There is no such order of yours.")
                .refuses(409, "The order does not await a payment."),
            create_payment,
        )
        .with(
            MethodFilter::GET,
            "/payments/{id}",
            Operation::new("payments", "readPayment", "The payment of an order of yours.")
                .needs_token(None)
                .answers::<ShownPaymentOfOrder>(200, "The payment.")
                .refuses(404, "There is no such payment of yours."),
            read_payment,
        )
        .with(
            MethodFilter::POST,
            "/payments/{id}/refund",
            Operation::new(
                "payments",
                "refundPayment",
                "Gives back all the money that is kept for an order, or a part of it.",
            )
            .needs_token(Some(PaymentsRefund::NAME))
            .is_idempotent()
            .reads::<NewRefund>()
            .answers::<ChosenPayment>(202, "It is asked for; the payment and the order say what came of it.")
            .refuses(404, "There is no such order.")
            .refuses(409, "So much is not kept, or the order is archived and can be refunded in part only."),
            refund_payment,
        )
}

async fn refund_payment(
    holder: Holder<PaymentsRefund>,
    Segments(id): Segments<String>,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    Body(NewRefund { reason, amount }): Body<NewRefund>,
) -> Result<Stored, Problem> {
    let caller = holder.caller;
    if amount.is_some() && reason.is_none() && key.0.is_none() {
        let detail = "say why, or send an Idempotency-Key: without either a repetition cannot be told from another part";
        return Err(Problem::invalid(detail).at("/reason"));
    }
    let reason = reason.unwrap_or_else(|| NO_REASON.to_owned());
    let question = RefundOrder { order_id: id.clone(), by: caller.user.email.clone(), reason };
    let request = ("refundPayment", question.clone(), amount);
    let new = key.0.is_some();
    let (nats, wish) = (counter.nats.clone(), question.clone());
    let chosen = ChosenPayment { id: id.clone(), order_id: id };
    let answer = chosen.clone();
    // The same words are the same request to the operator: they may be asked again.
    let asking = async move || match ask(&nats, &question, PATIENCE).await? {
        RefundOrderAnswer::Asked => Ok(chosen),
        RefundOrderAnswer::Absent => Err(Problem::absent("there is no such order")),
        RefundOrderAnswer::Refused(why) => Err(Problem::conflict(why)),
    };
    rest::once_asking(
        &counter.store,
        caller.id(),
        &key,
        &request,
        StatusCode::ACCEPTED,
        move |tx| {
            Box::pin(async move {
                let Some(amount) = amount else { return Ok(Step::Ask) };
                Ok(match give_back_part(tx, &wish, amount, new).await? {
                    Part::Number(_) => Step::Done(answer),
                    Part::Whole => Step::Ask,
                })
            })
        },
        asking,
    )
    .await
}

/// Takes in the wish for a part of the money; all of it is the operator's to give back.
async fn give_back_part(
    tx: &mut Transaction,
    wish: &RefundOrder,
    amount: Money,
    new: bool,
) -> Result<Part, Problem> {
    let RefundOrder { order_id, by, reason } = wish;
    let before = store::lock_in_tx(tx, order_id).await?;
    let before = before.ok_or_else(|| Problem::absent("there is no such payment"))?;
    let now = chassis::clock::now();
    let mut payment = before.clone();
    let part = payment
        .give_back_part(amount, by, reason, new, now)
        .map_err(|refusal| Problem::conflict(refusal.to_string()))?;
    store::save_in_tx(tx, &before, &payment).await?;
    tx.schedule(order_id, now).await?;
    Ok(part)
}

async fn create_payment(
    caller: Caller,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    Body(wish): Body<NewPaymentOfOrder>,
) -> Result<Stored, Problem> {
    let nats = counter.nats.clone();
    let question = ChoosePayment {
        order_id: wish.order_id.clone(),
        user: caller.id().to_owned(),
        method: wish.method.clone(),
        key: key.0.clone(),
    };
    let request = ("createPayment", &wish);
    // The order remembers the key: asked again it answers as the first time.
    let asking = async move || {
        let order_id = question.order_id.clone();
        match ask(&nats, &question, PATIENCE).await? {
            ChoosePaymentAnswer::Chosen(_) => Ok(ChosenPayment { id: order_id.clone(), order_id }),
            ChoosePaymentAnswer::Absent => Err(Problem::absent("you have no such order")),
            ChoosePaymentAnswer::Refused(why) => Err(Problem::conflict(why)),
        }
    };
    rest::once_asking(
        &counter.store,
        caller.id(),
        &key,
        &request,
        StatusCode::ACCEPTED,
        |_| Box::pin(std::future::ready(Ok(Step::Ask))),
        asking,
    )
    .await
}

async fn read_payment(
    caller: Caller,
    Segments(id): Segments<String>,
    State(counter): State<Counter>,
) -> Result<Json<ShownPaymentOfOrder>, Problem> {
    let absent = || Problem::absent("you have no such payment");
    let mut connection = counter.store.pool().acquire().await?;
    let payment = store::read(&mut connection, &id).await?;
    drop(connection);
    let payment = payment.ok_or_else(absent)?;
    if !caller.may(PaymentsRefund::NAME) {
        let owner = ask(&counter.nats, &ReadOwner { order_id: id }, PATIENCE).await?;
        if owner.user.as_deref() != Some(caller.id()) {
            return Err(absent());
        }
    }
    Ok(Json(shown(payment)))
}

fn shown(payment: Payment) -> ShownPaymentOfOrder {
    let Payment { order_id, wish, partials, shown, .. } = payment;
    let currency = wish.amount.currency();
    let partial_refunds = partials.into_iter().map(|part| ShownPart {
        amount: Money::from_minor_units(part.amount, currency),
        reason: part.why,
        phase: match part.state {
            PartState::Asked | PartState::Pending => PartPhase::Pending,
            PartState::Given => PartPhase::Refunded,
            PartState::Refused => PartPhase::Failed,
        },
        message: part.refusal.map(|refusal| refusal.message),
    });
    let Summary { phase, attempt, captured, refunded, reason, message, reference: _, action_url } = shown;
    ShownPaymentOfOrder {
        id: order_id.clone(),
        order_id,
        phase,
        attempt,
        amount: wish.amount,
        captured,
        refunded,
        reason,
        message,
        action_url,
        partial_refunds: partial_refunds.collect(),
    }
}
