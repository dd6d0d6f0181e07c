//! `/products` and `/images`: browse, read, and edit the catalog.

mod accept;
mod images;
mod products;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use rest::{Gate, Operation, Permission};

use crate::images::Images;
use crate::products::Products;

/// How many bytes the body of an upload may have: 15 MiB, since a picture grows by a third on its way.
const LARGEST_UPLOAD: usize = 15 * 1024 * 1024;

/// The permission to edit the catalog.
#[derive(Clone, Copy, Debug)]
pub struct CatalogWrite;

impl Permission for CatalogWrite {
    const NAME: &'static str = "catalog:write";
}

/// What everybody may see.
#[derive(Clone)]
pub(crate) struct Window {
    /// The articles.
    pub(crate) products: Arc<Products>,
    /// The pictures.
    pub(crate) images: Arc<Images>,
}

/// What those may change whom the gate admits.
#[derive(Clone)]
pub(crate) struct Counter {
    /// The articles.
    pub(crate) products: Arc<Products>,
    /// The pictures.
    pub(crate) images: Arc<Images>,
    /// Who asks.
    pub(crate) gate: Gate,
}

impl FromRef<Counter> for Gate {
    fn from_ref(counter: &Counter) -> Self {
        counter.gate.clone()
    }
}

/// The routes that need no token, to be served.
pub fn shown(products: Arc<Products>, images: Arc<Images>) -> Router {
    products::shown().router().merge(images::shown().router()).with_state(Window { products, images })
}

/// The routes that need a token, to be served.
pub(crate) fn edited(counter: Counter) -> Router {
    let uploads = images::uploads().router().layer(DefaultBodyLimit::max(LARGEST_UPLOAD));
    products::edited().router().merge(uploads).with_state(counter)
}

/// All routes, for the OpenAPI document.
pub(crate) fn operations() -> Vec<(String, String, Operation)> {
    let mut all = products::shown().operations();
    all.extend(products::edited().operations());
    all.extend(images::uploads().operations());
    all.extend(images::shown().operations());
    all
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{FromRequest, Request};
    use schemars::JsonSchema;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::product::{NewProduct, ProductContent};

    #[test]
    fn every_route_is_in_the_document() {
        let document = rest::document(operations());
        let routes = [
            ("/products", vec!["get", "post"]),
            ("/products/{sku}", vec!["delete", "get", "put"]),
            ("/images", vec!["post"]),
            ("/images/{id}", vec!["get"]),
        ];
        for (path, methods) in routes {
            let found: Vec<&String> = document["paths"][path].as_object().unwrap().keys().collect();
            assert_eq!(found, methods, "{path}");
        }
        let write = &document["paths"]["/products/{sku}"]["put"];
        assert!(write["responses"]["403"]["description"].as_str().unwrap().contains("catalog:write"));
    }

    /// The status with which a body is refused; 200 when it is taken.
    async fn status<T: DeserializeOwned + JsonSchema + 'static>(body: &Value) -> u16 {
        let request = Request::post("/").header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        match rest::Body::<T>::from_request(request, &()).await {
            Ok(_) => 200,
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[tokio::test]
    async fn a_body_that_is_no_article_is_refused() {
        let article = |change: Value| {
            let mut body =
                json!({"sku": "MUG-01", "name": "Mug", "price": {"amount": "15.90", "currency": "EUR"}});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            body
        };
        let id = "a".repeat(64);
        for change in [
            json!({}),
            json!({"description": null}),
            json!({"description": "white", "categories": ["Mugs"], "images": [id]}),
            json!({"price": {"amount": "0", "currency": "JPY"}}),
        ] {
            assert_eq!(status::<NewProduct>(&article(change.clone())).await, 200, "{change}");
        }
        for change in [
            json!({"sku": "mug 01"}),
            json!({"sku": "-MUG"}),
            json!({"sku": "MUG-01\n"}),
            json!({"sku": "a".repeat(64)}),
            json!({"name": ""}),
            json!({"name": null}),
            json!({"price": {"amount": "15.901", "currency": "EUR"}}),
            json!({"price": {"amount": 15.9, "currency": "EUR"}}),
            json!({"price": {"amount": "-1", "currency": "EUR"}}),
            json!({"categories": ["Mugs", "Mugs"]}),
            json!({"categories": [""]}),
            json!({"images": vec!["a"; 21]}),
            json!({"stock": 4}),
        ] {
            assert_eq!(status::<NewProduct>(&article(change.clone())).await, 422, "{change}");
        }
        assert_eq!(status::<ProductContent>(&article(json!({}))).await, 422, "the SKU is in the address");
    }
}
