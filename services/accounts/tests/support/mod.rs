//! A database of its own for a test: set DATABASE_URL to a Postgres where databases may be made.

#![allow(dead_code, reason = "each test file uses a part of it")]

use accounts::{Accounts, MIGRATIONS};
use chassis::Store;
use testkit::ScratchDatabase;

/// A database of its own for a test.
pub struct Database {
    scratch: ScratchDatabase,
    pub store: Store,
    pub accounts: Accounts,
}

impl Database {
    pub async fn make() -> Self {
        let scratch = ScratchDatabase::make().await;
        let store = Store::connect(&scratch.url, "accounts", 4, &MIGRATIONS).await.unwrap();
        Self { scratch, accounts: Accounts::new(store.clone()), store }
    }

    pub async fn drop(self) {
        self.store.pool().close().await;
        self.scratch.drop().await;
    }
}
