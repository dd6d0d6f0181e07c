//! From texts to articles, with every fault on the way.

use std::collections::BTreeMap;

use events::questions::Article;
use money::{Currency, Money};

use super::Row;
use super::faults::Fault;
use super::table::{Column, TextRow};
use crate::article::{excerpt, fault_of_description, fault_of_image, fault_of_name, fault_of_sku};

const MOST_ROWS: usize = 100_000;
const GREATEST_STOCK: i64 = 1_000_000_000;

/// Reads every row, or says all that is wrong.
pub(super) fn rows(texts: Vec<TextRow>) -> Result<Vec<Row>, Vec<Fault>> {
    if texts.is_empty() {
        return Err(vec![Fault::file("has no articles: write at least one row")]);
    }
    if texts.len() > MOST_ROWS {
        return Err(vec![Fault::file(format!(
            "has {} rows: split it into files of {MOST_ROWS} at most",
            texts.len()
        ))]);
    }
    let mut faults = doubles(&texts);
    let rows: Vec<Row> = texts.iter().filter_map(|text| row(text, &mut faults)).collect();
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// Every SKU that is there again, with both rows.
fn doubles(texts: &[TextRow]) -> Vec<Fault> {
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for text in texts {
        let Some(sku) = text.cells.get(&Column::Sku).filter(|sku| !sku.is_empty()) else { continue };
        match first.get(sku.as_str()) {
            Some(earlier) => faults.push(Fault::cell(
                text.number,
                Column::Sku.name(),
                format!("{:?} is in rows {earlier} and {}: keep one", excerpt(sku), text.number),
            )),
            None => {
                first.insert(sku, text.number);
            }
        }
    }
    faults
}

/// One row; `None` when something is wrong with it, which is then in `faults`.
fn row(text: &TextRow, faults: &mut Vec<Fault>) -> Option<Row> {
    let mut reader = CellReader { text, faults };
    let sku = reader.read(Column::Sku, |sku| checked(sku, fault_of_sku));
    let name = reader.read(Column::Name, |name| checked(name, fault_of_name));
    let currency = reader.read(Column::Currency, currency);
    let price = match currency {
        Some(currency) => reader.read(Column::Price, |price| amount(price, currency)),
        None => reader.read(Column::Price, number),
    };
    let stock = reader.read(Column::Stock, stock);
    let description = reader.read_optional(Column::Description, fault_of_description);
    let image = reader.read_optional(Column::Image, fault_of_image);
    Some(Row {
        number: text.number,
        article: Article { sku: sku?, name: name?, price: price?, description: description?, image: image? },
        stock: stock?,
    })
    .filter(|_| currency.is_some())
}

struct CellReader<'a> {
    text: &'a TextRow,
    faults: &'a mut Vec<Fault>,
}

impl CellReader<'_> {
    fn read<T>(&mut self, column: Column, value: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.text.cells.get(&column).map(String::as_str) {
            Some(text) if !text.is_empty() => value(text),
            Some(_) | None => Err("is missing: every article has one".to_owned()),
        };
        self.kept(column, read)
    }

    fn read_optional(&mut self, column: Column, fault: fn(&str) -> Option<String>) -> Option<Option<String>> {
        let read = self.text.cells.get(&column).map(|text| checked(text, fault)).transpose();
        self.kept(column, read)
    }

    fn kept<T>(&mut self, column: Column, read: Result<T, String>) -> Option<T> {
        read.map_err(|what| self.faults.push(Fault::cell(self.text.number, column.name(), what))).ok()
    }
}

fn checked(text: &str, fault: fn(&str) -> Option<String>) -> Result<String, String> {
    fault(text).map_or_else(|| Ok(text.to_owned()), Err)
}

fn currency(text: &str) -> Result<Currency, String> {
    excerpt(text).parse::<Currency>().map_err(|error| error.to_string())
}

fn amount(text: &str, currency: Currency) -> Result<Money, String> {
    Money::parse(&excerpt(text), currency).map_err(|error| error.to_string())
}

/// An amount whose currency cannot be read: whether it is a number at all.
fn number(text: &str) -> Result<Money, String> {
    match Money::parse(&excerpt(text), Currency::EUR) {
        Err(error @ money::MoneyError::NotDecimal(_)) => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(Money::zero(Currency::EUR)),
    }
}

fn stock(text: &str) -> Result<i64, String> {
    let whole = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<i64>().ok().filter(|stock| whole && *stock <= GREATEST_STOCK).ok_or_else(|| {
        format!("{:?} is not a whole number from 0 to {GREATEST_STOCK}: count pieces", excerpt(text))
    })
}
