//! What stands before the roles: the sandbox sends all webhooks to the shop's one address, and each goes to its role.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use testkit::Stack;
use tokio::net::TcpListener;

/// Forwards for as long as the test runs.
pub async fn forward(payment: SocketAddr, shipping: SocketAddr) -> anyhow::Result<()> {
    let stack = Stack::from_env().await?;
    let address = stack.addresses.shop.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind(&address).await.with_context(|| {
        format!(
            "failed to listen at SHOP_URL, {address}: this test runs the roles itself, the shop must not run"
        )
    })?;
    let to = |role: SocketAddr, path: &str| (stack.clone(), format!("http://{role}/api/v1/webhooks/{path}"));
    let router = Router::new()
        .route("/api/v1/webhooks/stripe", post(pass_on).with_state(to(payment, "stripe")))
        .route("/api/v1/webhooks/carrier", post(pass_on).with_state(to(shipping, "carrier")));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}

async fn pass_on(
    State((stack, url)): State<(Stack, String)>,
    mut headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    headers.remove("host");
    let answer = stack.http.post(url).headers(headers).body(body).send().await;
    // A role that is down: the sender tries again.
    answer.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status())
}
