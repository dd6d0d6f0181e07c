//! Pages of articles as they are sent, kept for a moment.
//!
//! Everybody looks at the same few pages, and a page costs a query and the writing of its JSON: kept for a second, a page costs
//! that once a second, however many ask. While it is made, all who ask for it wait for the one who makes it.
//!
//! # Guarantees
//! - After a change of an article through this replica no page from before it is sent.
//! - A change through another replica, and of a stock level, shows after a second at most: levels change with every order, and
//!   would leave nothing to keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use moka::sync::Cache;
use tokio::sync::OnceCell;

const KEPT_FOR: Duration = Duration::from_secs(1);
/// How many bytes of pages are kept.
const AT_MOST: u64 = 32 * 1024 * 1024;
/// What an entry takes besides its body, or before it has one.
const OVERHEAD: u32 = 1024;

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Browse {
    /// What is searched for, as a shopper types it.
    pub query: Option<String>,
    /// The category.
    pub category: Option<String>,
    /// How many articles.
    pub limit: u32,
    /// The SKU after which the page begins; empty for the first page.
    pub after: String,
}

/// A page as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// JSON.
    pub body: Bytes,
    /// Its entity tag.
    pub tag: String,
}

/// The number of changes that a page was asked for after, and which page it is: after a change nobody finds what was made before.
type Key = (u64, Browse);

/// The pages that are kept.
pub(crate) struct Pages {
    changes: AtomicU64,
    kept: Cache<Key, Arc<OnceCell<Rendered>>>,
}

impl Default for Pages {
    fn default() -> Self {
        let weigh = |_: &Key, page: &Arc<OnceCell<Rendered>>| {
            let body = page.get().map_or(0, |page| u32::try_from(page.body.len()).unwrap_or(u32::MAX));
            body.saturating_add(OVERHEAD)
        };
        let kept = Cache::builder().max_capacity(AT_MOST).weigher(weigh).time_to_live(KEPT_FOR).build();
        Self { changes: AtomicU64::new(0), kept }
    }
}

impl Pages {
    /// Lets all pages go: an article has changed, and the change is committed.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The page, made by `make` where it is not kept.
    ///
    /// # Errors
    /// Those of `make`; then the next who asks makes it.
    pub(crate) async fn get<E, F>(&self, browse: Browse, make: impl FnOnce() -> F) -> Result<Rendered, E>
    where
        F: Future<Output = Result<Rendered, E>>,
    {
        let key = (self.changes.load(Ordering::SeqCst), browse);
        if let Some(page) = self.kept.get(&key)
            && let Some(page) = page.get()
        {
            return Ok(page.clone());
        }
        let cell = self.kept.get_with_by_ref(&key, Arc::default);
        let mut made = false;
        let page = cell
            .get_or_try_init(|| {
                made = true;
                make()
            })
            .await?
            .clone();
        if made {
            // Once more, so that it is weighed with its body.
            self.kept.insert(key, cell);
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn first() -> Browse {
        Browse { query: None, category: None, limit: 20, after: String::new() }
    }

    fn page(text: &'static str) -> Rendered {
        Rendered { body: Bytes::from_static(text.as_bytes()), tag: text.to_owned() }
    }

    async fn get(pages: &Pages, browse: Browse, text: &'static str) -> String {
        pages.get(browse, async || Ok::<_, Infallible>(page(text))).await.unwrap().tag
    }

    #[tokio::test]
    async fn a_page_is_made_once_until_something_changes() {
        let pages = Pages::default();
        assert_eq!(get(&pages, first(), "one").await, "one");
        assert_eq!(get(&pages, first(), "two").await, "one");
        let other = Browse { limit: 21, ..first() };
        assert_eq!(get(&pages, other, "other").await, "other");
        pages.forget();
        assert_eq!(get(&pages, first(), "three").await, "three");
    }

    #[tokio::test]
    async fn all_who_ask_at_the_same_time_wait_for_one() {
        let pages = Arc::new(Pages::default());
        let made = Arc::new(AtomicUsize::new(0));
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let (pages, made) = (pages.clone(), made.clone());
                tokio::spawn(async move {
                    let make = async || {
                        made.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        Ok::<_, Infallible>(page("one"))
                    };
                    pages.get(first(), make).await
                })
            })
            .collect();
        for one in asking {
            assert_eq!(one.await.unwrap(), Ok(page("one")));
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_made_is_tried_again_by_the_next() {
        let pages = Pages::default();
        let failed = pages.get(first(), async || Err("no database")).await;
        assert_eq!(failed, Err("no database"));
        assert_eq!(get(&pages, first(), "one").await, "one");
    }
}
