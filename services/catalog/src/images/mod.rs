//! Pictures: taken by anyone who is logged in, shown to everybody.
//!
//! # Guarantees
//! - What is kept was decoded whole: it is the PNG or JPEG that it says.
//! - A picture's id is the hash of its bytes: the same picture is kept once, and what an id shows never changes.
//! - Little memory is taken at a time: two pictures are decoded at most, a large one alone; few are received together; and those
//!   on their way to clients have a bounded room.
//! - A smaller width is made once and kept, and of a picture there is a bounded number of them.

mod data_url;
mod jpeg;
mod picture;
mod room;
pub(crate) mod widths;

use std::sync::Arc;
use std::time::Duration;

use chassis::Store;
use rest::{IdempotencyKey, Problem, Stored};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::picture::Fault;
pub(crate) use self::room::Room;
use self::room::Rooms;
use self::widths::{MOST_OTHERS, below, is_on_the_ladder, width_to_show};
use crate::Settings;
use crate::store::images as store;
pub(crate) use crate::store::images::Meta;

/// How many pictures are decoded at the same time.
const AT_ONCE: u32 = 2;
/// A picture with more pixels is decoded alone.
const MOST_PIXELS_WITH_OTHERS: u64 = 12_000_000;
/// How many kibibytes of uploads are received at the same time: four of the largest, or many small ones.
const UPLOADS_AT_ONCE: u32 = 4 * LARGEST_UPLOAD;
/// The largest of them, and what the smallest counts: its picture is larger than it.
const LARGEST_UPLOAD: u32 = 15 * 1024;
const SMALLEST_UPLOAD: u32 = 1024;
/// How long to wait for a turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many pictures a user may bring who does not edit the catalog.
const MOST_OF_A_USER: i64 = 1000;

/// What a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Kind {
    /// Its media type.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// What begins so.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else {
            None
        }
    }
}

/// A picture that was taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TakenImage {
    /// Its id: the SHA-256 of its bytes.
    pub id: String,
    /// Its width in pixels, as it is shown.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

/// Who brings a picture.
#[derive(Clone, Copy, Debug)]
pub struct Uploader<'a> {
    /// The user's id.
    pub user: &'a str,
    /// True when they edit the catalog, which may have any number of pictures.
    pub editor: bool,
}

/// The pictures on their database.
pub struct Images {
    store: Store,
    uploads: Arc<Semaphore>,
    decoding: Arc<Semaphore>,
    rooms: Rooms,
}

impl Images {
    /// Those in `store`.
    #[must_use]
    pub fn new(store: Store, settings: &Settings) -> Self {
        let number = |of: u32| usize::try_from(of).unwrap_or(1);
        Self {
            store,
            uploads: Arc::new(Semaphore::new(number(UPLOADS_AT_ONCE))),
            decoding: Arc::new(Semaphore::new(number(AT_ONCE))),
            rooms: Rooms::new(settings.image_memory),
        }
    }

    /// A turn to be received, for a body of so many bytes, as it says of itself.
    pub(crate) async fn turn(&self, length: Option<u64>) -> Result<OwnedSemaphorePermit, Problem> {
        turn(&self.uploads, share_of(length), PATIENCE).await
    }

    /// Room for a picture that is to be sent.
    pub(crate) async fn room(&self) -> Result<Room, Problem> {
        self.rooms.take().await
    }

    /// Takes the picture of a data URL, once for each key.
    ///
    /// # Errors
    /// 413 when it is too large, 422 when it is no picture that can be decoded, 409 when the user has brought too many, 503 when
    /// too many are at it or the database fails.
    pub async fn take(
        &self,
        data: String,
        uploader: Uploader<'_>,
        key: &IdempotencyKey,
    ) -> Result<Stored, Problem> {
        let read = blocking(move || {
            let (kind, bytes) = data_url::read(&data)?;
            let meta = picture::measure(kind, &bytes).map_err(data_url::refused)?;
            Ok::<_, Problem>((Arc::new(bytes), meta))
        });
        let (bytes, meta) = read.await.map_err(data_url::refused)??;
        let permit = self.turn_to_decode(meta).await?;
        let whole = bytes.clone();
        let check = blocking(move || {
            let checked = picture::check(meta.kind, &whole);
            drop(permit);
            checked.map(|()| hex::encode(Sha256::digest(&*whole)))
        });
        let id = check.await.flatten().map_err(data_url::refused)?;
        let Uploader { user, editor } = uploader;
        let owner = user.to_owned();
        let answer = TakenImage { id: id.clone(), width: meta.width, height: meta.height };
        rest::once(
            &self.store,
            user,
            key,
            &("uploadImage", &answer),
            axum::http::StatusCode::CREATED,
            |transaction| {
                let answer = answer.clone();
                Box::pin(async move {
                    if !editor && store::count_of_user_in_tx(transaction, &owner).await? >= MOST_OF_A_USER {
                        return Err(Problem::conflict(format!(
                            "you have brought {MOST_OF_A_USER} pictures, which is all that a user may"
                        )));
                    }
                    store::keep_in_tx(transaction, &id, meta, &bytes, &owner).await?;
                    Ok(answer)
                })
            },
        )
        .await
    }

    /// What the picture of that id is.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(crate) async fn meta(&self, id: &str) -> Result<Meta, Problem> {
        let known = if is_id(id) { store::meta(self.store.pool(), id).await? } else { None };
        known.ok_or_else(absent)
    }

    /// The width in which a picture is shown when `wanted` is asked for, which is what it is from then on; `None` as it came.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub(crate) async fn width(
        &self,
        id: &str,
        meta: Meta,
        wanted: Option<u32>,
    ) -> Result<Option<u32>, Problem> {
        let Some(width) = width_to_show(wanted, meta.width) else { return Ok(None) };
        if is_on_the_ladder(width) {
            return Ok(Some(width));
        }
        let others = store::others(self.store.pool(), id, width).await?;
        let made_or_room = others.has_it || others.count < MOST_OTHERS;
        Ok(Some(if made_or_room { width } else { below(width) }))
    }

    /// Makes a picture in a width that is less than its own, where it was not made before.
    ///
    /// # Errors
    /// 404 when there is none, 503 when too many are being made or the database fails.
    pub(crate) async fn prepare(&self, id: &str, meta: Meta, width: u32) -> Result<(), Problem> {
        let pool = self.store.pool();
        if store::has_width(pool, id, width).await? {
            return Ok(());
        }
        let permit = self.turn_to_decode(meta).await?;
        // Another who waited for a turn may have made it.
        if store::has_width(pool, id, width).await? {
            return Ok(());
        }
        let whole = store::bytes(pool, id).await?.ok_or_else(absent)?;
        let made = blocking(move || {
            let made = picture::shrink(meta.kind, &whole, width);
            drop(permit);
            made
        });
        let made = made.await.flatten().map_err(|fault| {
            tracing::error!(id, width, "failed to make a picture smaller that was decoded before: {fault}");
            Problem::unavailable("the picture cannot be made smaller now: ask for it without a width")
        })?;
        let mut transaction = self.store.begin().await?;
        store::keep_width_in_tx(&mut transaction, id, width, &made).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The bytes of a picture: as they came, or in a width that is prepared.
    ///
    /// # Errors
    /// 404 when there is none, 503 when the database fails, or others took the last place for a width.
    pub(crate) async fn bytes(&self, id: &str, width: Option<u32>) -> Result<Vec<u8>, Problem> {
        let pool = self.store.pool();
        let Some(width) = width else { return store::bytes(pool, id).await?.ok_or_else(absent) };
        let bytes = store::bytes_of_width(pool, id, width).await?;
        bytes.ok_or_else(|| {
            Problem::unavailable(
                "the picture is not made in this width any more: send the same request again",
            )
        })
    }

    /// A turn to decode a picture; a large one has to itself what others share.
    async fn turn_to_decode(&self, meta: Meta) -> Result<OwnedSemaphorePermit, Problem> {
        let large = u64::from(meta.width) * u64::from(meta.height) > MOST_PIXELS_WITH_OTHERS;
        turn(&self.decoding, if large { AT_ONCE } else { 1 }, PATIENCE).await
    }
}

/// How much of what is received at the same time an upload takes; one that does not say how large it is may be the largest.
fn share_of(length: Option<u64>) -> u32 {
    let kibibytes =
        length.map_or(LARGEST_UPLOAD, |bytes| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX));
    kibibytes.clamp(SMALLEST_UPLOAD, LARGEST_UPLOAD)
}

/// A turn, waited for with patience.
async fn turn(
    turns: &Arc<Semaphore>,
    share: u32,
    patience: Duration,
) -> Result<OwnedSemaphorePermit, Problem> {
    let waiting = turns.clone().acquire_many_owned(share);
    match tokio::time::timeout(patience, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => {
            Err(Problem::unavailable("too many pictures are being worked on: try again in a moment"))
        }
    }
}

/// Does `work` where nobody waits for the thread. A decoder that panics has met bytes that are no picture.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!("a decoder failed: {error}");
        Fault::Broken("its decoder failed".to_owned())
    })
}

fn absent() -> Problem {
    Problem::absent("there is no picture of that id")
}

/// True of what may be an id of a picture.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_in_the_first_bytes() {
        assert_eq!(Kind::of(b"\x89PNG\r\n\x1a\n rest"), Some(Kind::Png));
        assert_eq!(Kind::of(&[0xff, 0xd8, 0xff, 0xdb]), Some(Kind::Jpeg));
        for other in [&b"GIF89a"[..], b"<svg", b"", b"\x89PN", b"RIFF0000WEBP"] {
            assert_eq!(Kind::of(other), None);
        }
    }

    #[test]
    fn an_upload_takes_its_share_of_what_is_received_at_once() {
        assert_eq!(share_of(Some(10)), SMALLEST_UPLOAD);
        assert_eq!(share_of(Some(3 * 1024 * 1024)), 3 * 1024);
        assert_eq!((share_of(None), share_of(Some(u64::MAX))), (LARGEST_UPLOAD, LARGEST_UPLOAD));
    }

    #[test]
    fn only_a_hash_is_an_id() {
        assert!(is_id(&"0a".repeat(32)));
        for other in ["", "0a", &"0A".repeat(32), &"0g".repeat(32), &"a".repeat(65), "mug.png"] {
            assert!(!is_id(other), "{other}");
        }
    }
}
