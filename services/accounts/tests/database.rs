//! Accounts on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use accounts::AccountsError;
use accounts::questions::{AddUser, GrantAdmin, ListUsers, SetDisabled, UserAnswer};
use events::questions::{CheckCustomer, CheckCustomerAnswer};

use support::Database;

impl Database {
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

#[tokio::test]
async fn an_admin_is_made_once_and_only_of_an_account_that_is_there_and_enabled() {
    let database = Database::make().await;
    let grant = |email: &str| {
        let (accounts, email) = (database.accounts.clone(), email.to_owned());
        async move { accounts.grant_admin(&GrantAdmin { email }).await }
    };
    assert!(
        reason(grant("shopper@example.com").await).contains("there is no account of shopper@example.com")
    );
    assert!(reason(grant("nobody").await).contains("not an email address"));
    database.add("shopper@example.com", Some("c-1"), None).await.unwrap();
    assert!(grant("Shopper@Example.com").await.unwrap().changed);
    assert!(!grant("shopper@example.com").await.unwrap().changed);
    let held: Vec<String> = sqlx::query_scalar("SELECT permissions FROM users WHERE id = 'c-1'")
        .fetch_one(database.store.pool())
        .await
        .unwrap();
    assert_eq!(held, ["admin"]);
    database.set_disabled("c-1", true).await.unwrap();
    assert!(reason(grant("shopper@example.com").await).contains("disabled"));
    database.drop().await;
}

#[tokio::test]
async fn every_change_is_told_under_the_next_number_of_its_account() {
    let database = Database::make().await;
    database.add("shopper@example.com", Some("c-1"), None).await.unwrap();
    database.add("shopper@example.com", Some("c-1"), None).await.unwrap();
    for disabled in [true, true, false] {
        database.set_disabled("c-1", disabled).await.unwrap();
    }
    let told: Vec<(String, String)> =
        sqlx::query_as("SELECT message_key, body->>'eventType' FROM outbox ORDER BY id")
            .fetch_all(database.store.pool())
            .await
            .unwrap();
    let expected = [("c-1/1", "registered"), ("c-1/2", "disabled"), ("c-1/3", "enabled")];
    assert_eq!(told, expected.map(|(id, what)| (id.to_owned(), format!("dev.supercargo.user.{what}.v1"))));
    database.drop().await;
}
