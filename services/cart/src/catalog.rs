//! What the catalog says of articles.

use std::time::Duration;

use chassis::questions::{AskError, ask};
use events::questions::{ReadArticles, ReadArticlesAnswer};

use crate::line::Lookup;

/// How many articles one question names.
const AT_ONCE: usize = 200;

/// Asks about `skus`, each time at most for `patience`.
pub(crate) async fn look_up(
    nats: &async_nats::Client,
    skus: Vec<String>,
    patience: Duration,
) -> Result<Lookup, AskError> {
    let mut articles = Vec::new();
    for some in skus.chunks(AT_ONCE) {
        let question = ReadArticles { skus: some.to_vec() };
        let ReadArticlesAnswer { articles: found } = ask(nats, &question, patience).await?;
        articles.extend(found);
    }
    Ok(Lookup::new(skus, articles))
}
