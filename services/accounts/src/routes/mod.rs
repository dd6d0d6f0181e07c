//! The REST of accounts: what is said over HTTP; what is done stands in [`Entrance`], [`Profiles`] and [`Administration`].

mod admin;
#[cfg(test)]
mod bodies_tests;
mod profile;
mod sign_in;

use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::MethodFilter;
use axum::{Json, Router};
use chassis::{Store, clock};
use rest::{Gate, Operation, Problem, Routes};

use crate::entrance::Entrance;
use crate::logouts::Logouts;
use crate::managed::Administration;
use crate::profiles::Profiles;
use crate::sessions::cookie;
use crate::tokens::{self, JsonWebKeys};

/// The greatest body that is read: twenty addresses are far from it.
const BODY_LIMIT: usize = 256 * 1024;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) entrance: Entrance,
    pub(crate) profiles: Profiles,
    pub(crate) administration: Administration,
    pub(crate) logouts: Logouts,
}

impl FromRef<Desk> for Gate {
    fn from_ref(desk: &Desk) -> Self {
        desk.gate.clone()
    }
}

/// The routes of the service.
pub(crate) fn routes() -> Routes<Desk> {
    let keys =
        Operation::new("users", "readKeys", "The keys by which tokens are believed, as a JSON Web Key Set.")
            .answers::<JsonWebKeys>(200, "The keys.");
    let routes = Routes::default().with(MethodFilter::GET, "/jwks", keys, read_keys);
    admin::routes(profile::routes(sign_in::routes(routes)))
}

/// What is served.
pub(crate) fn router(desk: Desk) -> Router {
    routes().router().layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT)).with_state(desk)
}

/// The next key is there a day before it signs, so that nobody misses it who asks every five minutes.
async fn read_keys(State(desk): State<Desk>) -> Result<impl IntoResponse, Problem> {
    let keys = tokens::store::published(desk.store.pool(), clock::now()).await?;
    let keys = JsonWebKeys { keys: keys.into_iter().map(Into::into).collect() };
    Ok(([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys)))
}

/// The cookie that takes the ticket away.
fn cleared(headers: &HeaderMap) -> String {
    cookie::clearing(cookie::is_secure(headers))
}

/// Where a request comes from, as the gateway saw it.
fn address(headers: &HeaderMap) -> Option<&str> {
    headers.get(rest::CLIENT_ADDRESS)?.to_str().ok()
}
