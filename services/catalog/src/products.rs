//! Showing and changing articles.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use chassis::{Store, Transaction};
use events::PriceChanged;
use jiff::Timestamp;
use rest::{IdempotencyKey, Page, Problem, Stored};

use crate::article::{excerpt, fault_of_sku};
use crate::etag;
use crate::images::is_id;
use crate::pages::{Browse, Pages, Rendered};
use crate::product::{NewProduct, Product, ProductContent};
use crate::publisher::price_changed;
use crate::store::products::Locked;
use crate::store::{browse, images, products};

/// An article as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The article.
    pub product: Product,
    /// Its entity tag: another one after each change of it, and of its level.
    pub tag: String,
}

/// The articles on their database.
pub struct Products {
    store: Store,
    pages: Pages,
}

impl Products {
    /// Those in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, pages: Pages::default() }
    }

    /// A page of the articles that are sold, in the order of the SKU.
    ///
    /// # Errors
    /// 503 when the database fails.
    pub async fn page(&self, browse: Browse) -> Result<Rendered, Problem> {
        let asked = browse.clone();
        self.pages
            .get(browse, || async move {
                let found = browse::page(self.store.pool(), &asked).await?;
                let page = Page::of(found, asked.limit, |product| product.sku.clone());
                let body = serde_json::to_vec(&page).map_err(unwritable)?;
                Ok(Rendered { tag: etag::of_body(&body), body: Bytes::from(body) })
            })
            .await
    }

    /// An article, retired or not.
    ///
    /// # Errors
    /// 404 when there is none, 503 when the database fails.
    pub async fn read(&self, sku: &str) -> Result<Shown, Problem> {
        let found = match fault_of_sku(sku) {
            Some(_) => None,
            None => browse::product_of(self.store.pool(), sku).await?,
        };
        let found = found.ok_or_else(|| absent(sku))?;
        Ok(Shown { tag: etag::of_product(found.revision, found.level_revision), product: found.product })
    }

    /// Makes a new article, once for each key of the caller.
    ///
    /// # Errors
    /// 409 when there is one of that SKU, 422 when it cannot be kept, 503 when the database fails.
    pub async fn create(
        &self,
        new: NewProduct,
        caller: &str,
        key: &IdempotencyKey,
    ) -> Result<Stored, Problem> {
        let (sku, content) = new.clone().apart();
        let content = content.checked()?;
        let request = ("createProduct", new);
        let stored = rest::once(&self.store, caller, key, &request, StatusCode::CREATED, |transaction| {
            Box::pin(create_in_tx(transaction, sku, content))
        })
        .await?;
        self.pages.forget();
        Ok(stored)
    }

    /// Makes the article be just so, and sold.
    ///
    /// # Errors
    /// 404 when there is none, 412 when it is another one than `headers` want to change, 422 when it cannot be kept, 503 when the
    /// database fails.
    pub async fn replace(
        &self,
        sku: &str,
        content: ProductContent,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Shown, Problem> {
        let content = content.checked()?;
        let mut transaction = self.store.begin().await?;
        let before = lock_in_tx(&mut transaction, sku, headers).await?;
        check_images_in_tx(&mut transaction, &content, &before.product.images).await?;
        if !is_so(&before.product, &content) {
            replace_in_tx(&mut transaction, &before, &content, now).await?;
        }
        let found = browse::product_of(&mut *transaction, sku).await?.ok_or_else(|| absent(sku))?;
        transaction.commit().await?;
        self.pages.forget();
        Ok(Shown { tag: etag::of_product(found.revision, found.level_revision), product: found.product })
    }

    /// Sells the article no more. Open orders keep it.
    ///
    /// # Errors
    /// 404 when there is none, 412 when it is another one than `headers` want to retire, 503 when the database fails.
    pub async fn retire(&self, sku: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let mut transaction = self.store.begin().await?;
        let _ = lock_in_tx(&mut transaction, sku, headers).await?;
        products::retire_in_tx(&mut transaction, sku).await?;
        transaction.commit().await?;
        self.pages.forget();
        Ok(())
    }

    /// Something else has changed articles here, and committed it: no page from before it is shown any more.
    pub fn have_changed(&self) {
        self.pages.forget();
    }
}

async fn create_in_tx(
    transaction: &mut Transaction,
    sku: String,
    content: ProductContent,
) -> Result<Product, Problem> {
    check_images_in_tx(transaction, &content, &[]).await?;
    if !products::insert_in_tx(transaction, &sku, &content).await? {
        return Err(Problem::conflict(format!(
            "there is an article {sku}: change it with PUT /products/{sku}, which also sells it again if it is retired"
        )));
    }
    let found = browse::product_of(&mut **transaction, &sku).await?;
    found.map(|found| found.product).ok_or_else(|| absent(&sku))
}

async fn lock_in_tx(
    transaction: &mut Transaction,
    sku: &str,
    headers: &HeaderMap,
) -> Result<Locked, Problem> {
    let locked = match fault_of_sku(sku) {
        Some(_) => None,
        None => products::lock_in_tx(transaction, sku).await?,
    };
    let locked = locked.ok_or_else(|| absent(sku))?;
    etag::check_match(headers, sku, locked.revision)?;
    Ok(locked)
}

async fn replace_in_tx(
    transaction: &mut Transaction,
    before: &Locked,
    content: &ProductContent,
    now: Timestamp,
) -> Result<(), Problem> {
    let Locked { product, price_revision, revision: _ } = before;
    let dearer_or_cheaper = product.price != content.price;
    let revision = price_revision + i64::from(dearer_or_cheaper);
    products::update_in_tx(transaction, &product.sku, content, revision).await?;
    if dearer_or_cheaper {
        let change = PriceChanged { sku: product.sku.clone(), price: content.price, revision };
        transaction.publish(&price_changed(&change, now).map_err(unwritable)?);
    }
    Ok(())
}

/// True when the article is as it is to be.
fn is_so(product: &Product, content: &ProductContent) -> bool {
    let Product { sku: _, name, description, price, categories, images, available: _, retired } = product;
    !retired
        && *name == content.name
        && *description == content.description
        && *price == content.price
        && *categories == content.categories
        && *images == content.images
}

/// Refuses pictures that nobody has uploaded; what the article shows already may stay, also where an import named it.
async fn check_images_in_tx(
    transaction: &mut Transaction,
    content: &ProductContent,
    shown: &[String],
) -> Result<(), Problem> {
    let new: Vec<&str> =
        content.images.iter().filter(|image| !shown.contains(image)).map(String::as_str).collect();
    let ids: Vec<&str> = new.iter().copied().filter(|image| is_id(image)).collect();
    let known: BTreeSet<String> = if ids.is_empty() {
        BTreeSet::new()
    } else {
        images::known_in_tx(transaction, &ids).await?.into_iter().collect()
    };
    match new.into_iter().find(|image| !known.contains(*image)) {
        None => Ok(()),
        Some(unknown) => {
            let number = content.images.iter().position(|image| image == unknown).unwrap_or_default();
            let detail = format!(
                "there is no image {:?}: upload it with POST /images and give its id",
                excerpt(unknown)
            );
            Err(Problem::invalid(detail).at(format!("/images/{number}")))
        }
    }
}

fn absent(sku: &str) -> Problem {
    Problem::absent(format!("there is no article {:?}", excerpt(sku)))
}

fn unwritable(error: impl std::fmt::Display) -> Problem {
    tracing::error!("failed to write what has been read: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written")
}
