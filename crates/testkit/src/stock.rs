//! Articles and their stock, through the questions that `supercargo catalog import` asks.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask;
use events::StockLine;
use events::questions::{Article, CountStock, ImportArticles, ReadStock};
use money::Currency;

use crate::stack::{Stack, unique};

const PATIENCE: Duration = Duration::from_secs(20);

/// How much there is of an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces of them set aside for orders.
    pub reserved: i64,
    /// Pieces that can be sold.
    pub available: i64,
}

impl Level {
    /// So many in the house, so many of them set aside.
    #[must_use]
    pub const fn of(on_hand: i64, reserved: i64) -> Self {
        Self { on_hand, reserved, available: on_hand - reserved }
    }
}

impl Stack {
    /// Puts a new article of that price, in euros, and stock into catalog and inventory; answers its SKU.
    ///
    /// # Errors
    /// When one of them refuses or does not answer.
    pub async fn article(&self, price: &str, stock: i64) -> anyhow::Result<String> {
        let sku = unique("SKU").to_uppercase();
        self.price(&sku, price).await?;
        self.count(&sku, stock).await?;
        Ok(sku)
    }

    /// Gives an article this price, in euros.
    ///
    /// # Errors
    /// When catalog refuses or does not answer.
    pub async fn price(&self, sku: &str, price: &str) -> anyhow::Result<()> {
        let price = money::Money::parse(price, Currency::EUR)?;
        let article = Article {
            sku: sku.to_owned(),
            name: format!("Article {sku}"),
            price,
            description: None,
            image: None,
        };
        let import_id = uuid::Uuid::new_v4().to_string();
        let question = ImportArticles { import_id, part: 0, parts: 1, articles: vec![article] };
        let answer = ask(&self.nats, &question, PATIENCE).await.context("failed to import an article")?;
        anyhow::ensure!(answer.complete, "an import of one part is complete at once, not {answer:?}");
        Ok(())
    }

    /// Makes so many pieces be on hand: a stocktake.
    ///
    /// # Errors
    /// When inventory refuses or does not answer.
    pub async fn count(&self, sku: &str, quantity: i64) -> anyhow::Result<()> {
        let question = CountStock {
            import_id: uuid::Uuid::new_v4().to_string(),
            part: 0,
            parts: 1,
            dry_run: false,
            counts: vec![StockLine { sku: sku.to_owned(), quantity }],
            cause: "stocktake of a test".into(),
        };
        let answer = ask(&self.nats, &question, PATIENCE).await.context("failed to count an article")?;
        anyhow::ensure!(answer.complete, "a count of one part is complete at once, not {answer:?}");
        Ok(())
    }

    /// How much there is.
    ///
    /// # Errors
    /// When inventory does not know the article or does not answer.
    pub async fn stock(&self, sku: &str) -> anyhow::Result<Level> {
        let question = ReadStock { skus: vec![sku.to_owned()], after: None };
        let answer = ask(&self.nats, &question, PATIENCE).await.context("failed to read the stock")?;
        let level = answer.levels.iter().find(|level| level.sku == sku);
        let level = level.with_context(|| format!("inventory does not know {sku}"))?;
        Ok(Level { on_hand: level.on_hand, reserved: level.reserved, available: level.available })
    }
}
