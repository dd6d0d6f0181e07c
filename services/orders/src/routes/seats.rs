//! How many streams are open at the same time: each is a connection, a task and a question for the history every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderValue, StatusCode, header};
use rest::Problem;

use crate::Settings;

/// How long to wait for a seat, in seconds, as it is told.
const SOON: u64 = 5;

/// Who follows orders in this replica.
#[derive(Clone)]
pub struct Seats {
    most: usize,
    most_of_user: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A seat; it is free again when this is dropped.
pub(super) struct Seat {
    user: String,
    seats: Seats,
}

impl Seats {
    /// As many as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let number = |setting: u32| usize::try_from(setting).unwrap_or(usize::MAX);
        Self {
            most: number(settings.live_streams),
            most_of_user: number(settings.live_streams_per_user),
            taken: Arc::default(),
        }
    }

    /// A seat for a stream of `user`.
    ///
    /// # Errors
    /// 429 when the user has as many as one may, 503 when this replica has no more.
    pub(super) fn take(&self, user: &str) -> Result<Seat, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = taken.get(user).copied().unwrap_or(0);
        if of_user >= self.most_of_user {
            let detail = format!(
                "you follow {of_user} orders already, which is all that one may: close a stream first"
            );
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .with_header(header::RETRY_AFTER, HeaderValue::from(SOON)));
        }
        if taken.values().sum::<usize>() >= self.most {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many orders are followed here now: try again in a moment, or read the order from time to time",
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from(SOON)));
        }
        taken.insert(user.to_owned(), of_user + 1);
        Ok(Seat { user: user.to_owned(), seats: self.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_user) = taken.get_mut(&self.user) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_for_each_user_and_for_all() {
        let settings =
            Settings { shop_namespace: "default".into(), live_streams: 3, live_streams_per_user: 2 };
        let seats = Seats::new(&settings);
        let refused = |user: &str| seats.take(user).err().map(|problem| problem.status().as_u16());
        let first = seats.take("u-1").unwrap();
        let second = seats.take("u-1").unwrap();
        assert_eq!(refused("u-1"), Some(429));
        let other = seats.take("u-2").unwrap();
        assert_eq!((refused("u-2"), refused("u-3")), (Some(503), Some(503)));
        drop(second);
        assert_eq!(refused("u-1"), None);
        drop((first, other));
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
