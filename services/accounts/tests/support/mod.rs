//! A database of its own for a test: set DATABASE_URL to a Postgres where databases may be made.

use accounts::{Accounts, MIGRATIONS};
use chassis::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// A database of its own for a test.
pub struct Database {
    server: String,
    name: String,
    pub store: Store,
    pub accounts: Accounts,
}

impl Database {
    pub async fn make() -> Self {
        let server = std::env::var("DATABASE_URL")
            .expect("set DATABASE_URL to a Postgres for tests, or run make test");
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (base, options) =
            server.split_once('?').map_or((server.as_str(), ""), |(base, options)| (base, options));
        let host =
            base.rsplit_once('/').filter(|(left, _)| !left.ends_with('/')).map_or(base, |(left, _)| left);
        let url = format!("{host}/{name}?{options}");
        let store = Store::connect(&url, "accounts", 4, &MIGRATIONS).await.unwrap();
        Self { server, name, accounts: Accounts::new(store.clone()), store }
    }

    pub async fn drop(self) {
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name)))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}
