//! A database of a test's own, on the Postgres of `DATABASE_URL`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test without its database cannot go on")]

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// A database that nobody else uses. It stays until [`ScratchDatabase::drop`], also when the test fails.
pub struct ScratchDatabase {
    server: String,
    name: String,
    /// Where it is.
    pub url: String,
}

impl ScratchDatabase {
    /// An empty one.
    ///
    /// # Panics
    /// When `DATABASE_URL` is not set, or leads to no Postgres where databases may be made.
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
        Self { server, name, url }
    }

    /// Drops it, with whoever is still connected.
    ///
    /// # Panics
    /// When it cannot be dropped.
    pub async fn drop(self) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name)))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}
