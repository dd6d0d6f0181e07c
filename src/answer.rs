//! Answers go to standard output, alone; everything else goes to standard error.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// Writes the answer of a command. A reader that has gone (`| head`) is no failure.
pub fn text(answer: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(answer.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes the answer of a command as JSON.
pub fn json(answer: &impl Serialize) -> anyhow::Result<()> {
    text(&format!("{}\n", serde_json::to_string_pretty(answer)?))
}

/// Writes rows under a heading, in columns as wide as they must be.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let mut widths = heading.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    };
    let body: String = rows.iter().map(|row| line(row.each_ref().map(String::as_str))).collect();
    text(&(line(heading) + &body))
}

/// Says what is being done, beside the answer.
pub fn note(message: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// Says what failed.
pub fn fault(message: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "supercargo: {message}");
}
