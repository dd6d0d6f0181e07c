//! `supercargo catalog import FILE`: from a file to the catalog and the inventory.
//!
//! A file is a YAML list (or JSON, which is YAML) or CSV with the columns
//! `sku,name,price,currency,stock[,description,image]`. [`parse`] reads it purely, and names every fault with file, row
//! and column; [`run`] then asks inventory whether it could take the stock, gives the articles to the catalog and the
//! stock to inventory, each as one import that takes effect whole or not at all.
//!
//! An amount is taken as it is written (`15.90` is 1590 cents, never the float 15.9), also from YAML. A `description` or
//! `image` that is absent leaves what the catalog has; one that is there and empty clears it.

mod csv_file;
mod deliver;
mod faults;
mod rows;
mod table;
mod yaml_file;

use std::path::Path;

use events::questions::Article;

pub use deliver::{Summary, run};
pub use faults::{Fault, ImportErrors};

/// A row of a file: an article, and how many pieces of it are on hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its number as a person counts: lines from 1 in CSV (the header is the first), entries from 1 in YAML.
    pub number: u64,
    /// The article.
    pub article: Article,
    /// Pieces on hand to have.
    pub stock: i64,
}

/// Reads `text`, the content of the file at `path`.
///
/// # Errors
/// With every fault of the file, each with its row and column.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Row>, ImportErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = if is_csv(path, text) { csv_file::read(text) } else { yaml_file::read(text) };
    read.and_then(rows::rows).map_err(|faults| ImportErrors::new(path, faults))
}

/// By the extension, else by what the text begins with.
fn is_csv(path: &Path, text: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => true,
        "yaml" | "yml" | "json" => false,
        _ => {
            let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            !first.starts_with(['-', '[', '#', '%', '{']) && first.contains(',')
        }
    }
}

#[cfg(test)]
mod tests;
