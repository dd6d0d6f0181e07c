//! `/users/me`.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use rest::{Body, Caller, Operation, Problem, Routes};

use super::Desk;
use crate::profile::{Profile, ProfileChange};

pub(super) fn routes(routes: Routes<Desk>) -> Routes<Desk> {
    let read = Operation::new("users", "readMe", "The user who asks.")
        .needs_token(None)
        .answers::<Profile>(200, "The user.");
    let change = Operation::new("users", "changeMe", "Replaces what is given of the user who asks.")
        .needs_token(None)
        .reads::<ProfileChange>()
        .answers::<Profile>(200, "The user as it is now.");
    routes.with(MethodFilter::GET, "/users/me", read, self::read).with(
        MethodFilter::PUT,
        "/users/me",
        change,
        self::change,
    )
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
