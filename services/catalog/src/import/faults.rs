//! What is wrong with a file, as a person reads it.

use std::fmt;
use std::path::{Path, PathBuf};

/// As many are told; the rest is counted.
const MOST_TOLD: usize = 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row, when it is about one.
    pub row: Option<u64>,
    /// The column, when it is about one.
    pub column: Option<String>,
    /// What is wrong and what to do.
    pub what: String,
}

impl Fault {
    pub(super) fn file(what: impl Into<String>) -> Self {
        Self { row: None, column: None, what: what.into() }
    }

    pub(super) fn row(row: u64, what: impl Into<String>) -> Self {
        Self { row: Some(row), column: None, what: what.into() }
    }

    pub(super) fn cell(row: u64, column: &str, what: impl Into<String>) -> Self {
        Self { row: Some(row), column: Some(column.to_owned()), what: what.into() }
    }
}

/// All that is wrong with a file. Shown as one line a fault: `catalog.csv, row 3, column price: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportErrors {
    /// The file.
    pub file: PathBuf,
    /// The first faults, 20 at most, in the order of the rows.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more: usize,
}

impl ImportErrors {
    pub(super) fn new(file: &Path, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.row);
        let more = faults.len().saturating_sub(MOST_TOLD);
        faults.truncate(MOST_TOLD);
        Self { file: file.to_owned(), faults, more }
    }
}

impl fmt::Display for ImportErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Fault { row, column, what }) in self.faults.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}", self.file.display())?;
            if let Some(row) = row {
                write!(formatter, ", row {row}")?;
            }
            if let Some(column) = column {
                write!(formatter, ", column {column}")?;
            }
            write!(formatter, ": {what}")?;
        }
        if self.more > 0 {
            write!(formatter, "\n{}: and {} more faults", self.file.display(), self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ImportErrors {}
