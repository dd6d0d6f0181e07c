//! `/users` and what an admin does with one of them.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use chassis::clock;
use rest::{Body, Caller, Holder, Operation, Page, Paging, Permission, Problem, Routes, Search, Segments};
use serde::Deserialize;
use serde_json::json;

use super::Desk;
use crate::managed::{ManagedUser, Permissions};
use crate::permissions::Asker;

/// May see and manage users.
struct UsersAdmin;

impl Permission for UsersAdmin {
    const NAME: &'static str = "users:admin";
}

/// Which users are asked for.
#[derive(Deserialize, Debug)]
struct UserSearch {
    email: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) fn routes(routes: Routes<Desk>) -> Routes<Desk> {
    let needed = Some(UsersAdmin::NAME);
    let list = Operation::new("users", "listUsers", "The users, in the order of the id.")
        .needs_token(needed)
        .searches("email", json!({ "type": "string" }), "Only the one with exactly this email address.")
        .in_pages()
        .answers::<Page<ManagedUser>>(200, "A page of them.");
    let permit = Operation::new("users", "permit", "Replaces what a user may; it counts at once.")
        .needs_token(needed)
        .reads::<Permissions>()
        .answers::<ManagedUser>(200, "The user as it is now.")
        .refuses(404, "There is no such user.")
        .refuses(409, "It would take the permission admin from the last admin.");
    let disable =
        Operation::new("users", "disable", "Lets a user neither log in nor order; ends their sessions.")
            .needs_token(needed)
            .answers::<ManagedUser>(200, "The user as it is now.")
            .refuses(404, "There is no such user.")
            .refuses(409, "It is the user who asks.");
    let enable = Operation::new("users", "enable", "Lets a user log in and order again.")
        .needs_token(needed)
        .answers::<ManagedUser>(200, "The user as it is now.")
        .refuses(404, "There is no such user.");
    routes
        .with(MethodFilter::GET, "/users", list, self::list)
        .with(MethodFilter::PUT, "/users/{id}/permissions", permit, self::permit)
        .with(MethodFilter::POST, "/users/{id}/disable", disable, self::disable)
        .with(MethodFilter::POST, "/users/{id}/enable", enable, self::enable)
}

async fn list(
    State(desk): State<Desk>,
    _: Holder<UsersAdmin>,
    Search(UserSearch { email, limit, cursor }): Search<UserSearch>,
) -> Result<Json<Page<ManagedUser>>, Problem> {
    let (limit, after) = Paging { limit, cursor }.read::<String>()?;
    let page = match email {
        Some(email) => desk.administration.of_email(&email).await?,
        None => desk.administration.page(after.as_deref(), limit).await?,
    };
    Ok(Json(page))
}

async fn permit(
    State(desk): State<Desk>,
    holder: Holder<UsersAdmin>,
    Segments(id): Segments<String>,
    Body(wished): Body<Permissions>,
) -> Result<Json<ManagedUser>, Problem> {
    let user = desk.administration.permit(asker(&holder.caller), &id, wished).await?;
    // Also where it made no difference: the broadcast after the first time may have failed.
    desk.logouts.broadcast().await?;
    Ok(Json(user))
}

async fn disable(
    State(desk): State<Desk>,
    holder: Holder<UsersAdmin>,
    Segments(id): Segments<String>,
) -> Result<Json<ManagedUser>, Problem> {
    let asker = asker(&holder.caller);
    let user = desk.administration.set_disabled(asker, &id, true, clock::now()).await?;
    desk.logouts.broadcast().await?;
    Ok(Json(user))
}

async fn enable(
    State(desk): State<Desk>,
    holder: Holder<UsersAdmin>,
    Segments(id): Segments<String>,
) -> Result<Json<ManagedUser>, Problem> {
    let asker = asker(&holder.caller);
    Ok(Json(desk.administration.set_disabled(asker, &id, false, clock::now()).await?))
}

fn asker(caller: &Caller) -> Asker<'_> {
    Asker { id: caller.id(), holds: &caller.user.permissions }
}
