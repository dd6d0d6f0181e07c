//! Accounts as an admin sees them, and what an admin does with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::{Store, Transaction};
use events::EventType;
use jiff::Timestamp;
use rest::{Page, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::permissions::{Asker, Subject, judge_change, judge_disabling, judge_names, normal};
use crate::publisher::tell_in_tx;
use crate::questions::User;
use crate::sessions;
use crate::store::{self, managed};
use crate::user::{fault_of_id, kept_email};

/// A user, as an admin sees them.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ManagedUser {
    /// The id.
    pub id: String,
    /// The email address.
    pub email: String,
    /// What to call them.
    pub name: Option<String>,
    /// Their telephone number.
    pub phone: Option<String>,
    /// What they may; `admin` stands for all.
    pub permissions: Vec<String>,
    /// True: they can neither log in nor order.
    pub disabled: bool,
    /// Since when there is the account.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// What a user may from now on.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// All of it: permissions by name, such as `catalog:write`; `admin` stands for all.
    #[schemars(length(max = 50), inner(length(max = 63), regex(pattern = "^[a-z]+(:[a-z]+)?$")))]
    pub permissions: Vec<String>,
}

/// Manages accounts, for those who may; who may is judged before.
#[derive(Clone)]
pub struct Administration {
    store: Store,
    /// The permissions that something asks for.
    known: Arc<BTreeSet<String>>,
}

impl Administration {
    /// The accounts in `store`; `known` are the permissions that the services ask for.
    #[must_use]
    pub fn new(store: Store, known: BTreeSet<String>) -> Self {
        Self { store, known: Arc::new(known) }
    }

    /// At most `limit` accounts after `after`, in the order of the id.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub async fn page(&self, after: Option<&str>, limit: u32) -> Result<Page<ManagedUser>, Problem> {
        let users = managed::page(self.store.pool(), after, limit).await?;
        Ok(Page::of(users, limit, |user| user.id.clone()))
    }

    /// The account of exactly that email, as a page.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub async fn of_email(&self, email: &str) -> Result<Page<ManagedUser>, Problem> {
        let found = managed::of_email(self.store.pool(), &kept_email(email)).await?;
        Ok(Page { items: found.into_iter().collect(), next: None })
    }

    /// Changes what an account may; those who ask for its sessions later are told so.
    ///
    /// # Errors
    /// 404 when there is no such account; 403 when the asker is no admin and `admin` is given or taken; 409 when the last
    /// admin would be gone; 422 when nothing asks for a permission; 503 when the database fails.
    pub async fn permit(
        &self,
        asker: Asker<'_>,
        id: &str,
        wished: Permissions,
    ) -> Result<ManagedUser, Problem> {
        let wished = normal(wished.permissions);
        let mut transaction = self.store.begin().await?;
        managed::alone_with_admins_in_tx(&mut transaction).await?;
        let user = found(managed::locked_in_tx(&mut transaction, known(id)?).await?, id)?;
        judge_names(&self.known, &user.permissions, &wished)?;
        let others = managed::has_other_admin_in_tx(&mut transaction, id).await?;
        judge_change(asker, Subject { id, permissions: &user.permissions }, &wished, others)?;
        store::set_permissions_in_tx(&mut transaction, id, &wished).await?;
        transaction.commit().await?;
        tracing::info!(user = id, by = asker.id, permissions = wished.join(" "), "permissions changed");
        Ok(ManagedUser { permissions: wished, ..user })
    }

    /// Disables an account and ends its sessions, or enables it.
    ///
    /// # Errors
    /// 404 when there is no such account; 409 when it is the asker's own; 403 when it is an admin's and the asker is
    /// none; 503 when the database fails.
    pub async fn set_disabled(
        &self,
        asker: Asker<'_>,
        id: &str,
        disabled: bool,
        now: Timestamp,
    ) -> Result<ManagedUser, Problem> {
        let mut transaction = self.store.begin().await?;
        managed::alone_with_admins_in_tx(&mut transaction).await?;
        let user = found(managed::locked_in_tx(&mut transaction, known(id)?).await?, id)?;
        if disabled {
            judge_disabling(asker, Subject { id, permissions: &user.permissions })?;
        }
        set_disabled_in_tx(&mut transaction, id, disabled, now).await?;
        transaction.commit().await?;
        tracing::info!(user = id, by = asker.id, disabled, "disabled or enabled");
        Ok(ManagedUser { disabled, ..user })
    }
}

/// Disables the account and ends its sessions, or enables it, and tells so; with whether that made a difference. `None` when
/// there is no such account.
pub(crate) async fn set_disabled_in_tx(
    transaction: &mut Transaction,
    id: &str,
    disabled: bool,
    now: Timestamp,
) -> Result<Option<(User, bool)>, sqlx::Error> {
    let Some((user, changed)) = store::set_disabled_in_tx(transaction, id, disabled).await? else {
        return Ok(None);
    };
    if disabled {
        sessions::store::end_all_in_tx(transaction, id, now).await?;
    }
    if changed {
        let what = if disabled { EventType::UserDisabled } else { EventType::UserEnabled };
        tell_in_tx(transaction, what, id, now).await?;
    }
    Ok(Some((user, changed)))
}

/// What can be no id need not reach the database.
fn known(id: &str) -> Result<&str, Problem> {
    if fault_of_id(id).is_none() { Ok(id) } else { Err(nobody(id)) }
}

fn found(user: Option<ManagedUser>, id: &str) -> Result<ManagedUser, Problem> {
    user.ok_or_else(|| nobody(id))
}

fn nobody(id: &str) -> Problem {
    let shown: String = id.chars().take(63).collect();
    Problem::absent(format!("there is no user {shown:?}: see GET /users"))
}
