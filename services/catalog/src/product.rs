//! Articles as shoppers and staff see them.

use money::Money;
use rest::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::article::{fault_of_image, fault_of_name, fault_of_text};

/// The longest name of a category, in characters.
pub(crate) const LONGEST_CATEGORY: usize = 100;

/// An article as it is shown.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its stock keeping unit.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What there is to say of it.
    pub description: Option<String>,
    /// The price of one piece.
    pub price: Money,
    /// The categories that it is listed in.
    pub categories: Vec<String>,
    /// Its pictures, the first one first: ids of images, or what an import named.
    pub images: Vec<String>,
    /// How many pieces can be had, as far as was heard; null when nothing was.
    pub available: Option<i64>,
    /// True: it is sold no more.
    pub retired: bool,
}

/// A new article.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewProduct {
    /// Its stock keeping unit.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub sku: String,
    /// Its name, one line.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The price of one piece.
    pub price: Money,
    /// What there is to say of it.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    pub description: Option<String>,
    /// The categories that it is listed in.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)), extend("uniqueItems" = true))]
    pub categories: Vec<String>,
    /// Its pictures: ids of images.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1000)), extend("uniqueItems" = true))]
    pub images: Vec<String>,
}

/// An article as it is to be, whole: what is absent is cleared.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductContent {
    /// Its name, one line.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The price of one piece.
    pub price: Money,
    /// What there is to say of it.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    pub description: Option<String>,
    /// The categories that it is listed in.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)), extend("uniqueItems" = true))]
    pub categories: Vec<String>,
    /// Its pictures: ids of images, or what it shows already.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1000)), extend("uniqueItems" = true))]
    pub images: Vec<String>,
}

impl NewProduct {
    /// The SKU, and the rest.
    pub(crate) fn apart(self) -> (String, ProductContent) {
        let Self { sku, name, price, description, categories, images } = self;
        (sku, ProductContent { name, price, description, categories, images })
    }
}

impl ProductContent {
    /// As it is kept: an empty description is none.
    ///
    /// # Errors
    /// 422 with the place, where a text cannot be kept.
    pub(crate) fn checked(mut self) -> Result<Self, Problem> {
        self.description = self.description.filter(|text| !text.is_empty());
        let Self { name, price: _, description, categories, images } = &self;
        let refused = |pointer: &str, fault: String| {
            Problem::invalid(format!("{} {fault}", pointer.trim_start_matches('/'))).at(pointer)
        };
        if let Some(fault) = fault_of_name(name) {
            return Err(refused("/name", fault));
        }
        let unprintable = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
        if description.as_deref().is_some_and(|text| text.contains(unprintable)) {
            return Err(refused("/description", "has a control character: leave it out".to_owned()));
        }
        for (number, category) in categories.iter().enumerate() {
            if let Some(fault) = fault_of_category(category) {
                return Err(refused(&format!("/categories/{number}"), fault));
            }
        }
        for (number, image) in images.iter().enumerate() {
            if let Some(fault) = fault_of_image(image) {
                return Err(refused(&format!("/images/{number}"), fault));
            }
        }
        Ok(self)
    }
}

fn fault_of_category(category: &str) -> Option<String> {
    if category.trim() != category || category.is_empty() {
        return Some(format!("{category:?} begins or ends with a blank: leave it out"));
    }
    fault_of_text(category, LONGEST_CATEGORY)
}

/// The pictures in the order in which they are shown: what the import named, then the others.
pub(crate) fn shown_images(imported: Option<String>, images: Vec<String>) -> Vec<String> {
    let others = images.into_iter().filter(|image| imported.as_ref() != Some(image)).collect::<Vec<_>>();
    imported.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> ProductContent {
        ProductContent {
            name: "Mug".into(),
            price: "15.90 EUR".parse().unwrap(),
            description: None,
            categories: vec!["Mugs & Cups".into()],
            images: vec!["a".repeat(64)],
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_place() {
        assert_eq!(content().checked(), Ok(content()));
        let empty = ProductContent { description: Some(String::new()), ..content() };
        assert_eq!(empty.checked(), Ok(content()), "an empty description is none");
        let pointer = |content: ProductContent| {
            let problem = content.checked().unwrap_err();
            assert_eq!(problem.status().as_u16(), 422);
            serde_json::to_value(problem).unwrap()["pointer"].as_str().unwrap().to_owned()
        };
        assert_eq!(pointer(ProductContent { name: "  ".into(), ..content() }), "/name");
        assert_eq!(pointer(ProductContent { name: "a\nb".into(), ..content() }), "/name");
        let lines = ProductContent { description: Some("white\nround".into()), ..content() };
        assert!(lines.checked().is_ok());
        assert_eq!(
            pointer(ProductContent { description: Some("\u{7}".into()), ..content() }),
            "/description"
        );
        for category in [" Mugs", "Mugs ", "a\u{7}b"] {
            let categories = vec!["Mugs".into(), category.into()];
            assert_eq!(pointer(ProductContent { categories, ..content() }), "/categories/1");
        }
        assert_eq!(pointer(ProductContent { images: vec!["\n".into()], ..content() }), "/images/0");
    }

    #[test]
    fn what_the_import_named_is_shown_first_and_once() {
        let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(shown_images(Some("m.png".into()), list(&["a", "m.png", "b"])), ["m.png", "a", "b"]);
        assert_eq!(shown_images(None, list(&["a"])), ["a"]);
        assert_eq!(shown_images(Some("m.png".into()), vec![]), ["m.png"]);
    }
}
