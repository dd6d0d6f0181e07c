//! The chart's README says every value and what holds without it.

use std::collections::BTreeMap;

use chart_tests::{Value, entries, text, yaml};

/// Values that are said as a whole: their inside is Kubernetes', or the same as that of another one.
const WHOLE: [&str; 4] = ["resources", "storage", "scale", "labels"];

fn leaves(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    let last = path.rsplit('.').next().unwrap_or_default();
    let whole = WHOLE.contains(&last)
        || (path.starts_with("networkPolicy.") && value.is_mapping())
        || path.starts_with("roles.");
    let inside = entries(value);
    if whole || inside.is_empty() {
        all.insert(path.to_owned(), shown(value));
        return;
    }
    for (key, inner) in inside {
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        leaves(&path, inner, all);
    }
}

/// As it stands in the table.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(one) => one.to_string(),
        Value::Number(one) => one.to_string(),
        Value::String(one) if one.is_empty() => "\"\"".to_owned(),
        Value::String(one) => one.clone(),
        Value::Sequence(list) if list.is_empty() => "[]".to_owned(),
        Value::Mapping(map) if map.is_empty() => "{}".to_owned(),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => "see values.yaml".to_owned(),
    }
}

#[test]
fn the_table_of_values_is_that_of_values_yaml() {
    let mut expected = BTreeMap::new();
    leaves("", &yaml("charts/supercargo/values.yaml"), &mut expected);
    let readme = text("charts/supercargo/README.md");
    let mut told = BTreeMap::new();
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let bare = |cell: &str| cell.trim_matches('`').to_owned();
        assert_eq!(cells.len(), 3, "{line}");
        assert!(!cells[2].is_empty(), "{line}");
        told.insert(bare(cells[0]), bare(cells[1]));
    }
    for (path, value) in &expected {
        assert_eq!(told.get(path), Some(value), "charts/supercargo/README.md: {path}");
    }
    let gone: Vec<_> = told.keys().filter(|path| !expected.contains_key(*path)).collect();
    assert!(
        gone.is_empty(),
        "charts/supercargo/README.md tells of {gone:?}, which values.yaml does not have"
    );
}

#[test]
fn the_readme_tells_of_every_values_file() {
    let readme = text("charts/supercargo/README.md");
    for file in chart_tests::values_files() {
        assert!(readme.contains(&format!("values/{file}.yaml")), "{file}");
    }
}
