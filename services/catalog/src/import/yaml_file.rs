//! YAML: a list of mappings. JSON is read as the YAML that it also is.
//!
//! It is read twice: first for its structure, then with every value as the text that stands in the file, so that
//! `price: 15.90` is the text `15.90` and not a float, and `sku: 007` stays what it is.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::faults::Fault;
use super::table::{COLUMNS, Column, TextRow};
use crate::article::excerpt;

const EXAMPLE: &str =
    "write a list like\n- sku: MUG-01\n  name: Mug\n  price: 15.90\n  currency: EUR\n  stock: 100";

/// Reads the table, or says why it is none.
pub(super) fn read(text: &str) -> Result<Vec<TextRow>, Vec<Fault>> {
    let entries = match serde_yaml::from_str(text) {
        Ok(Value::Sequence(entries)) => entries,
        Ok(Value::Null) => return Err(vec![Fault::file(format!("is empty: {EXAMPLE}"))]),
        Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Mapping(_) | Value::Tagged(_)) => {
            return Err(vec![Fault::file(format!("is not a list of articles: {EXAMPLE}"))]);
        }
        Err(error) => return Err(vec![Fault::file(format!("is not YAML: {error}"))]),
    };
    let faults: Vec<Fault> =
        (1..).zip(&entries).flat_map(|(number, entry)| faults_of_structure(number, entry)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let texts: Vec<BTreeMap<String, Option<String>>> = serde_yaml::from_str(text)
        .map_err(|error| vec![Fault::file(format!("is not a list of articles: {error}"))])?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (number, texts) in (1..).zip(texts) {
        let mut cells = BTreeMap::new();
        for (name, text) in texts {
            match (Column::named(&name), text) {
                (None, _) => {
                    faults.push(Fault::cell(
                        number,
                        &excerpt(&name),
                        format!("there is no such column: {COLUMNS}"),
                    ));
                }
                (Some(column), _) if cells.contains_key(&column) => {
                    faults.push(Fault::cell(number, column.name(), "is there twice: keep one"));
                }
                (Some(column), Some(text)) => {
                    cells.insert(column, text.trim().to_owned());
                }
                (Some(_), None) => {}
            }
        }
        rows.push(TextRow { number, cells });
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn faults_of_structure(number: u64, entry: &Value) -> Vec<Fault> {
    let Value::Mapping(cells) = entry else {
        return vec![Fault::row(number, format!("is not an article: {EXAMPLE}"))];
    };
    let nested = |value: &Value| match value {
        Value::Sequence(_) => Some("a list"),
        Value::Mapping(_) => Some("a mapping"),
        Value::Tagged(_) => Some("a tagged value"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    cells
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().map_or_else(|| "?".to_owned(), excerpt);
            nested(value)
                .map(|kind| Fault::cell(number, &name, format!("is {kind}: write a text or a number")))
        })
        .collect()
}
