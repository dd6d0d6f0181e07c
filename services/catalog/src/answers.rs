//! The questions that the catalog answers: `catalog.quote`, `catalog.import` and `catalog.articles`.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::Store;
use chassis::questions::Answerer;
use events::questions::{
    ImportAnswer, ImportArticles, Quote, QuoteAnswer, ReadArticles, ReadArticlesAnswer, Reply,
};

use crate::products::Products;
use crate::quote::{fault_of_question, quote};
use crate::staging::{ImportError, import_in_tx};
use crate::store;

/// How many articles are read at once.
const MOST_ARTICLES: usize = 200;

/// The catalog on its database.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    shown_by: Option<Arc<Products>>,
}

impl Catalog {
    /// The catalog in `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store, shown_by: None }
    }

    /// Lets `products` know when an import has changed what they show.
    #[must_use]
    pub fn shown_by(self, products: Arc<Products>) -> Self {
        Self { shown_by: Some(products), ..self }
    }

    /// Prices what is asked for, by one read of the price list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn quote(&self, request: &Quote) -> Result<QuoteAnswer, sqlx::Error> {
        let skus: Vec<&str> = request.items.iter().map(|item| item.sku.as_str()).collect();
        let listings = store::listings(self.store.pool(), &skus).await?;
        let coupon = match &request.coupon {
            Some(code) => store::coupon(self.store.pool(), code).await?,
            None => None,
        };
        Ok(quote(&listings, coupon.as_ref(), request))
    }

    /// Takes a part of an import; with the last one all take effect.
    ///
    /// # Errors
    /// When the part can never be taken, or the database fails; nothing is changed then.
    pub async fn import(&self, part: &ImportArticles) -> Result<ImportAnswer, ImportError> {
        let mut transaction = self.store.begin().await?;
        let answer = import_in_tx(&mut transaction, part, chassis::clock::now()).await?;
        transaction.commit().await?;
        if let (true, Some(products)) = (answer.complete, &self.shown_by) {
            products.have_changed();
        }
        Ok(answer)
    }
}

#[async_trait]
impl Answerer<Quote, QuoteAnswer> for Catalog {
    async fn answer(&self, question: Quote) -> Reply<QuoteAnswer> {
        let reply = match fault_of_question(&question) {
            Some(fault) => Reply::Invalid(fault),
            None => match self.quote(&question).await {
                Ok(answer) => Reply::Answer(answer),
                Err(error) => {
                    tracing::warn!("failed to quote; the asker will ask again: {error}");
                    Reply::Unavailable(format!("the database of the catalog failed: {error}"))
                }
            },
        };
        let outcome = match &reply {
            Reply::Answer(QuoteAnswer::Quoted { .. }) => "quoted",
            Reply::Answer(QuoteAnswer::Refused(_)) => "refused",
            Reply::Invalid(_) => "invalid",
            Reply::Unavailable(_) => "unavailable",
        };
        metrics::counter!("supercargo_catalog_quotes_total", "outcome" => outcome).increment(1);
        reply
    }
}

#[async_trait]
impl Answerer<ReadArticles, ReadArticlesAnswer> for Catalog {
    async fn answer(&self, question: ReadArticles) -> Reply<ReadArticlesAnswer> {
        let ReadArticles { skus } = question;
        if skus.len() > MOST_ARTICLES {
            return Reply::Invalid(format!(
                "{} articles cannot be read: ask for {MOST_ARTICLES} at most",
                skus.len()
            ));
        }
        match store::browse::articles_data(self.store.pool(), &skus).await {
            Ok(articles) => Reply::Answer(ReadArticlesAnswer { articles }),
            Err(error) => {
                tracing::warn!("failed to read articles; the asker will ask again: {error}");
                Reply::Unavailable(format!("the database of the catalog failed: {error}"))
            }
        }
    }
}

#[async_trait]
impl Answerer<ImportArticles, ImportAnswer> for Catalog {
    async fn answer(&self, part: ImportArticles) -> Reply<ImportAnswer> {
        match self.import(&part).await {
            Ok(answer) => {
                if answer.complete {
                    tracing::info!(
                        import = part.import_id,
                        created = answer.created,
                        changed = answer.changed,
                        "imported"
                    );
                    metrics::counter!("supercargo_catalog_imports_total").increment(1);
                }
                Reply::Answer(answer)
            }
            Err(ImportError::Invalid(reason)) => Reply::Invalid(reason),
            Err(error @ (ImportError::Database(_) | ImportError::Event(_))) => {
                tracing::warn!(
                    import = part.import_id,
                    part = part.part,
                    "failed to import; the asker will ask again: {error}"
                );
                Reply::Unavailable(error.to_string())
            }
        }
    }
}
