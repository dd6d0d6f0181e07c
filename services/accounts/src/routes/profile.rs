//! `/users/me`, and the password of the user who asks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::MethodFilter;
use chassis::clock;
use rest::{Body, Caller, Operation, Problem, Routes};

use super::{Desk, address};
use crate::guesses::Origin;
use crate::password_change::{Changer, PasswordChange};
use crate::profile::{Profile, ProfileChange};

pub(super) fn routes(routes: Routes<Desk>) -> Routes<Desk> {
    let read = Operation::new("users", "readMe", "The user who asks.")
        .needs_token(None)
        .answers::<Profile>(200, "The user.");
    let change = Operation::new("users", "changeMe", "Replaces what is given of the user who asks.")
        .needs_token(None)
        .reads::<ProfileChange>()
        .answers::<Profile>(200, "The user as it is now.");
    let password = Operation::new(
        "users",
        "changePassword",
        "Replaces the password of the user who asks, and ends their other sessions everywhere.",
    )
    .needs_token(None)
    .reads::<PasswordChange>()
    .answers_raw(204, "The password is another one; this session stays.", &[])
    .refuses(409, "It was changed at the same time.")
    .refuses(429, "The present password was wrong too often.");
    routes
        .with(MethodFilter::GET, "/users/me", read, self::read)
        .with(MethodFilter::PUT, "/users/me", change, self::change)
        .with(MethodFilter::PUT, "/users/me/password", password, self::change_password)
}

async fn read(State(desk): State<Desk>, caller: Caller) -> Result<Json<Profile>, Problem> {
    desk.profiles.read(caller.id()).await.map(Json)
}

async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Body(change): Body<ProfileChange>,
) -> Result<Json<Profile>, Problem> {
    desk.profiles.change(caller.id(), change).await.map(Json)
}

async fn change_password(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let changer = Changer { id: caller.id(), email: &caller.user.email, session: &caller.session };
    let origin = Origin { address: address(&headers), ticket: None };
    desk.entrance.change_password(changer, change, origin, clock::now()).await?;
    // Whoever has not heard of it asks again within two seconds; the password is another one either way.
    if let Err(error) = desk.logouts.broadcast().await {
        tracing::warn!("{error}");
    }
    Ok(StatusCode::NO_CONTENT)
}
