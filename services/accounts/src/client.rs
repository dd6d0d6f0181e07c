//! What the command line asks of this service: `supercargo accounts add|disable|enable|grant-admin|list`.

use std::time::Duration;

use chassis::questions::{AskError, ask};
use events::questions::Question;

use crate::questions::{AddUser, GrantAdmin, ListUsers, ListUsersAnswer, SetDisabled, User, UserAnswer};

const PATIENCE: Duration = Duration::from_secs(10);

/// Makes an account be there; one that is there just so is the answer, with `changed: false`.
///
/// # Errors
/// When it cannot be, its id or email is another account's, or accounts does not answer.
pub async fn add(
    nats: &async_nats::Client,
    email: &str,
    id: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<UserAnswer> {
    let question =
        AddUser { email: email.to_owned(), id: id.map(str::to_owned), name: name.map(str::to_owned) };
    asked(nats, &question).await
}

/// Lets an account order no more.
///
/// # Errors
/// When there is no such account, or accounts does not answer.
pub async fn disable(nats: &async_nats::Client, id: &str) -> anyhow::Result<UserAnswer> {
    asked(nats, &SetDisabled { id: id.to_owned(), disabled: true }).await
}

/// Lets an account order again.
///
/// # Errors
/// As [`disable`].
pub async fn enable(nats: &async_nats::Client, id: &str) -> anyhow::Result<UserAnswer> {
    asked(nats, &SetDisabled { id: id.to_owned(), disabled: false }).await
}

/// Makes the account of that email an admin's.
///
/// # Errors
/// When there is no such account or it is disabled, or accounts does not answer.
pub async fn grant_admin(nats: &async_nats::Client, email: &str) -> anyhow::Result<UserAnswer> {
    asked(nats, &GrantAdmin { email: email.to_owned() }).await
}

/// All accounts, in the order of the id.
///
/// # Errors
/// When accounts does not answer.
pub async fn list(nats: &async_nats::Client) -> anyhow::Result<Vec<User>> {
    let mut all: Vec<User> = Vec::new();
    loop {
        let after = all.last().map(|user| user.id.clone());
        let ListUsersAnswer { users, more } = asked(nats, &ListUsers { after }).await?;
        let done = !more || users.is_empty();
        all.extend(users);
        if done {
            return Ok(all);
        }
    }
}

async fn asked<Q: Question>(nats: &async_nats::Client, question: &Q) -> anyhow::Result<Q::Answer> {
    ask(nats, question, PATIENCE).await.map_err(|error| match error {
        AskError::Invalid { subject: _, reason } => anyhow::Error::msg(reason),
        error @ AskError::Unavailable { .. } => anyhow::Error::new(error).context(
            "is accounts running on this NATS? start it with `make up` or `supercargo run accounts`",
        ),
    })
}
