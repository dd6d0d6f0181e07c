//! `/users/register`, `/users/login`, `/users/refresh` and `/users/logout`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use chassis::clock;
use rest::{Body, Caller, IdempotencyKey, Operation, Problem, Routes, Stored};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Desk, address, cleared};
use crate::entrance::{Entered, LogIn, Refreshed, Register};
use crate::guesses::Origin;
use crate::profile::Profile;
use crate::sessions::{Ticket, cookie};
use crate::tokens::Token;

/// Somebody who is logged in.
#[derive(Serialize, JsonSchema, Debug)]
struct SignedIn {
    /// The token: send it as `Authorization: Bearer TOKEN`. It lasts a quarter of an hour.
    token: Token,
    /// Who they are.
    user: Profile,
}

/// The next token.
#[derive(Serialize, JsonSchema, Debug)]
struct NextToken {
    /// The token.
    token: Token,
}

pub(super) fn routes(routes: Routes<Desk>) -> Routes<Desk> {
    let register =
        Operation::new("users", "register", "Makes an account and logs in; sets the cookie that refreshes.")
            .is_idempotent()
            .reads::<Register>()
            .answers::<SignedIn>(201, "The account is there.")
            .refuses(409, "The email address has an account.");
    let log_in = Operation::new("users", "logIn", "Logs in; sets the cookie that refreshes.")
        .reads::<LogIn>()
        .answers::<SignedIn>(200, "They are in.")
        .refuses(401, "Email or password is wrong.")
        .refuses(403, "The account is disabled.")
        .refuses(429, "Logging in failed too often for this email address.");
    let refresh =
        Operation::new("users", "refresh", "Gives the next token for the cookie, and the next cookie.")
            .reads_cookie("refresh", "The one that logging in, or the last refresh, has set.")
            .answers::<NextToken>(200, "The token.")
            .with_header("200", "Set-Cookie", "The next one.")
            .refuses(401, "There is no cookie, or its session is over.");
    let log_out = Operation::new("users", "logOut", "Ends the session of the token, everywhere.")
        .needs_token(None)
        .answers_raw(204, "The session is over, and its token with it.", &[]);
    routes
        .with(MethodFilter::POST, "/users/register", register, self::register)
        .with(MethodFilter::POST, "/users/login", log_in, self::log_in)
        .with(MethodFilter::POST, "/users/refresh", refresh, self::refresh)
        .with(MethodFilter::POST, "/users/logout", log_out, self::log_out)
}

async fn register(
    State(desk): State<Desk>,
    headers: HeaderMap,
    key: IdempotencyKey,
    Body(wish): Body<Register>,
) -> Result<Response, Problem> {
    let entered = desk.entrance.register(wish, &key, clock::now()).await;
    counted("register", entered.as_ref().err());
    let Entered { token, user, ticket, replayed } = entered?;
    let body = serde_json::to_value(SignedIn { token, user }).map_err(|error| {
        tracing::error!("a user cannot be written as JSON: {error}");
        Problem::unavailable("the account is there, but cannot be shown: log in")
    })?;
    let response = Stored { status: StatusCode::CREATED, body, replayed }.into_response();
    Ok(with_ticket(response, ticket.as_ref(), &headers))
}

async fn log_in(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Body(asked): Body<LogIn>,
) -> Result<Response, Problem> {
    let ticket = cookie::presented(&headers);
    let origin = Origin { address: address(&headers), ticket: ticket.as_ref() };
    let entered = desk.entrance.log_in(asked, origin, clock::now()).await;
    counted("login", entered.as_ref().err());
    let Entered { token, user, ticket, replayed: _ } = entered?;
    Ok(with_ticket(Json(SignedIn { token, user }).into_response(), ticket.as_ref(), &headers))
}

async fn refresh(State(desk): State<Desk>, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(shown) = cookie::presented(&headers) else {
        return Err(Problem::unauthenticated("there is no cookie that refreshes a session: log in"));
    };
    let over = || {
        let problem = Problem::unauthenticated("the session is over: log in again");
        counted("refresh", Some(&problem));
        Ok(with_cookie(problem.into_response(), &cleared(&headers)))
    };
    match desk.entrance.refresh(&shown, clock::now()).await? {
        Refreshed::Token(token, ticket) => {
            counted("refresh", None);
            Ok(with_ticket(Json(NextToken { token }).into_response(), ticket.as_ref(), &headers))
        }
        Refreshed::Over => over(),
        Refreshed::Stolen => {
            // Whoever has not heard of it asks again within two seconds; the answer here is the same.
            if let Err(error) = desk.logouts.broadcast().await {
                tracing::warn!("{error}");
            }
            over()
        }
    }
}

async fn log_out(State(desk): State<Desk>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    desk.entrance.log_out(caller.id(), &caller.session, clock::now()).await?;
    // The session is over also when not all have heard of it: the cookie goes either way.
    let response = match desk.logouts.broadcast().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Problem::from(error).into_response(),
    };
    Ok(with_cookie(response, &cleared(&headers)))
}

/// An answer with a token is nobody's to keep on the way; where there is a ticket, it goes into the cookie.
fn with_ticket(mut response: Response, ticket: Option<&Ticket>, headers: &HeaderMap) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match ticket {
        Some(ticket) => with_cookie(response, &cookie::giving(ticket, cookie::is_secure(headers))),
        None => response,
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    // Cookies of ours have no character that a header has not.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn counted(what: &'static str, refused: Option<&Problem>) {
    let outcome = match refused {
        None => "done",
        Some(problem) if problem.status().is_server_error() => "unavailable",
        Some(_) => "refused",
    };
    metrics::counter!("supercargo_sign_ins_total", "what" => what, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_token_is_kept_by_nobody_and_brings_the_cookie() {
        let headers = HeaderMap::new();
        let response = with_ticket(StatusCode::OK.into_response(), Some(&Ticket::new()), &headers);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("refresh=") && cookie.ends_with("; Secure"), "{cookie}");
        let none = with_ticket(StatusCode::OK.into_response(), None, &headers);
        assert!(!none.headers().contains_key("set-cookie"));
    }
}
