//! The questions that this service answers.

use async_trait::async_trait;
use chassis::Store;
use chassis::questions::Answerer;
use events::questions::{CheckCustomer, CheckCustomerAnswer, Reply};
use uuid::Uuid;

use crate::check::check;
use crate::questions::{AddUser, ListUsers, ListUsersAnswer, SetDisabled, UserAnswer};
use crate::store;
use crate::user::{fault_of_id, normal};

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

    /// Disables or enables an account.
    ///
    /// # Errors
    /// When there is no such account, or the database fails.
    pub async fn set_disabled(&self, question: &SetDisabled) -> Result<UserAnswer, AccountsError> {
        let SetDisabled { id, disabled } = question;
        if let Some(fault) = fault_of_id(id) {
            return Err(AccountsError::Invalid(fault));
        }
        let mut transaction = self.store.begin().await?;
        let Some((user, changed)) = store::set_disabled_in_tx(&mut transaction, id, *disabled).await? else {
            return Err(AccountsError::Invalid(format!(
                "there is no account {id}: see `supercargo accounts list`, or add it"
            )));
        };
        transaction.commit().await?;
        tracing::info!(user = user.id, disabled, changed, "disabled or enabled");
        Ok(UserAnswer { user, changed })
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
        Err(error @ AccountsError::Database(_)) => {
            tracing::warn!(subject, "failed to answer; the asker will ask again: {error}");
            ("unavailable", Reply::Unavailable(error.to_string()))
        }
    };
    metrics::counter!("supercargo_accounts_questions_total", "subject" => subject, "outcome" => outcome)
        .increment(1);
    reply
}

#[async_trait]
impl Answerer<CheckCustomer, CheckCustomerAnswer> for Accounts {
    async fn answer(&self, question: CheckCustomer) -> Reply<CheckCustomerAnswer> {
        reply("check", self.check(&question).await)
    }
}

#[async_trait]
impl Answerer<AddUser, UserAnswer> for Accounts {
    async fn answer(&self, question: AddUser) -> Reply<UserAnswer> {
        reply("add", self.add(question).await)
    }
}

#[async_trait]
impl Answerer<SetDisabled, UserAnswer> for Accounts {
    async fn answer(&self, question: SetDisabled) -> Reply<UserAnswer> {
        reply("set_disabled", self.set_disabled(&question).await)
    }
}

#[async_trait]
impl Answerer<ListUsers, ListUsersAnswer> for Accounts {
    async fn answer(&self, question: ListUsers) -> Reply<ListUsersAnswer> {
        reply("list", self.list(&question).await)
    }
}
