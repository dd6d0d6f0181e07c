//! Users as they see and change themselves, in their database.

use chassis::Store;
use rest::Problem;

use crate::profile::{Profile, ProfileChange, changed};
use crate::store::profiles::{self, Lock};

/// Reads and changes what users say of themselves.
#[derive(Clone)]
pub struct Profiles {
    store: Store,
}

impl Profiles {
    /// The accounts in `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The user of that id.
    ///
    /// # Errors
    /// 401 when the account is gone, 503 when the database fails.
    pub async fn read(&self, id: &str) -> Result<Profile, Problem> {
        profiles::read(self.store.pool(), id).await?.ok_or_else(gone)
    }

    /// The user as it is after the change.
    ///
    /// # Errors
    /// 422 when it cannot be, 401 when the account is gone, 503 when the database fails.
    pub async fn change(&self, id: &str, change: ProfileChange) -> Result<Profile, Problem> {
        let mut transaction = self.store.begin().await?;
        let found = profiles::locked_in_tx(&mut transaction, id, Lock::Alone).await?;
        let (before, _) = found.ok_or_else(gone)?;
        let after = changed(before, change)?;
        profiles::save_in_tx(&mut transaction, &after).await?;
        transaction.commit().await?;
        Ok(after)
    }
}

fn gone() -> Problem {
    Problem::unauthenticated("the account of this token is gone: register again")
}
