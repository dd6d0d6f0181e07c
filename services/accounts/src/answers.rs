//! The questions that this service answers.

use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::{Store, clock};
use events::EventType;
use events::questions::{
    CheckCustomer, CheckCustomerAnswer, CheckSession, ReadKeys, ReadKeysAnswer, Reply, SessionAnswer,
};
use uuid::Uuid;

use crate::check::check;
use crate::logouts::{BroadcastError, Logouts};
use crate::managed::set_disabled_in_tx;
use crate::permissions::{ADMIN, normal as normal_permissions};
use crate::publisher::tell_in_tx;
use crate::questions::{AddUser, GrantAdmin, ListUsers, ListUsersAnswer, SetDisabled, UserAnswer};
use crate::user::{fault_of_id, normal, normal_email};
use crate::{sessions, store, tokens};

/// The accounts in their database.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// It asks for what cannot be; says why.
    #[error("{0}")]
    Invalid(String),
    /// The database failed.
    #[error("the database of accounts failed: {0}")]
    Database(#[from] sqlx::Error),
    /// It is done, but not all services may have heard of it.
    #[error("it is done, but {0}: repeat it")]
    Untold(String),
}

impl From<BroadcastError> for AccountsError {
    fn from(error: BroadcastError) -> Self {
        Self::Untold(error.to_string())
    }
}

/// The accounts, answering.
#[derive(Clone)]
pub(crate) struct Answers {
    accounts: Accounts,
    logouts: Logouts,
}

impl Answers {
    pub(crate) const fn new(accounts: Accounts, logouts: Logouts) -> Self {
        Self { accounts, logouts }
    }

    /// Also where it made no difference: the broadcast after the first time may have failed.
    async fn set_disabled(&self, question: &SetDisabled) -> Result<UserAnswer, AccountsError> {
        let answer = self.accounts.set_disabled(question).await?;
        if question.disabled {
            self.logouts.broadcast().await?;
        }
        Ok(answer)
    }

    async fn grant_admin(&self, question: &GrantAdmin) -> Result<UserAnswer, AccountsError> {
        let answer = self.accounts.grant_admin(question).await?;
        self.logouts.broadcast().await?;
        Ok(answer)
    }
}

impl Accounts {
    /// The accounts in `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// May this customer order?
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check(&self, question: &CheckCustomer) -> Result<CheckCustomerAnswer, AccountsError> {
        let user = match &question.id {
            // What can be no id is unknown, and need not reach the database.
            Some(id) if fault_of_id(id).is_none() => store::user_of_id(self.store.pool(), id).await?,
            Some(_) | None => None,
        };
        Ok(check(question, user.as_ref()))
    }

    /// Makes the account be there.
    ///
    /// # Errors
    /// When it cannot be, its id or email is another account's, or the database fails.
    pub async fn add(&self, question: AddUser) -> Result<UserAnswer, AccountsError> {
        let wish = normal(question).map_err(AccountsError::Invalid)?;
        let id = wish.id.clone().unwrap_or_else(|| format!("u-{}", Uuid::new_v4().simple()));
        let mut transaction = self.store.begin().await?;
        if let Some(user) = store::add_in_tx(&mut transaction, &id, &wish).await? {
            tell_in_tx(&mut transaction, EventType::UserRegistered, &id, clock::now()).await?;
            transaction.commit().await?;
            tracing::info!(user = user.id, "added");
            return Ok(UserAnswer { user, changed: true });
        }
        let AddUser { email, id, name } = &wish;
        let taken = store::taken_in_tx(&mut transaction, &wish).await?;
        match taken.into_iter().next() {
            Some(user) if user.email != *email => Err(AccountsError::Invalid(format!(
                "the id {} belongs to {}: choose another",
                user.id, user.email
            ))),
            Some(user) if id.as_ref().is_some_and(|id| *id != user.id) => Err(AccountsError::Invalid(
                format!("the email {email} belongs to the account {}: choose another", user.id),
            )),
            Some(user) if name.is_some() && *name != user.name => Err(AccountsError::Invalid(format!(
                "the account {} of {email} is there under another name: leave the name out",
                user.id
            ))),
            Some(user) => Ok(UserAnswer { user, changed: false }),
            None => Err(AccountsError::Database(sqlx::Error::RowNotFound)),
        }
    }

    /// Disables an account and ends its sessions, or enables it.
    ///
    /// # Errors
    /// When there is no such account, or the database fails.
    pub async fn set_disabled(&self, question: &SetDisabled) -> Result<UserAnswer, AccountsError> {
        let SetDisabled { id, disabled } = question;
        if let Some(fault) = fault_of_id(id) {
            return Err(AccountsError::Invalid(fault));
        }
        let mut transaction = self.store.begin().await?;
        let done = set_disabled_in_tx(&mut transaction, id, *disabled, clock::now()).await?;
        let Some((user, changed)) = done else {
            return Err(AccountsError::Invalid(format!(
                "there is no account {id}: see `supercargo accounts list`, or add it"
            )));
        };
        transaction.commit().await?;
        tracing::info!(user = user.id, disabled, changed, "disabled or enabled");
        Ok(UserAnswer { user, changed })
    }

    /// Makes an account an admin's.
    ///
    /// # Errors
    /// When there is no such account or it is disabled, or the database fails.
    pub async fn grant_admin(&self, question: &GrantAdmin) -> Result<UserAnswer, AccountsError> {
        let email = normal_email(&question.email).map_err(AccountsError::Invalid)?;
        let mut transaction = self.store.begin().await?;
        let found = store::locked_of_email_in_tx(&mut transaction, &email).await?;
        let Some((user, mut permissions)) = found else {
            return Err(AccountsError::Invalid(format!(
                "there is no account of {email}: register it in the shop first, or see `supercargo accounts list`"
            )));
        };
        if user.disabled {
            return Err(AccountsError::Invalid(format!(
                "the account {} of {email} is disabled: enable it first with `supercargo accounts enable {}`",
                user.id, user.id
            )));
        }
        if permissions.iter().any(|held| held == ADMIN) {
            return Ok(UserAnswer { user, changed: false });
        }
        permissions.push(ADMIN.to_owned());
        let permissions = normal_permissions(permissions);
        store::set_permissions_in_tx(&mut transaction, &user.id, &permissions).await?;
        transaction.commit().await?;
        tracing::info!(user = user.id, "is an admin now");
        Ok(UserAnswer { user, changed: true })
    }

    /// Is this session alive, and whose is it?
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(&self, question: &CheckSession) -> Result<SessionAnswer, AccountsError> {
        // What can be no id is nobody's, and need not reach the database.
        if fault_of_id(&question.session).is_some() {
            return Ok(SessionAnswer::Over);
        }
        let found = sessions::store::identity(self.store.pool(), &question.session, clock::now()).await?;
        Ok(found.map_or(SessionAnswer::Over, SessionAnswer::Alive))
    }

    /// The keys by which tokens are believed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self) -> Result<ReadKeysAnswer, AccountsError> {
        let keys = tokens::store::published(self.store.pool(), clock::now()).await?;
        Ok(ReadKeysAnswer { keys })
    }

    /// A page of the accounts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, question: &ListUsers) -> Result<ListUsersAnswer, AccountsError> {
        let (users, more) = store::page(self.store.pool(), question.after.as_deref()).await?;
        Ok(ListUsersAnswer { users, more })
    }
}

fn reply<A>(subject: &'static str, result: Result<A, AccountsError>) -> Reply<A> {
    let (outcome, reply) = match result {
        Ok(answer) => ("answered", Reply::Answer(answer)),
        Err(AccountsError::Invalid(reason)) => ("invalid", Reply::Invalid(reason)),
        Err(error @ (AccountsError::Database(_) | AccountsError::Untold(_))) => {
            tracing::warn!(subject, "failed to answer; the asker will ask again: {error}");
            ("unavailable", Reply::Unavailable(error.to_string()))
        }
    };
    metrics::counter!("supercargo_accounts_questions_total", "subject" => subject, "outcome" => outcome)
        .increment(1);
    reply
}

#[async_trait]
impl Answerer<CheckCustomer, CheckCustomerAnswer> for Answers {
    async fn answer(&self, question: CheckCustomer) -> Reply<CheckCustomerAnswer> {
        reply("check", self.accounts.check(&question).await)
    }
}

#[async_trait]
impl Answerer<CheckSession, SessionAnswer> for Answers {
    async fn answer(&self, question: CheckSession) -> Reply<SessionAnswer> {
        reply("session", self.accounts.session(&question).await)
    }
}

#[async_trait]
impl Answerer<ReadKeys, ReadKeysAnswer> for Answers {
    async fn answer(&self, ReadKeys {}: ReadKeys) -> Reply<ReadKeysAnswer> {
        reply("keys", self.accounts.keys().await)
    }
}

#[async_trait]
impl Answerer<AddUser, UserAnswer> for Answers {
    async fn answer(&self, question: AddUser) -> Reply<UserAnswer> {
        reply("add", self.accounts.add(question).await)
    }
}

#[async_trait]
impl Answerer<SetDisabled, UserAnswer> for Answers {
    async fn answer(&self, question: SetDisabled) -> Reply<UserAnswer> {
        reply("set_disabled", self.set_disabled(&question).await)
    }
}

#[async_trait]
impl Answerer<GrantAdmin, UserAnswer> for Answers {
    async fn answer(&self, question: GrantAdmin) -> Reply<UserAnswer> {
        reply("grant_admin", self.grant_admin(&question).await)
    }
}

#[async_trait]
impl Answerer<ListUsers, ListUsersAnswer> for Answers {
    async fn answer(&self, question: ListUsers) -> Reply<ListUsersAnswer> {
        reply("list", self.accounts.list(&question).await)
    }
}
