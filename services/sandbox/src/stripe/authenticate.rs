//! The bank's page, where a person proves who they are.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::Stripe;
use super::errors::ApiError;
use super::execute::Change;
use super::intents::{self, Stamp};
use super::model::{Intent, Status};
use crate::common::{escape_html, fresh_id, lock, now_millis};

/// The page and its two buttons.
pub(super) fn router(stripe: &Arc<Stripe>) -> Router {
    Router::new()
        .route("/authenticate/{intent}", get(show))
        .route("/authenticate/{intent}/{verdict}", post(press))
        .with_state(stripe.clone())
}

async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    let found = lock(&stripe.books).intent(&id).cloned();
    match found {
        Some(intent) => Html(page(&intent)).into_response(),
        None => refuse(&stripe, &ApiError::not_found("payment_intent", "intent", &id)),
    }
}

async fn press(
    State(stripe): State<Arc<Stripe>>,
    Path((id, verdict)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let passed = match verdict.as_str() {
        "complete" => true,
        "fail" => false,
        _ => {
            return refuse(&stripe, &ApiError::no_such_url("POST", &format!("/authenticate/{id}/{verdict}")));
        }
    };
    let stamp = Stamp { now: now_millis(), charge_id: fresh_id("ch") };
    let mut refused = None;
    let committed = stripe.commit(None, stamp.now, |books| {
        let found = books.intent(&id).map(|intent| intent.as_ref().clone());
        let step = found
            .ok_or_else(|| ApiError::not_found("payment_intent", "intent", &id))
            .and_then(|mut intent| Ok((intents::authenticate(&mut intent, passed, &stamp)?, intent)));
        match step {
            Ok((step, intent)) => Change::step(intent, step, &stripe.base),
            Err(error) => {
                let change = Change::refusal(&error, &stripe.base);
                refused = Some(error);
                change
            }
        }
    });
    let durable = match committed {
        Ok(change) => stripe.journal.durable().await.map(|()| change),
        Err(fault) => Err(fault),
    };
    let change = match durable {
        Ok(change) => change,
        Err(fault) => return refuse(&stripe, &ApiError::internal(&fault)),
    };
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match (refused, change.intent) {
        (None, Some(intent)) if wants_page => match intent.texts.get("return_url") {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                let location =
                    format!("{url}{}payment_intent={}", if url.contains('?') { '&' } else { '?' }, intent.id);
                (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
            }
            _ => Html(page(&intent)).into_response(),
        },
        (None, Some(intent)) => Json(super::render::intent(&intent, &stripe.base)).into_response(),
        (Some(error), _) => refuse(&stripe, &error),
        (None, None) => Json(change.body).into_response(),
    }
}

fn refuse(stripe: &Stripe, error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(error.body(&stripe.base))).into_response()
}

fn page(intent: &Intent) -> String {
    let id = escape_html(&intent.id);
    let (whole, cents) = (intent.amount / 100, intent.amount % 100);
    let currency = escape_html(&intent.currency.to_uppercase());
    let content = match intent.status == Status::RequiresAction {
        true => format!(
            "<p>Your bank asks you to approve a payment of <b>{whole}.{cents:02} {currency}</b>.</p>\
             <form method=post action=\"/authenticate/{id}/complete\"><button>Complete authentication</button></form>\
             <form method=post action=\"/authenticate/{id}/fail\"><button class=quiet>Fail</button></form>"
        ),
        false => format!("<p>Nothing to approve: this payment is <b>{}</b>.</p>", intent.status.name()),
    };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Approve a payment</title><style>\
         :root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;\
         padding:0 1rem}}button{{font:inherit;width:100%;padding:.7rem;margin:.3rem 0;border:0;border-radius:.5rem;\
         background:#2454d6;color:#fff;cursor:pointer}}button.quiet{{background:none;color:inherit;\
         border:1px solid #8888}}small{{opacity:.7}}</style>\
         <h1>Sandbox Bank</h1>{content}<p><small>{id}</small></p></html>"
    )
}
