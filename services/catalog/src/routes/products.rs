//! `/products`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use rest::{
    Body, Holder, IdempotencyKey, Operation, Page, Paging, Permission, Problem, Routes, Search, Segments,
};
use serde::Deserialize;
use serde_json::json;

use super::{CatalogWrite, Counter, Window};
use crate::article::{excerpt, fault_of_sku};
use crate::pages::{Browse, Rendered};
use crate::product::{LONGEST_CATEGORY, NewProduct, Product, ProductContent};
use crate::products::Shown;
use crate::{etag, search};

/// A page is kept for as long here, so that it is no older elsewhere than it may be here.
const PAGE_AGE: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// To be asked for each time, which costs little where nothing has changed.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(super) fn shown() -> Routes<Window> {
    Routes::default()
        .with(
            MethodFilter::GET,
            "/products",
            Operation::new("catalog", "listProducts", "The articles that are sold, in the order of the SKU.")
                .searches(
                    "query",
                    json!({ "type": "string", "maxLength": search::LONGEST }),
                    "Words that SKU, name or description have all of; of the last one the beginning is enough.",
                )
                .searches(
                    "category",
                    json!({ "type": "string", "maxLength": LONGEST_CATEGORY }),
                    "The whole name of a category.",
                )
                .in_pages()
                .answers::<Page<Product>>(200, "A page of them.")
                .is_tagged(),
            list_products,
        )
        .with(
            MethodFilter::GET,
            "/products/{sku}",
            Operation::new("catalog", "readProduct", "An article, also one that is retired.")
                .answers::<Product>(200, "The article.")
                .is_tagged()
                .refuses(404, "There is no such article."),
            read_product,
        )
}

pub(super) fn edited() -> Routes<Counter> {
    let write = Some(CatalogWrite::NAME);
    let matched = |operation: Operation| {
        operation
            .refuses(404, "There is no such article.")
            .reads_header(
                "If-Match",
                "The ETag of the article as it was read: it is changed only if it is still that.",
            )
            .refuses(412, "If-Match is given, and the article was changed since.")
    };
    Routes::default()
        .with(
            MethodFilter::POST,
            "/products",
            Operation::new("catalog", "createProduct", "Adds an article.")
                .needs_token(write)
                .is_idempotent()
                .reads::<NewProduct>()
                .answers::<Product>(201, "The article. Its stock is not known yet.")
                .with_header("201", "Location", "Its address.")
                .refuses(409, "There is an article of that SKU."),
            create_product,
        )
        .with(
            MethodFilter::PUT,
            "/products/{sku}",
            matched(Operation::new(
                "catalog",
                "replaceProduct",
                "Makes an article be just so, and sells it again if it is retired.",
            ))
            .needs_token(write)
            .reads::<ProductContent>()
            .answers::<Product>(200, "The article.")
            .with_header("200", "ETag", "Its new one."),
            replace_product,
        )
        .with(
            MethodFilter::DELETE,
            "/products/{sku}",
            matched(Operation::new(
                "catalog",
                "retireProduct",
                "Sells an article no more. It stays readable, and open orders keep it.",
            ))
            .needs_token(write)
            .answers_raw(204, "It is retired.", &[]),
            retire_product,
        )
}

/// What may follow the question mark of a list.
#[derive(Deserialize, Clone, Debug, Default)]
struct Listing {
    query: Option<String>,
    category: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Listing {
    /// Which page that is.
    ///
    /// # Errors
    /// 400 when it can be none.
    fn read(self) -> Result<Browse, Problem> {
        let Self { query, category, limit, cursor } = self;
        let (limit, after) = Paging { limit, cursor }.read::<String>()?;
        if after.as_deref().is_some_and(|sku| fault_of_sku(sku).is_some()) {
            return Err(Problem::unreadable(
                "cursor is none of this list: take the `next` of the page before",
            ));
        }
        let text =
            |name: &str, text: Option<String>, longest: usize| match text.filter(|text| !text.is_empty()) {
                Some(text) if text.chars().count() > longest => Err(Problem::unreadable(format!(
                    "{name} {:?} is too long: {longest} characters are accepted",
                    excerpt(&text)
                ))),
                given => Ok(given),
            };
        let query = text("query", query.map(|query| query.trim().to_owned()), search::LONGEST)?;
        let category = text("category", category, LONGEST_CATEGORY)?;
        Ok(Browse { query, category, limit, after: after.unwrap_or_default() })
    }
}

async fn list_products(
    State(window): State<Window>,
    Search(listing): Search<Listing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Rendered { body, tag } = window.products.page(listing.read()?).await?;
    let known = etag::is_known(&headers, &tag);
    let about = [(header::ETAG, etag::header(&tag)), (header::CACHE_CONTROL, PAGE_AGE)];
    Ok(if known {
        (StatusCode::NOT_MODIFIED, about).into_response()
    } else {
        (about, [(header::CONTENT_TYPE, JSON)], body).into_response()
    })
}

async fn read_product(
    State(window): State<Window>,
    Segments(sku): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let shown = window.products.read(&sku).await?;
    if etag::is_known(&headers, &shown.tag) {
        let about = [(header::ETAG, etag::header(&shown.tag)), (header::CACHE_CONTROL, ASK_AGAIN)];
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok(answer(shown))
}

fn answer(Shown { product, tag }: Shown) -> Response {
    let about = [(header::ETAG, etag::header(&tag)), (header::CACHE_CONTROL, ASK_AGAIN)];
    (about, axum::Json(product)).into_response()
}

async fn create_product(
    editor: Holder<CatalogWrite>,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    Body(new): Body<NewProduct>,
) -> Result<Response, Problem> {
    // A SKU needs no escapes in an address.
    let place = HeaderValue::from_str(&format!("/api/v1/products/{}", new.sku)).ok();
    let sku = new.sku.clone();
    let stored = counter.products.create(new, editor.caller.id(), &key).await?;
    tracing::info!(user = editor.caller.id(), sku, "an article was added");
    let mut response = stored.into_response();
    if let Some(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn replace_product(
    editor: Holder<CatalogWrite>,
    Segments(sku): Segments<String>,
    State(counter): State<Counter>,
    headers: HeaderMap,
    Body(content): Body<ProductContent>,
) -> Result<Response, Problem> {
    let shown = counter.products.replace(&sku, content, &headers, chassis::clock::now()).await?;
    tracing::info!(user = editor.caller.id(), sku, "an article was changed");
    Ok(answer(shown))
}

async fn retire_product(
    editor: Holder<CatalogWrite>,
    Segments(sku): Segments<String>,
    State(counter): State<Counter>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    counter.products.retire(&sku, &headers).await?;
    tracing::info!(user = editor.caller.id(), sku, "an article was retired");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_becomes_a_page() {
        let listing = Listing {
            query: Some(" white mug ".into()),
            category: Some(String::new()),
            limit: None,
            cursor: Some(rest::cursor(&"MUG-01")),
        };
        let page = Browse {
            query: Some("white mug".into()),
            category: None,
            limit: rest::DEFAULT_LIMIT,
            after: "MUG-01".into(),
        };
        assert_eq!(listing.read(), Ok(page));
    }

    #[test]
    fn what_can_be_no_page_is_refused() {
        let none = Listing::default;
        for listing in [
            Listing { limit: Some(0), ..none() },
            Listing { cursor: Some("%%%".into()), ..none() },
            Listing { cursor: Some(rest::cursor(&7)), ..none() },
            Listing { cursor: Some(rest::cursor(&"no sku")), ..none() },
            Listing { query: Some("a".repeat(201)), ..none() },
            Listing { category: Some("a".repeat(101)), ..none() },
        ] {
            assert_eq!(listing.clone().read().unwrap_err().status().as_u16(), 400, "{listing:?}");
        }
    }
}
