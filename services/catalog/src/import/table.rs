//! A file as a table of texts, whichever form it has.

use std::collections::BTreeMap;

/// A column that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Sku,
    Name,
    Price,
    Currency,
    Stock,
    Description,
    Image,
}

/// What is said of the columns there are.
pub(super) const COLUMNS: &str =
    "the columns are sku, name, price, currency, stock and, if you like, description and image";

impl Column {
    pub(super) const REQUIRED: [Self; 5] = [Self::Sku, Self::Name, Self::Price, Self::Currency, Self::Stock];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Price => "price",
            Self::Currency => "currency",
            Self::Stock => "stock",
            Self::Description => "description",
            Self::Image => "image",
        }
    }

    /// The column that `text` names, in whatever case.
    pub(super) fn named(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "sku" => Some(Self::Sku),
            "name" => Some(Self::Name),
            "price" => Some(Self::Price),
            "currency" => Some(Self::Currency),
            "stock" => Some(Self::Stock),
            "description" => Some(Self::Description),
            "image" => Some(Self::Image),
            _ => None,
        }
    }
}

/// A row of texts as they are written; a column that the row lacks is absent.
pub(super) struct TextRow {
    pub(super) number: u64,
    pub(super) cells: BTreeMap<Column, String>,
}
