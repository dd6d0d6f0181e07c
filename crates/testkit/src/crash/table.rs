//! What was seen, point by path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chassis::effect::faults::Mode;

use super::Cell;

/// What came of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often the fault struck and all was well in the end.
    pub well: u32,
    /// How often it struck and something was wrong in the end.
    pub wrong: u32,
    /// How often the run did not come to the point.
    pub missed: u32,
}

/// All cells.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<Cell, Seen>);

impl Table {
    /// Notes what came of a cell.
    pub fn note(&mut self, cell: Cell, note: impl FnOnce(&mut Seen)) {
        note(self.0.entry(cell).or_default());
    }

    /// The cells whose fault never struck.
    #[must_use]
    pub fn unseen(&self) -> Vec<Cell> {
        let unseen = self.0.iter().filter(|(_, seen)| seen.well + seen.wrong == 0);
        unseen.map(|(cell, _)| cell.clone()).collect()
    }

    /// How many faults struck and all was well.
    #[must_use]
    pub fn struck(&self) -> u32 {
        self.0.values().map(|seen| seen.well + seen.wrong).sum()
    }

    /// How many cells were seen at least once, and how many there are.
    #[must_use]
    pub fn coverage(&self) -> (usize, usize) {
        (self.0.len() - self.unseen().len(), self.0.len())
    }

    /// In Markdown: a row a point, a column a path; in a field how often the crash before the effect, that after it, the lost
    /// answer, the second time and the delay were survived.
    #[must_use]
    pub fn render(&self) -> String {
        let paths: BTreeSet<&str> = self.0.keys().map(|cell| cell.path).collect();
        let points: BTreeSet<&str> = self.0.keys().map(|cell| cell.point.as_str()).collect();
        let mut text = String::from("| point |");
        for path in &paths {
            let _ = write!(text, " {path} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(paths.len()));
        text.push('\n');
        for point in &points {
            let _ = write!(text, "| {point} |");
            for path in &paths {
                let _ = write!(text, " {} |", self.field(path, point));
            }
            text.push('\n');
        }
        text
    }

    fn field(&self, path: &str, point: &str) -> String {
        let of = |mode: Mode| {
            self.0
                .iter()
                .find(|(cell, _)| cell.path == path && cell.point == point && cell.mode == mode)
                .map(|(_, seen)| seen)
        };
        if Mode::ALL.iter().all(|mode| of(*mode).is_none()) {
            return String::new();
        }
        let words = Mode::ALL.iter().map(|mode| match of(*mode) {
            None => "-".to_owned(),
            Some(Seen { wrong: 0, well: 0, .. }) => "·".to_owned(),
            Some(Seen { wrong: 0, well, .. }) => well.to_string(),
            Some(Seen { wrong, .. }) => format!("{wrong}!"),
        });
        words.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_tells_each_mode() {
        let mut table = Table::default();
        let cell = |point: &str, mode| Cell { path: "happy", point: point.into(), mode };
        table.note(cell("a.b.create", Mode::CrashBefore), |seen| seen.well += 2);
        table.note(cell("a.b.create", Mode::Twice), |seen| seen.wrong += 1);
        table.note(cell("a.b.create", Mode::Delayed), |seen| seen.missed += 1);
        assert_eq!(table.render(), "| point | happy |\n|---|---|\n| a.b.create | 2/-/-/1!/· |\n");
        assert_eq!(table.unseen(), [cell("a.b.create", Mode::Delayed)]);
        assert_eq!(table.coverage(), (2, 3));
    }
}
