//! A mailbox: real SMTP in, a page and JSON out. It keeps every delivery, repeated ones too.

mod connection;
mod page;
mod routes;
mod smtp;
mod store;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;

pub(crate) use self::connection::listen;
use self::store::Store;
use crate::faults::FaultBox;

/// The mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    store: Store,
    faults: FaultBox,
}

impl Mailbox {
    /// Opens the mailbox kept in the folder.
    pub fn open(folder: &Path) -> anyhow::Result<Arc<Mailbox>> {
        let store = Store::open(&folder.join("mailbox.journal"))?;
        // SMTP has answers of its own for an injected fault.
        Ok(Arc::new(Mailbox { store, faults: FaultBox::new(StatusCode::into_response) }))
    }

    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        routes::router(self).merge(self.faults.routes())
    }

    /// Ends when the journal cannot be written any more.
    pub async fn broken(&self) -> anyhow::Error {
        self.store.broken().await
    }
}
