//! Room in memory for pictures on their way: whoever reads slowly keeps a picture in memory for as long.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use rest::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::turn;

/// What a picture may take before its size is known, in kibibytes: the largest as it came, and the same as text.
const LARGEST: u32 = 24 * 1024;
/// How long to wait for room.
const PATIENCE: Duration = Duration::from_secs(2);

/// All the room there is, counted in kibibytes.
pub(super) struct Rooms(Arc<Semaphore>);

/// Room for one picture.
pub(crate) struct Room(OwnedSemaphorePermit);

struct Held {
    bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Rooms {
    pub(super) fn new(mebibytes: u32) -> Self {
        let all = usize::try_from(mebibytes).unwrap_or(usize::MAX).saturating_mul(1024);
        Self(Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))))
    }

    /// Room for the largest picture.
    ///
    /// # Errors
    /// 503 when there is none for a while.
    pub(super) async fn take(&self) -> Result<Room, Problem> {
        turn(&self.0, LARGEST, PATIENCE).await.map(Room)
    }
}

impl Room {
    /// The bytes, which keep as much room as they have until they are sent or nobody wants them any more.
    pub(crate) fn around(mut self, bytes: Vec<u8>) -> Bytes {
        let used = bytes.len().div_ceil(1024).min(self.0.num_permits());
        let room = self.0.split(used);
        Bytes::from_owner(Held { bytes, _room: room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pictures_keep_room_while_they_are_sent_and_who_finds_none_is_sent_away() {
        let rooms = Rooms::new(48);
        let other = rooms.take().await.unwrap().around(vec![0; 10 * 1024 * 1024]);
        let large = rooms.take().await.unwrap().around(vec![0; 10 * 1024 * 1024]);
        let small = rooms.take().await.unwrap().around(vec![0; 1]);
        assert_eq!(rooms.0.available_permits(), 28 * 1024 - 1);
        let another = rooms.take().await.unwrap().around(vec![0; 10 * 1024 * 1024]);
        let refused = rooms.take().await.err().unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        let part = large.slice(..10);
        drop(large);
        assert!(rooms.take().await.is_err(), "a part of it is still to be sent");
        drop(part);
        assert!(rooms.take().await.is_ok());
        drop((small, other, another));
        assert_eq!(rooms.0.available_permits(), 48 * 1024);
        assert!(rooms.take().await.is_ok());
    }
}
