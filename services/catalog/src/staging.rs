//! Imports: parts are staged until all have arrived, then all of them take effect in one transaction.
//!
//! # Guarantees
//! - An import takes effect once, however often its parts arrive; a repeated part is answered as the first was.
//! - All articles of an import take effect together, or none does.
//! - Whatever is refused leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Transaction;
use events::PriceChanged;
use events::questions::{Article, ImportAnswer, ImportArticles};
use jiff::Timestamp;
use uuid::Uuid;

use crate::article::{excerpt, fault_of};
use crate::publisher::price_changed;
use crate::store::{self, Import, StoredArticle};

const MOST_PARTS: u32 = 10_000;
const MOST_ARTICLES: usize = 1000;

/// Why a part of an import was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It can never be taken; says why.
    #[error("{0}")]
    Invalid(String),
    /// The database failed.
    #[error("the database of the catalog failed: {0}")]
    Database(#[from] sqlx::Error),
    /// An event cannot be written.
    #[error("failed to tell a change of price: {0}")]
    Event(#[from] events::EventError),
}

impl From<String> for ImportError {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

/// Takes a part of an import; with the last one all take effect.
pub(crate) async fn import_in_tx(
    transaction: &mut Transaction,
    part: &ImportArticles,
    now: Timestamp,
) -> Result<ImportAnswer, ImportError> {
    let import_id = checked(part)?;
    let parts = i32::try_from(part.parts).unwrap_or(i32::MAX);
    let number = i32::try_from(part.part).unwrap_or(i32::MAX);
    let import = store::open_import_in_tx(transaction, import_id, parts).await?;
    if import.parts != parts {
        return Err(format!("the import {import_id} has {} parts, not {parts}", import.parts).into());
    }
    if let Import { completed: true, created, changed, parts: _ } = import {
        return Ok(ImportAnswer { complete: true, created, changed });
    }
    if !store::stage_part_in_tx(transaction, import_id, number, &part.articles).await? {
        return Err(
            format!("part {number} of the import {import_id} was there before, with other articles").into()
        );
    }
    let Some(wanted) = store::all_parts_in_tx(transaction, import_id, parts).await? else {
        return Ok(ImportAnswer { complete: false, created: 0, changed: 0 });
    };
    if let Some(sku) = first_double(&wanted) {
        return Err(format!("{sku} is in two parts of the import {import_id}: name each article once").into());
    }
    let plan = apply_in_tx(transaction, wanted, now).await?;
    store::complete_import_in_tx(transaction, import_id, plan.created, plan.changed).await?;
    Ok(ImportAnswer { complete: true, created: plan.created, changed: plan.changed })
}

/// Makes the catalog hold `wanted`.
async fn apply_in_tx(
    transaction: &mut Transaction,
    wanted: Vec<Article>,
    now: Timestamp,
) -> Result<Plan, ImportError> {
    store::lock_articles_in_tx(transaction).await?;
    let skus: Vec<&str> = wanted.iter().map(|article| article.sku.as_str()).collect();
    let present = store::articles_in_tx(transaction, &skus).await?;
    let plan = plan(&present, wanted);
    store::write_articles_in_tx(transaction, &plan.articles).await?;
    for change in &plan.price_changes {
        transaction.publish(&price_changed(change, now)?);
    }
    Ok(plan)
}

/// The id of the import, when the part is one that can be taken.
fn checked(part: &ImportArticles) -> Result<Uuid, String> {
    let ImportArticles { import_id, part: number, parts, articles } = part;
    let id = Uuid::parse_str(import_id).map_err(|_| {
        format!("the import id {:?} is not a UUID: make a fresh one for each import", excerpt(import_id))
    })?;
    if !(1..=MOST_PARTS).contains(parts) || number >= parts {
        return Err(format!(
            "there is no part {number} of {parts}: count from 0, {MOST_PARTS} parts at most"
        ));
    }
    // An empty last part is the word to begin: all others are staged, and nothing has taken effect before it.
    let closing = *parts > 1 && number + 1 == *parts;
    if (articles.is_empty() && !closing) || articles.len() > MOST_ARTICLES {
        return Err(format!(
            "part {number} has {} articles: send 1 to {MOST_ARTICLES} in each",
            articles.len()
        ));
    }
    for article in articles {
        if let Some(fault) = fault_of(article) {
            return Err(format!("article {:?} of part {number}: {fault}", excerpt(&article.sku)));
        }
    }
    match first_double(articles) {
        Some(sku) => Err(format!("{sku} is twice in part {number}: name each article once")),
        None => Ok(id),
    }
}

fn first_double(articles: &[Article]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    articles.iter().map(|article| article.sku.as_str()).find(|sku| !seen.insert(*sku))
}

/// What an import makes of the catalog.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// The articles that are new or other, as they are to be.
    articles: Vec<StoredArticle>,
    created: u64,
    changed: u64,
    price_changes: Vec<PriceChanged>,
}

fn plan(present: &BTreeMap<String, StoredArticle>, wanted: Vec<Article>) -> Plan {
    let mut plan = Plan::default();
    for article in wanted {
        let old = present.get(&article.sku);
        let new = merged(old, article);
        match old {
            Some(old) if *old == new => continue,
            Some(old) => {
                plan.changed += 1;
                if old.price != new.price {
                    plan.price_changes.push(PriceChanged {
                        sku: new.sku.clone(),
                        price: new.price,
                        revision: new.price_revision,
                    });
                }
            }
            None => plan.created += 1,
        }
        plan.articles.push(new);
    }
    plan
}

/// The article as it is to be. A text that is absent stays what it was, an empty one is cleared; a retired article that
/// is imported is sold again.
fn merged(old: Option<&StoredArticle>, article: Article) -> StoredArticle {
    let Article { sku, name, price, description, image } = article;
    let text = |given: Option<String>, kept: Option<&String>| match given {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text),
        None => kept.cloned(),
    };
    StoredArticle {
        description: text(description, old.and_then(|old| old.description.as_ref())),
        image: text(image, old.and_then(|old| old.image.as_ref())),
        price_revision: old.map_or(0, |old| old.price_revision + i64::from(old.price != price)),
        retired: false,
        sku,
        name,
        price,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(sku: &str, price: &str) -> Article {
        Article {
            sku: sku.into(),
            name: "Mug".into(),
            price: price.parse().unwrap(),
            description: None,
            image: None,
        }
    }

    fn stored(sku: &str, price: &str) -> StoredArticle {
        StoredArticle { description: Some("white".into()), ..merged(None, article(sku, price)) }
    }

    fn present(articles: &[StoredArticle]) -> BTreeMap<String, StoredArticle> {
        articles.iter().map(|article| (article.sku.clone(), article.clone())).collect()
    }

    #[test]
    fn what_is_as_it_was_is_left_alone() {
        let plan = plan(&present(&[stored("MUG-01", "15.90 EUR")]), vec![article("MUG-01", "15.90 EUR")]);
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_new_price_is_told_with_its_number_and_a_new_article_is_not() {
        let old = present(&[StoredArticle { price_revision: 4, ..stored("MUG-01", "15.90 EUR") }]);
        let plan = plan(&old, vec![article("MUG-01", "16.90 EUR"), article("TEE-02", "20 EUR")]);
        assert_eq!((plan.created, plan.changed), (1, 1));
        let change = PriceChanged { sku: "MUG-01".into(), price: "16.90 EUR".parse().unwrap(), revision: 5 };
        assert_eq!(plan.price_changes, [change]);
    }

    #[test]
    fn an_absent_text_stays_and_an_empty_one_is_cleared() {
        let old = stored("MUG-01", "15.90 EUR");
        let kept = merged(Some(&old), article("MUG-01", "15.90 EUR"));
        assert_eq!(kept.description.as_deref(), Some("white"));
        let cleared = Article { description: Some(String::new()), ..article("MUG-01", "15.90 EUR") };
        assert_eq!(merged(Some(&old), cleared).description, None);
    }

    #[test]
    fn a_retired_article_that_is_imported_is_sold_again() {
        let old = StoredArticle { retired: true, ..stored("MUG-01", "15.90 EUR") };
        let plan = plan(&present(&[old]), vec![article("MUG-01", "15.90 EUR")]);
        assert_eq!((plan.changed, plan.price_changes.len()), (1, 0));
        assert!(!plan.articles[0].retired);
    }

    #[test]
    fn parts_that_can_never_be_taken_are_refused_with_a_sentence() {
        let part = |articles| ImportArticles {
            import_id: "0b9c2a3e-5d1f-4a6b-8c7d-1e2f3a4b5c6d".into(),
            part: 0,
            parts: 1,
            articles,
        };
        let mug = || vec![article("MUG-01", "15.90 EUR")];
        assert!(checked(&part(mug())).is_ok());
        let changed = |change: &dyn Fn(&mut Article)| {
            let mut articles = mug();
            articles.iter_mut().for_each(change);
            part(articles)
        };
        for (message, word) in [
            (ImportArticles { import_id: "7".into(), ..part(mug()) }, "UUID"),
            (ImportArticles { part: 1, ..part(mug()) }, "no part 1 of 1"),
            (ImportArticles { parts: 0, ..part(mug()) }, "no part 0 of 0"),
            (ImportArticles { parts: 10_001, ..part(mug()) }, "10000 parts at most"),
            (part(vec![]), "0 articles"),
            (part([mug(), mug()].concat()), "MUG-01 is twice"),
            (changed(&|article| article.sku = "mug 01".into()), "not a SKU"),
            (changed(&|article| article.sku = "x".repeat(64)), "not a SKU"),
            (changed(&|article| article.name = " ".into()), "name is missing"),
            (changed(&|article| article.name = "x".repeat(201)), "201 characters"),
            (changed(&|article| article.name = "Mug\r\nBcc: x".into()), "control character"),
            (changed(&|article| article.image = Some("\u{0}".into())), "image"),
            (changed(&|article| article.description = Some("x".repeat(4001))), "description"),
        ] {
            let reason = checked(&message).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
