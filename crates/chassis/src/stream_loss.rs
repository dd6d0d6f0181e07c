//! Notices that the stream of events was lost and made anew, as when NATS starts with an empty disk.
//!
//! A stream tells when it was made. Each reader keeps in its database which one it knows.

use anyhow::Context as _;
use events::streams;

use crate::{Platform, Store, Transaction};

/// A stream that the reader does not know yet.
pub struct NewStream {
    reader: &'static str,
    made_at: String,
}

impl NewStream {
    /// From now on the reader knows it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(&self, transaction: &mut Transaction) -> Result<(), sqlx::Error> {
        note(transaction, self.reader, &self.made_at).await
    }
}

/// The stream of events, when it is another than the one that `reader` knows. The first one is no news.
///
/// # Errors
/// When JetStream or the database does not answer.
pub async fn new_stream(
    platform: &Platform,
    store: &Store,
    reader: &'static str,
) -> anyhow::Result<Option<NewStream>> {
    let stream =
        platform.jetstream.get_stream(streams::EVENTS).await.context("failed to look at the stream")?;
    let made_at = stream.cached_info().created.unix_timestamp_nanos().to_string();
    let known: Option<String> = sqlx::query_scalar("SELECT made_at FROM known_streams WHERE reader = $1")
        .bind(reader)
        .fetch_optional(store.pool())
        .await
        .context("failed to read which stream is known")?;
    match known {
        Some(known) if known == made_at => Ok(None),
        Some(_) => Ok(Some(NewStream { reader, made_at })),
        None => {
            let mut transaction = store.begin().await?;
            note(&mut transaction, reader, &made_at).await?;
            transaction.commit().await?;
            Ok(None)
        }
    }
}

async fn note(transaction: &mut Transaction, reader: &str, made_at: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO known_streams (reader, made_at) VALUES ($1, $2)
         ON CONFLICT (reader) DO UPDATE SET made_at = excluded.made_at",
    )
    .bind(reader)
    .bind(made_at)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
