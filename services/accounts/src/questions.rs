//! The questions of the command line, answered by this service; safe to repeat.

use events::questions::Question;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id, as orders name it in `spec.customer.id`.
    pub id: String,
    /// The email address, in small letters; no two accounts have the same.
    pub email: String,
    /// What to call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True: they cannot order.
    pub disabled: bool,
    /// Since when there is the account.
    pub created_at: Timestamp,
}

/// Let there be this account. One that is there just so already is the answer; one that is there otherwise is refused.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AddUser {
    /// The email address.
    pub email: String,
    /// The id to give; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What to call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The answer to [`AddUser`], [`SetDisabled`] and [`GrantAdmin`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UserAnswer {
    /// The account as it is now.
    pub user: User,
    /// False when it was just so before.
    pub changed: bool,
}

impl Question for AddUser {
    type Answer = UserAnswer;
    const SUBJECT: &'static str = "accounts.add";
}

/// Let this account order no more, or again.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SetDisabled {
    /// The account's id.
    pub id: String,
    /// True: they cannot order.
    pub disabled: bool,
}

impl Question for SetDisabled {
    type Answer = UserAnswer;
    const SUBJECT: &'static str = "accounts.set_disabled";
}

/// Let this account be an admin's.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GrantAdmin {
    /// The account's email address.
    pub email: String,
}

impl Question for GrantAdmin {
    type Answer = UserAnswer;
    const SUBJECT: &'static str = "accounts.grant_admin";
}

/// Which accounts are there? In the order of the id, in pages of at most 500.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ListUsers {
    /// Only accounts after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The answer to [`ListUsers`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ListUsersAnswer {
    /// The accounts.
    pub users: Vec<User>,
    /// True when there are more after the last one.
    pub more: bool,
}

impl Question for ListUsers {
    type Answer = ListUsersAnswer;
    const SUBJECT: &'static str = "accounts.list";
}
