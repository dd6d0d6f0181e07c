//! What the world is told of accounts.

use chassis::Transaction;
use events::{Event, EventError, EventType, UserChanged};
use jiff::Timestamp;

use crate::store;

/// Tells, once the transaction is committed, that something has happened to the account: under its next number.
pub(crate) async fn tell_in_tx(
    transaction: &mut Transaction,
    what: EventType,
    user: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let revision = store::next_revision_in_tx(transaction, user).await?;
    let change = UserChanged { user_id: user.to_owned(), revision };
    let event = event(what, &change, now).map_err(|error| sqlx::Error::Encode(error.into()))?;
    transaction.about("account", user);
    transaction.publish(&event);
    Ok(())
}

/// Its id says which change of which account it is.
fn event(what: EventType, change: &UserChanged, now: Timestamp) -> Result<Event, EventError> {
    let id = format!("{}/{}", change.user_id, change.revision);
    Event::new(what, "accounts", id, &change.user_id, now, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_change_of_an_account_is_told_under_the_same_id() {
        let change = UserChanged { user_id: "u-1".into(), revision: 3 };
        let told = event(EventType::UserDisabled, &change, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((told.attributes.id.as_str(), told.attributes.subject.as_str()), ("u-1/3", "u-1"));
        assert_eq!(told.data, serde_json::json!({"userId": "u-1", "revision": 3}));
    }
}
