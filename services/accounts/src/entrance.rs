//! The way in and out: sign-up, log-in, refresh and log-out, on the database.
//!
//! # Guarantees
//! - An unknown email and a wrong password have the same answer, after the same time; so has an account without a password.
//! - A password is guessed a few times in a quarter of an hour: see [`crate::guesses`].
//! - No session begins for an account that is disabled at that moment.
//! - A sign-up that is sent again under its key has its first answer, for whoever knows its password.

use std::sync::Arc;

use axum::http::StatusCode;
use chassis::{Store, Transaction};
use events::EventType;
use futures::FutureExt;
use jiff::Timestamp;
use rest::{IdempotencyKey, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::guesses::{Guess, Origin};
use crate::passwords::{Hash, Password, Passwords};
use crate::profile::{Profile, wished_name};
use crate::publisher::tell_in_tx;
use crate::sessions::{self, Refresh, Ticket, judge};
use crate::store::profiles::{self, Lock};
use crate::tokens::{Signer, Token, Tokens, issued_again};
use crate::user::{kept_email, normal_email};

/// In whose name requests of people without an account keep their keys.
const ANYONE: &str = "anyone";

/// Somebody signs up.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Their email address.
    #[schemars(length(min = 3, max = 254))]
    pub email: String,
    /// What they will log in with.
    #[schemars(with = "String", length(min = 8, max = 200))]
    pub password: Password,
    /// What to call them.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
}

/// Somebody logs in.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// Their email address.
    #[schemars(length(max = 1000))]
    pub email: String,
    /// Their password.
    #[schemars(with = "String", length(max = 1000))]
    pub password: Password,
}

/// Somebody is in.
#[derive(Debug)]
pub struct Entered {
    /// By which they prove it, for a quarter of an hour.
    pub token: Token,
    /// Who they are.
    pub user: Profile,
    /// By which they get the next token; absent where an answer is given again whose session is over.
    pub ticket: Option<Ticket>,
    /// True when this answer had been given before.
    pub replayed: bool,
}

/// What a refresh leads to.
#[derive(Debug)]
pub enum Refreshed {
    /// A token, and a ticket instead of the one that was shown; none where another tab has it.
    Token(Token, Option<Ticket>),
    /// The session is over, or never was.
    Over,
    /// The session was over just now: two held it. All services are to hear of it.
    Stolen,
}

/// What is told apart under one key. The password is not in it: a plain hash of it, which is what is kept of this, would be
/// easier to guess than the one that it is verified by.
#[derive(Serialize)]
struct SignUp {
    email: String,
    name: String,
}

/// What is kept to answer a sign-up again: neither the token nor the secret.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedUp {
    user: Profile,
    session: String,
    at: Timestamp,
}

/// Lets people in and out.
#[derive(Clone)]
pub struct Entrance {
    pub(crate) store: Store,
    pub(crate) passwords: Arc<Passwords>,
    tokens: Arc<Tokens>,
}

impl Entrance {
    /// Makes a key that signs, where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(store: Store, now: Timestamp) -> anyhow::Result<Self> {
        let passwords = Arc::new(Passwords::open().await?);
        let tokens = Arc::new(Tokens::open(store.clone(), now).await?);
        Ok(Self { store, passwords, tokens })
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Makes an account, and lets its user in.
    ///
    /// # Errors
    /// 409 when the email has an account; 422 when the email or the name is none, or the key was used otherwise; 403 when it is
    /// sent again and the account is disabled; 503 when the database fails or too many wait.
    pub async fn register(
        &self,
        wish: Register,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Entered, Problem> {
        let email = normal_email(&wish.email).map_err(|fault| Problem::invalid(fault).at("/email"))?;
        let name = wished_name(&wish.name)?;
        let hash = self.passwords.hash(wish.password.clone()).await?;
        let signer = self.tokens.signer(now).await?;
        let ticket = Ticket::new();
        let asked = SignUp { email: email.clone(), name: name.clone() };
        let begun = ticket.clone();
        let stored = rest::once(&self.store, ANYONE, key, &asked, StatusCode::CREATED, move |transaction| {
            async move { register_in_tx(transaction, &email, &name, &hash, &begun, now).await }.boxed()
        })
        .await?;
        let SignedUp { user, session, at } = serde_json::from_value(stored.body).map_err(|error| {
            tracing::error!("an answer to a sign-up cannot be read: {error}");
            Problem::unavailable("the account is there, but its first answer is lost: log in")
        })?;
        if stored.replayed {
            return self.register_again(user, &session, at, wish.password, &signer, now).await;
        }
        let token = signer.token(&user.id, &session, at)?;
        Ok(Entered { token, user, ticket: Some(ticket), replayed: false })
    }

    /// The first answer for whoever sends a sign-up again: its token while it lasts, and a secret in place of the one that may
    /// never have arrived.
    async fn register_again(
        &self,
        user: Profile,
        session: &str,
        at: Timestamp,
        password: Password,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<Entered, Problem> {
        let known = profiles::credentials_of_email(self.store.pool(), &user.email).await?;
        if !self.passwords.verify(password, known.and_then(|credentials| credentials.hash)).await? {
            return Err(Problem::invalid(
                "this Idempotency-Key was used for another request: take a new key for a new request",
            ));
        }
        let token = signer.token(&user.id, session, issued_again(at, now))?;
        let mut transaction = self.store.begin().await?;
        self.enabled_in_tx(&mut transaction, &user.id, Lock::Alone).await?;
        let known = sessions::store::locked_in_tx(&mut transaction, session).await?;
        let alive = known.is_some_and(|known| known.is_alive(now));
        let ticket = alive.then(|| Ticket { session: session.to_owned(), ..Ticket::new() });
        if let Some(ticket) = &ticket {
            sessions::store::rotate_in_tx(&mut transaction, session, &ticket.secret, now).await?;
        }
        transaction.commit().await?;
        Ok(Entered { token, user, ticket, replayed: true })
    }

    /// Lets a user in who knows the password.
    ///
    /// # Errors
    /// 401 when email or password is wrong, 403 when the account is disabled; 429 when that was so too often; 503 when the
    /// database fails or too many wait.
    pub async fn log_in(&self, asked: LogIn, origin: Origin<'_>, now: Timestamp) -> Result<Entered, Problem> {
        let LogIn { email, password } = asked;
        let (pool, email) = (self.store.pool(), kept_email(&email));
        let known = profiles::credentials_of_email(pool, &email).await?;
        let (id, hash) = known.map_or((None, None), |known| (Some(known.id), known.hash));
        let was_in = match (origin.ticket, &id) {
            (Some(ticket), Some(id)) => sessions::store::is_of(pool, ticket, id).await?,
            (Some(_), None) | (None, _) => false,
        };
        let guess = Guess::begin(pool, &email, origin, was_in, now).await?;
        let right = match self.passwords.verify(password, hash.clone()).await {
            Ok(right) => right,
            Err(problem) => {
                guess.was_none(pool).await;
                return Err(problem);
            }
        };
        let Some((id, hash)) = id.zip(hash).filter(|_| right) else { return Err(wrong()) };
        guess.was_none(pool).await;
        let signer = self.tokens.signer(now).await?;
        let ticket = Ticket::new();
        let token = signer.token(&id, &ticket.session, now)?;
        let mut transaction = self.store.begin().await?;
        let user = self.enabled_in_tx(&mut transaction, &id, Lock::Shared).await?;
        // It may have been changed since it was verified, so that whoever had the old one is out.
        if !profiles::has_hash_in_tx(&mut transaction, &id, &hash).await? {
            return Err(wrong());
        }
        sessions::store::open_in_tx(&mut transaction, &id, &ticket, now).await?;
        transaction.commit().await?;
        Ok(Entered { token, user, ticket: Some(ticket), replayed: false })
    }

    /// The account, locked, where it is enabled.
    pub(crate) async fn enabled_in_tx(
        &self,
        transaction: &mut Transaction,
        id: &str,
        lock: Lock,
    ) -> Result<Profile, Problem> {
        match profiles::locked_in_tx(transaction, id, lock).await? {
            Some((user, false)) => Ok(user),
            Some((_, true)) => {
                Err(Problem::forbidden("this account is disabled: ask the shop to enable it again"))
            }
            None => Err(wrong()),
        }
    }

    /// A token for whoever shows the session's secret.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub async fn refresh(&self, shown: &Ticket, now: Timestamp) -> Result<Refreshed, Problem> {
        let Some(user) = sessions::store::owner(self.store.pool(), &shown.session).await? else {
            return Ok(Refreshed::Over);
        };
        let token = self.tokens.signer(now).await?.token(&user, &shown.session, now)?;
        let mut transaction = self.store.begin().await?;
        let locked = profiles::locked_in_tx(&mut transaction, &user, Lock::Alone).await?;
        let session = sessions::store::locked_in_tx(&mut transaction, &shown.session).await?;
        let (Some((_, false)), Some(session)) = (locked, session) else { return Ok(Refreshed::Over) };
        match judge(&session, &shown.secret.hash(), now) {
            Refresh::Over => Ok(Refreshed::Over),
            Refresh::Together => Ok(Refreshed::Token(token, None)),
            Refresh::Rotate => {
                let next = shown.renewed();
                sessions::store::rotate_in_tx(&mut transaction, &shown.session, &next.secret, now).await?;
                transaction.commit().await?;
                Ok(Refreshed::Token(token, Some(next)))
            }
            Refresh::Stolen => {
                end_in_tx(&mut transaction, &user, &shown.session, now).await?;
                transaction.commit().await?;
                tracing::warn!(user, "a session was refreshed by a secret that is not its own: ended");
                Ok(Refreshed::Stolen)
            }
        }
    }

    /// Ends a user's session; one that has ended stays so.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub async fn log_out(&self, user: &str, session: &str, now: Timestamp) -> Result<(), Problem> {
        let mut transaction = self.store.begin().await?;
        // The user first, as everywhere: then the session.
        profiles::locked_in_tx(&mut transaction, user, Lock::Alone).await?;
        end_in_tx(&mut transaction, user, session, now).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn register_in_tx(
    transaction: &mut Transaction,
    email: &str,
    name: &str,
    hash: &Hash,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<SignedUp, Problem> {
    let id = format!("u-{}", Uuid::new_v4().simple());
    let made = profiles::register_in_tx(transaction, &id, email, name, hash).await?;
    let user = made.ok_or_else(|| {
        Problem::conflict(format!("{email} has an account already: log in, or take another email address"))
            .at("/email")
    })?;
    tell_in_tx(transaction, EventType::UserRegistered, &id, now).await?;
    sessions::store::open_in_tx(transaction, &id, ticket, now).await?;
    Ok(SignedUp { user, session: ticket.session.clone(), at: now })
}

/// Ends the session and tells so, once.
async fn end_in_tx(
    transaction: &mut Transaction,
    user: &str,
    session: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if sessions::store::end_in_tx(transaction, session, now).await? {
        tell_in_tx(transaction, EventType::UserLoggedOut, user, now).await?;
    }
    Ok(())
}

/// The one sentence for an email that nobody has and a password that is not theirs.
fn wrong() -> Problem {
    Problem::unauthenticated("email or password is wrong: try again, or register")
}
