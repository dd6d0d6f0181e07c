//! A trace as a tree for people.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::store::Span;

/// One line a span: when it began, how long it took, which process, what.
pub(crate) fn draw(spans: &[Span]) -> String {
    let ids: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut children: HashMap<Option<&str>, Vec<&Span>> = HashMap::new();
    for span in spans {
        // What hangs on a span that is not here, or not yet, stands beside the root.
        let parent = span.parent_span_id.as_deref().filter(|parent| ids.contains(parent));
        children.entry(parent).or_default().push(span);
    }
    let began = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let mut drawn = String::new();
    let mut open: Vec<(&Span, usize)> = roots(&children);
    while let Some((span, depth)) = open.pop() {
        let line = Line { span, depth, began };
        // Writing to a text cannot fail.
        let _ = writeln!(drawn, "{line}");
        let below = children.remove(&Some(span.span_id.as_str())).unwrap_or_default();
        open.extend(below.into_iter().rev().map(|child| (child, depth + 1)));
    }
    drawn
}

fn roots<'a>(children: &HashMap<Option<&'a str>, Vec<&'a Span>>) -> Vec<(&'a Span, usize)> {
    children.get(&None).into_iter().flatten().rev().map(|span| (*span, 0)).collect()
}

struct Line<'a> {
    span: &'a Span,
    depth: usize,
    began: u64,
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Span { start, end, service, name, failed, attributes, events, .. } = self.span;
        let (at, took) = (Milliseconds(start - self.began), Milliseconds(end.saturating_sub(*start)));
        let indent = "  ".repeat(self.depth);
        write!(formatter, "{at:>10} {took:>10}  {indent}{name}  [{service}]")?;
        for (name, value) in attributes.iter().filter(|(name, _)| is_telling(name)) {
            write!(formatter, " {name}={value}")?;
        }
        if *failed {
            write!(formatter, " FAILED")?;
        }
        events.iter().try_for_each(|event| write!(formatter, " | {event}"))
    }
}

/// What says the same of every span of a trace is left out.
fn is_telling(attribute: &str) -> bool {
    !matches!(attribute, "order" | "trace_id" | "target")
}

struct Milliseconds(u64);

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, tenths) = (self.0 / 1_000_000, self.0 / 100_000 % 10);
        formatter.pad(&format!("{whole}.{tenths} ms"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn span(id: &str, parent: Option<&str>, start: u64) -> Span {
        Span {
            span_id: id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            name: format!("name-{id}"),
            service: "supercargo".to_owned(),
            start: start * 1_000_000,
            end: (start + 5) * 1_000_000,
            failed: id == "c",
            attributes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    #[test]
    fn spans_stand_below_their_parents_and_those_whose_parent_is_not_there_beside_the_root() {
        let spans = [
            span("a", None, 100),
            span("b", Some("a"), 101),
            span("c", Some("b"), 102),
            span("d", Some("x"), 103),
        ];
        assert_eq!(
            draw(&spans),
            "    0.0 ms     5.0 ms  name-a  [supercargo]\n    1.0 ms     5.0 ms    name-b  [supercargo]\n    \
             2.0 ms     5.0 ms      name-c  [supercargo] FAILED\n    3.0 ms     5.0 ms  name-d  [supercargo]\n"
        );
    }
}
