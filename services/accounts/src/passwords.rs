//! Passwords: argon2id with the library's defaults, two at a time.
//!
//! A hash takes 19 MiB and tens of milliseconds on purpose, so few are made at once and few may wait: whoever comes when the queue
//! is full is sent away at once rather than kept until nobody waits for the answer any more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{self, SaltString};
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use rest::Problem;
use serde::Deserialize;
use tokio::sync::Semaphore;

const AT_ONCE: usize = 2;
const WAITING_AT_MOST: usize = 64;

/// What somebody types to log in. It is shown nowhere.
#[derive(Deserialize, Clone, PartialEq, Eq)]
pub struct Password(String);

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(hidden)")
    }
}

/// The hash of a password, as PHC text. It is shown nowhere either.
#[derive(Clone)]
pub(crate) struct Hash(String);

impl Hash {
    pub(crate) const fn of(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hash(hidden)")
    }
}

/// Hashes and verifies passwords.
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Of a password that nobody has: verified where there is no hash, so that the answer takes as long.
    dummy: Hash,
}

impl Passwords {
    /// # Errors
    /// When no hash can be made, which would be a defect of the library.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let nobodys: [u8; 32] = rand::random();
        let made = tokio::task::spawn_blocking(move || hash(&nobodys)).await?;
        let dummy = made.map_err(|error| anyhow::anyhow!("failed to hash a password: {error}"))?;
        Ok(Self { slots: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0), dummy })
    }

    /// The hash to keep.
    ///
    /// # Errors
    /// 503 when too many wait.
    pub(crate) async fn hash(&self, password: Password) -> Result<Hash, Problem> {
        self.in_turn(move || hash(password.0.as_bytes())).await?.map_err(|error| {
            tracing::error!("failed to hash a password: {error}");
            Problem::unavailable("the password could not be kept: send the same request again in a moment")
        })
    }

    /// True when `password` is the one of `kept`; without one it is false, after as long a time.
    ///
    /// # Errors
    /// 503 when too many wait.
    pub(crate) async fn verify(&self, password: Password, kept: Option<Hash>) -> Result<bool, Problem> {
        let there = kept.is_some();
        let hash = kept.unwrap_or_else(|| self.dummy.clone());
        let right = self.in_turn(move || verifies(password.0.as_bytes(), &hash)).await?;
        Ok(there && right)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Place::take(&self.waiting)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| too_busy())?;
        drop(place);
        // The slot goes with the work, which goes on when nobody waits for it any more.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        working.await.map_err(|error| {
            tracing::error!("hashing a password was broken off: {error}");
            too_busy()
        })
    }
}

/// A place in the queue, given up when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Problem> {
        let before = waiting.fetch_add(1, Ordering::SeqCst);
        let place = Self(waiting);
        if before < WAITING_AT_MOST { Ok(place) } else { Err(too_busy()) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn too_busy() -> Problem {
    Problem::unavailable("too many people log in right now: send the same request again in a moment")
}

fn hash(password: &[u8]) -> Result<Hash, password_hash::Error> {
    let salt: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&salt)?;
    Ok(Hash(Argon2::default().hash_password(password, &salt)?.to_string()))
}

fn verifies(password: &[u8], hash: &Hash) -> bool {
    PasswordHash::new(&hash.0).is_ok_and(|known| Argon2::default().verify_password(password, &known).is_ok())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn only_the_password_that_was_kept_is_the_right_one() {
        let passwords = Passwords::open().await.unwrap();
        let kept = passwords.hash("correct horse".into()).await.unwrap();
        assert!(kept.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify("correct horse".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.verify("correct house".into(), Some(kept)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn whoever_comes_when_the_queue_is_full_is_sent_away_at_once() {
        let dummy = Hash::of(String::new());
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let passwords = Passwords { slots: slots.clone(), waiting: AtomicUsize::new(0), dummy };
        let held = slots.acquire_many(2).await.unwrap();
        let mut queue = Box::pin(join_all((0..WAITING_AT_MOST).map(|_| passwords.in_turn(|| ()))));
        assert!(queue.as_mut().now_or_never().is_none(), "all wait");
        let refused = passwords.in_turn(|| ()).now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.status().as_u16(), 503);
        drop(held);
        assert!(queue.await.into_iter().all(|done| done.is_ok()));
        assert!(passwords.in_turn(|| ()).await.is_ok(), "there is room again");
    }

    #[test]
    fn neither_a_password_nor_its_hash_is_shown() {
        let hidden = format!("{:?} {:?}", Password::from("correct horse"), Hash::of("$argon2id$x".into()));
        assert!(!hidden.contains("horse") && !hidden.contains("argon2"), "{hidden}");
    }
}
