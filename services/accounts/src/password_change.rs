//! Another password for somebody who knows the present one.

use jiff::Timestamp;
use rest::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::entrance::Entrance;
use crate::guesses::{Guess, Origin};
use crate::passwords::{Hash, Password};
use crate::publisher::tell_in_tx;
use crate::sessions;
use crate::store::profiles::{self, Lock};
use events::EventType;

/// Somebody takes another password.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present one: a token alone, which may be stolen, is not enough.
    #[schemars(with = "String", length(max = 1000))]
    pub current: Password,
    /// What they will log in with.
    #[schemars(with = "String", length(min = 8, max = 200))]
    pub new: Password,
}

/// Whose password is changed, and in which session: that one stays, all others end.
#[derive(Clone, Copy, Debug)]
pub struct Changer<'a> {
    /// The user's id.
    pub id: &'a str,
    /// Their email address.
    pub email: &'a str,
    /// The session.
    pub session: &'a str,
}

/// What the passwords of a change are.
enum Verified {
    /// The present one is right.
    Current,
    /// The new one is the account's already.
    Done,
    /// Neither is the account's.
    Wrong,
}

impl Entrance {
    /// Replaces the password and ends all other sessions of the account: whoever had the old one is out. A change that is sent
    /// again, as its answer was lost, is done already.
    ///
    /// # Errors
    /// 422 when the present password is another one; 429 when that was so too often; 409 when it was changed at the same time;
    /// 403 when the account is disabled; 503 when the database fails or too many wait.
    pub async fn change_password(
        &self,
        changer: Changer<'_>,
        change: PasswordChange,
        origin: Origin<'_>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let pool = self.store.pool();
        let known = profiles::credentials_of_email(pool, changer.email).await?;
        let kept = known.filter(|known| known.id == changer.id).and_then(|known| known.hash);
        let guess = Guess::begin(pool, changer.email, origin, false, now).await?;
        let verified = self.verify_change(&change, kept.clone()).await;
        if !matches!(verified, Ok(Verified::Wrong)) {
            guess.was_none(pool).await;
        }
        let kept = match (verified?, kept) {
            (Verified::Done, _) => return Ok(()),
            (Verified::Current, Some(kept)) => kept,
            (Verified::Current | Verified::Wrong, _) => {
                return Err(
                    Problem::invalid("this is not the present password of the account").at("/current")
                );
            }
        };
        let hash = self.passwords.hash(change.new).await?;
        let mut transaction = self.store.begin().await?;
        self.enabled_in_tx(&mut transaction, changer.id, Lock::Alone).await?;
        if !profiles::replace_hash_in_tx(&mut transaction, changer.id, &kept, &hash).await? {
            return Err(Problem::conflict("the password was changed at the same time: log in again"));
        }
        if sessions::store::end_others_in_tx(&mut transaction, changer.id, changer.session, now).await? {
            tell_in_tx(&mut transaction, EventType::UserLoggedOut, changer.id, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn verify_change(&self, change: &PasswordChange, kept: Option<Hash>) -> Result<Verified, Problem> {
        if self.passwords.verify(change.current.clone(), kept.clone()).await? {
            return Ok(Verified::Current);
        }
        let done = self.passwords.verify(change.new.clone(), kept).await?;
        Ok(if done { Verified::Done } else { Verified::Wrong })
    }
}
