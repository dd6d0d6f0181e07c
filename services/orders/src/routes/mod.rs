//! `/orders` and `/checkout`: place, read, follow and change orders.

mod live;
mod seats;
mod shown;
mod words;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use chassis::Platform;
use events::questions::{NewOrder, PlaceOrder};
use jiff::Timestamp;
use resources::OrderPhase;
use rest::{
    Body, Caller, Gate, Holder, IdempotencyKey, Operation, Page, Paging, Permission, Problem, Routes, Search,
    Segments, Stored,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

pub use self::live::Live;
pub use self::seats::Seats;
use self::shown::{LiveTransition, Placed, ShownEvent, ShownOrder};
use crate::change::{Change, ChangeError, ChangeOrder};
use crate::place::{Desk, PlaceError};
use crate::status::OrderStatus;
use crate::views::View;
use crate::{keep, status, store, timeline, views};

/// What the routes need.
#[derive(Clone)]
pub struct Counter {
    /// Places and changes.
    pub desk: Desk,
    /// Who asks.
    pub gate: Gate,
    /// What happens now.
    pub live: Live,
    /// How many may follow it.
    pub seats: Seats,
    /// When to stop.
    pub platform: Platform,
}

impl FromRef<Counter> for Gate {
    fn from_ref(counter: &Counter) -> Self {
        counter.gate.clone()
    }
}

/// Who may look at all orders.
pub struct OrdersRead;

impl Permission for OrdersRead {
    const NAME: &'static str = "orders:read";
}

/// The permission to change all orders.
const ORDERS_WRITE: &str = "orders:write";

/// Why an order is to be stopped.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct CancelOrder {
    /// In the customer's words.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\u0000-\u001f\u007f]*$"))]
    reason: String,
}

/// By what an order is to be paid.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct PayOrder {
    /// The payment provider's token of a method, like pm_card_visa; never card data.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"))]
    method: String,
}

/// The routes.
#[must_use]
pub fn routes() -> Routes<Counter> {
    let place = |id: &str, summary: &str| {
        Operation::new("orders", id, summary)
            .needs_token(None)
            .is_idempotent()
            .reads::<NewOrder>()
            .answers::<Placed>(202, "It is taken; follow it by its id.")
    };
    let of_order = |id: &str, summary: &str| {
        Operation::new("orders", id, summary)
            .needs_token(None)
            .refuses(404, "There is no such order of yours.")
    };
    let change = |id: &str, summary: &str| {
        of_order(id, summary)
            .widened_by(ORDERS_WRITE)
            .answers::<Placed>(202, "It is asked for; the phase is the one before.")
            .refuses(409, "How far the order has come does not allow it.")
    };
    Routes::default()
        .with(MethodFilter::POST, "/orders", place("placeOrder", "Places an order."), place_order)
        .with(MethodFilter::POST, "/checkout", place("checkOutItems", "Orders items in one go."), place_order)
        .with(
            MethodFilter::GET,
            "/orders",
            Operation::new("orders", "listOrders", "Your orders, newest first.")
                .needs_token(None)
                .in_pages()
                .answers::<Page<ShownOrder>>(200, "A page of them."),
            list_orders,
        )
        .with(
            MethodFilter::GET,
            "/orders/status",
            Operation::new("orders", "countOrders", "How many orders are in each phase, over all orders.")
                .needs_token(Some(OrdersRead::NAME))
                .answers::<OrderStatus>(200, "How many."),
            count_orders,
        )
        .with(
            MethodFilter::GET,
            "/orders/{id}",
            of_order("readOrder", "An order.").widened_by(OrdersRead::NAME).answers::<ShownOrder>(200, "The order."),
            read_order,
        )
        .with(
            MethodFilter::PATCH,
            "/orders/{id}",
            change("changeOrder", "Changes an order while it may be changed.").reads::<ChangeOrder>(),
            change_order,
        )
        .with(
            MethodFilter::GET,
            "/orders/{id}/history",
            of_order("readHistory", "Everything that happened to an order, oldest first.")
                .in_pages()
                .answers::<Page<ShownEvent>>(200, "A page of events."),
            read_history,
        )
        .with(
            MethodFilter::GET,
            "/orders/{id}/events",
            of_order("followOrder", "The transitions of an order as server-sent events, until it ends; resumes after Last-Event-ID.")
                .streams::<LiveTransition>(200, "One event a transition: its id is the sequence, its data a LiveTransition.")
                .answers_raw(204, "It has ended, and all was told.", &[])
                .reads_header("Last-Event-ID", "The sequence that was told last: the stream goes on after it.")
                .refuses(429, "You follow as many orders as one may."),
            live::follow_order,
        )
        .with(
            MethodFilter::PUT,
            "/orders/{id}/cancel",
            change("cancelOrder", "Stops an order.").reads::<CancelOrder>(),
            cancel_order,
        )
        .with(
            MethodFilter::PUT,
            "/orders/{id}/payment",
            change("payOrder", "Pays an order that awaits a payment.").reads::<PayOrder>(),
            pay_order,
        )
}

async fn place_order(
    caller: Caller,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    Body(order): Body<NewOrder>,
) -> Result<Stored, Problem> {
    // Apart from the keys of carts, which place orders for the same users.
    let key = format!("own-{}", key.0.unwrap_or_else(|| Uuid::new_v4().to_string()));
    let question = PlaceOrder { user: caller.id().to_owned(), email: caller.user.email.clone(), key, order };
    match counter.desk.place(&question).await {
        Ok(answer) => {
            let placed = Placed { id: answer.id, name: answer.name, phase: answer.phase };
            let body = serde_json::to_value(placed).map_err(|error| Problem::invalid(error.to_string()))?;
            Ok(Stored { status: StatusCode::ACCEPTED, body, replayed: answer.repeated })
        }
        Err(error @ (PlaceError::Refused(_) | PlaceError::OtherRequest)) => {
            Err(Problem::invalid(error.to_string()))
        }
        Err(PlaceError::Unavailable(why)) => Err(Problem::unavailable(why)),
    }
}

/// The caller's order of that id, or any for who holds `permission`; another's is not there.
async fn visible(counter: &Counter, caller: &Caller, id: &str, permission: &str) -> Result<View, Problem> {
    let view = views::of_id(counter.desk.store.pool(), id).await?;
    view.filter(|view| view.user.as_deref() == Some(caller.id()) || caller.may(permission)).ok_or_else(|| {
        Problem::absent(format!("you have no order {}", id.chars().take(80).collect::<String>()))
    })
}

async fn count_orders(
    _holder: Holder<OrdersRead>,
    State(counter): State<Counter>,
) -> Result<axum::Json<OrderStatus>, Problem> {
    Ok(axum::Json(status::read(&counter.desk.store).await?))
}

async fn list_orders(
    caller: Caller,
    Search(paging): Search<Paging>,
    State(counter): State<Counter>,
) -> Result<axum::Json<Page<ShownOrder>>, Problem> {
    let (limit, after) = paging.read::<(Timestamp, String)>()?;
    let views =
        views::of_user(counter.desk.store.pool(), caller.id(), after.as_ref(), i64::from(limit) + 1).await?;
    let orders = shown_orders(counter.desk.store.pool(), views).await?;
    Ok(axum::Json(Page::of(orders, limit, |order| (order.placed_at, order.id.clone()))))
}

/// As shoppers see them: as the history tells it, and as the resources are, or were when they were archived.
async fn shown_orders(pool: &PgPool, views: Vec<View>) -> Result<Vec<ShownOrder>, Problem> {
    let ids: Vec<String> = views.iter().map(|view| view.order.order_id.clone()).collect();
    let (mut live, mut archived) =
        tokio::try_join!(keep::orders_of(pool, &ids), store::archived_specs(pool, &ids))?;
    let shown = |view: View| {
        let shown = ShownOrder::of(view);
        match (archived.remove(&shown.id), live.remove(&shown.id)) {
            (Some(spec), _) => shown.with_spec(spec),
            (None, Some(order)) => shown.with_resource(order),
            (None, None) => shown,
        }
    };
    Ok(views.into_iter().map(shown).collect())
}

async fn read_order(
    caller: Caller,
    Segments(id): Segments<String>,
    State(counter): State<Counter>,
) -> Result<axum::Json<ShownOrder>, Problem> {
    let view = visible(&counter, &caller, &id, OrdersRead::NAME).await?;
    let order = view.order.clone();
    let shown = shown_orders(counter.desk.store.pool(), vec![view]).await?.pop();
    let shown = shown.ok_or_else(|| Problem::absent("there is no such order"))?;
    if shown.shipping_address.is_some() {
        return Ok(axum::Json(shown));
    }
    // It was not placed here and has just come: the resource alone knows.
    let spec = counter.desk.spec_of(&order).await;
    Ok(axum::Json(match spec {
        Some(spec) => shown.with_spec(spec),
        None => shown,
    }))
}

async fn read_history(
    caller: Caller,
    Segments(id): Segments<String>,
    Search(paging): Search<Paging>,
    State(counter): State<Counter>,
) -> Result<axum::Json<Page<ShownEvent>>, Problem> {
    let (limit, after) = paging.read::<usize>()?;
    let view = visible(&counter, &caller, &id, OrdersRead::NAME).await?;
    let events = timeline::in_order(store::events_of(counter.desk.store.pool(), &view.order.order_id).await?);
    let first = after.unwrap_or(0);
    let some = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = first.saturating_add(some);
    let more = next < events.len();
    let items = events.into_iter().skip(first).take(some).map(ShownEvent::from).collect();
    Ok(axum::Json(Page { items, next: more.then(|| rest::cursor(&next)) }))
}

async fn cancel_order(
    caller: Caller,
    Segments(id): Segments<String>,
    State(counter): State<Counter>,
    Body(CancelOrder { reason }): Body<CancelOrder>,
) -> Result<Response, Problem> {
    ask(&counter, &caller, &id, &Change::Cancel { reason }).await
}

async fn pay_order(
    caller: Caller,
    Segments(id): Segments<String>,
    State(counter): State<Counter>,
    Body(PayOrder { method }): Body<PayOrder>,
) -> Result<Response, Problem> {
    ask(&counter, &caller, &id, &Change::Pay { method, request: None }).await
}

async fn change_order(
    caller: Caller,
    Segments(id): Segments<String>,
    State(counter): State<Counter>,
    Body(edit): Body<ChangeOrder>,
) -> Result<Response, Problem> {
    ask(&counter, &caller, &id, &Change::Edit(edit)).await
}

async fn ask(counter: &Counter, caller: &Caller, id: &str, change: &Change) -> Result<Response, Problem> {
    let view = visible(counter, caller, id, ORDERS_WRITE).await?;
    match counter.desk.change(&view, change).await {
        Ok(phase) => Ok(accepted(&view, phase)),
        Err(ChangeError::Conflict(why)) => Err(Problem::conflict(why)),
        Err(error @ ChangeError::Unavailable) => Err(Problem::unavailable(error.to_string())),
    }
}

fn accepted(view: &View, phase: Option<OrderPhase>) -> Response {
    use axum::response::IntoResponse;
    let placed = Placed { id: view.order.order_id.clone(), name: view.order.name.clone(), phase };
    (StatusCode::ACCEPTED, axum::Json(placed)).into_response()
}
