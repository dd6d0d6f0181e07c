//! CSV: commas, quotes, one header.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::faults::Fault;
use super::table::{COLUMNS, Column, TextRow};
use crate::article::excerpt;

/// Reads the table, or says why it is none.
pub(super) fn read(text: &str) -> Result<Vec<TextRow>, Vec<Fault>> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    // Where each record begins, blank lines before it not counted.
    let lines = LineNumbers::of(text);
    let mut records = reader.records().map(|record| {
        let record = record.map_err(|error| vec![Fault::file(format!("is not CSV: {error}"))])?;
        let start = record.position().map_or(0, csv::Position::byte);
        Ok::<_, Vec<Fault>>((lines.of_record_at(start), record))
    });
    let Some(header) = records.next() else {
        return Err(vec![Fault::file(format!("is empty: begin with a header; {COLUMNS}"))]);
    };
    let (number, header) = header?;
    let columns = columns(number, &header)?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for record in records {
        let (number, record) = record?;
        if record.len() == columns.len() {
            let cells = columns.iter().copied().zip(record.iter().map(str::to_owned)).collect();
            rows.push(TextRow { number, cells });
        } else {
            faults.push(Fault::row(
                number,
                format!(
                    "has {} columns and the header {}: put a text with a comma in quotes, which begin right after the comma before it",
                    record.len(),
                    columns.len()
                ),
            ));
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// The columns that the header names.
fn columns(number: u64, header: &StringRecord) -> Result<Vec<Column>, Vec<Fault>> {
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    for name in header {
        match Column::named(name) {
            None if name.contains([';', '\t']) && header.len() == 1 => {
                let what =
                    format!("the header {:?} has no commas: separate the columns by commas", excerpt(name));
                return Err(vec![Fault::row(number, what)]);
            }
            None => faults.push(Fault::cell(
                number,
                &excerpt(name),
                format!("there is no such column: {COLUMNS}"),
            )),
            Some(column) if columns.contains(&column) => {
                faults.push(Fault::cell(number, column.name(), "is in the header twice: keep one"));
            }
            Some(column) => columns.push(column),
        }
    }
    for column in Column::REQUIRED {
        if !columns.contains(&column) {
            faults.push(Fault::cell(number, column.name(), format!("is missing from the header: {COLUMNS}")));
        }
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

/// From places in a text to the numbers of their lines.
struct LineNumbers<'a> {
    text: &'a str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'a> LineNumbers<'a> {
    fn of(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(place, _)| place + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line of the record that the reader found from `start` on, past the end of the line before and blank lines.
    fn of_record_at(&self, start: u64) -> u64 {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let blank = self.text.bytes().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let line = self.starts.partition_point(|begins| *begins <= start + blank);
        u64::try_from(line).unwrap_or(u64::MAX)
    }
}
