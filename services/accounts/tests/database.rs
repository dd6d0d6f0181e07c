//! Accounts on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use accounts::questions::{AddUser, ListUsers, SetDisabled, UserAnswer};
use accounts::{Accounts, AccountsError, MIGRATIONS};
use chassis::Store;
use events::questions::{CheckCustomer, CheckCustomerAnswer};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// A database of its own for a test.
struct Database {
    server: String,
    name: String,
    store: Store,
    accounts: Accounts,
}

impl Database {
    async fn make() -> Self {
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

    async fn drop(self) {
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name)))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn add(
        &self,
        email: &str,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<UserAnswer, AccountsError> {
        let question =
            AddUser { email: email.into(), id: id.map(str::to_owned), name: name.map(str::to_owned) };
        self.accounts.add(question).await
    }

    async fn set_disabled(&self, id: &str, disabled: bool) -> Result<UserAnswer, AccountsError> {
        self.accounts.set_disabled(&SetDisabled { id: id.into(), disabled }).await
    }

    /// The reason of the refusal, or nothing.
    async fn refusal(&self, id: Option<&str>) -> Option<String> {
        let question = CheckCustomer { id: id.map(str::to_owned), email: "shopper@example.com".into() };
        match self.accounts.check(&question).await.unwrap() {
            CheckCustomerAnswer::Allowed => None,
            CheckCustomerAnswer::Refused(refusal) => Some(refusal.reason),
        }
    }
}

fn reason(result: Result<UserAnswer, AccountsError>) -> String {
    match result {
        Err(AccountsError::Invalid(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn guests_and_enabled_users_pass_and_others_do_not() {
    let database = Database::make().await;
    database.add("shopper@example.com", Some("c-1001"), None).await.unwrap();
    assert_eq!(database.refusal(None).await, None);
    assert_eq!(database.refusal(Some("c-1001")).await, None);
    assert_eq!(database.refusal(Some("c-9999")).await.as_deref(), Some("CustomerUnknown"));
    assert_eq!(database.refusal(Some("no\u{0}id")).await.as_deref(), Some("CustomerUnknown"));
    assert!(database.set_disabled("c-1001", true).await.unwrap().changed);
    assert!(
        !database.set_disabled("c-1001", true).await.unwrap().changed,
        "repeating it makes no difference"
    );
    assert_eq!(database.refusal(Some("c-1001")).await.as_deref(), Some("CustomerDisabled"));
    assert!(!database.set_disabled("c-1001", false).await.unwrap().user.disabled);
    assert_eq!(database.refusal(Some("c-1001")).await, None);
    assert!(reason(database.set_disabled("c-9999", true).await).contains("there is no account c-9999"));
    assert!(reason(database.set_disabled("no id", true).await).contains("not a user id"));
    database.drop().await;
}

#[tokio::test]
async fn an_account_is_added_once_and_an_email_or_id_is_given_once() {
    let database = Database::make().await;
    let added = database.add("Shopper@Example.com", Some("c-1"), Some("A. Shopper")).await.unwrap();
    assert!(added.changed);
    assert_eq!(
        (added.user.email.as_str(), added.user.name.as_deref()),
        ("shopper@example.com", Some("A. Shopper"))
    );
    for (id, name) in [(None, None), (Some("c-1"), None), (Some("c-1"), Some("A. Shopper"))] {
        let again = database.add("shopper@example.com", id, name).await.unwrap();
        assert_eq!(again, UserAnswer { changed: false, ..added.clone() });
    }
    assert!(
        reason(database.add("shopper@example.com", Some("c-2"), None).await)
            .contains("belongs to the account c-1")
    );
    assert!(
        reason(database.add("other@example.com", Some("c-1"), None).await)
            .contains("belongs to shopper@example.com")
    );
    assert!(reason(database.add("shopper@example.com", None, Some("B")).await).contains("another name"));
    assert!(reason(database.add("nobody", None, None).await).contains("not an email address"));
    let made_up = database.add("other@example.com", None, None).await.unwrap().user;
    assert!(made_up.id.starts_with("u-"), "{made_up:?}");
    assert_eq!(database.refusal(Some(&made_up.id)).await, None);
    database.drop().await;
}

#[tokio::test]
async fn many_that_add_the_same_account_at_once_get_the_same_one() {
    let database = Database::make().await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let accounts = database.accounts.clone();
            let question = AddUser { email: "shopper@example.com".into(), id: None, name: None };
            tokio::spawn(async move { accounts.add(question).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| answer.changed).count(), 1);
    assert!(answers.iter().all(|answer| answer.user == answers[0].user));
    database.drop().await;
}

#[tokio::test]
async fn accounts_are_listed_in_the_order_of_their_ids_in_pages() {
    let database = Database::make().await;
    sqlx::raw_sql("INSERT INTO users (id, email) SELECT 'c-' || n, n || '@example.com' FROM generate_series(1000, 1500) n")
        .execute(database.store.pool())
        .await
        .unwrap();
    let first = database.accounts.list(&ListUsers { after: None }).await.unwrap();
    assert_eq!((first.users.len(), first.more, first.users[0].id.as_str()), (500, true, "c-1000"));
    let last = first.users.last().map(|user| user.id.clone());
    let second = database.accounts.list(&ListUsers { after: last }).await.unwrap();
    assert_eq!((second.users.len(), second.more, second.users[0].id.as_str()), (1, false, "c-1500"));
    database.drop().await;
}
