//! What is told of an audit.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::Finding;
use super::repair::Done;
use super::rule::Rule;

/// What was looked at.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Orders, wherever they are known.
    pub orders: usize,
    /// Those of them whose resource is there.
    pub live: usize,
    /// Articles.
    pub articles: i64,
    /// Events that services told within the last week.
    pub events: usize,
    /// Messages that could not be handled.
    pub dead_letters: usize,
    /// Charges at the provider; absent when single orders were looked up, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charges: Option<usize>,
    /// Charges that hold money and name no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charges_without_order: Option<usize>,
    /// Whether the provider's own books were looked into.
    pub provider: bool,
}

/// A whole audit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// True when all five statements hold. A dead letter breaks none of them: it waits for a person, and is told with the findings.
    pub clean: bool,
    /// What was looked at.
    pub checked: Checked,
    /// How long that took.
    pub duration_ms: u64,
    /// What does not hold.
    pub findings: Vec<Told>,
    /// What was repaired before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Done>,
}

/// A finding with all that is told of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Which of the five statements does not hold.
    pub statement: u8,
    #[serde(flatten)]
    finding: Finding,
    /// What to do about it.
    pub advice: &'static str,
    /// True when --repair mends it.
    pub repairable: bool,
}

impl Report {
    /// The report of what was found.
    pub fn new(checked: Checked, findings: Vec<Finding>, duration_ms: u64, repairs: Vec<Done>) -> Self {
        let told = |finding: Finding| Told {
            statement: finding.rule.statement(),
            advice: finding.rule.advice(),
            repairable: finding.remedy.is_some(),
            finding,
        };
        let clean = findings.iter().all(|finding| finding.rule == Rule::DeadLetter);
        Self { clean, checked, duration_ms, findings: findings.into_iter().map(told).collect(), repairs }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for told in &self.findings {
            let _ =
                writeln!(text, "{}. {} {}", told.statement, told.finding.rule.name(), subject(&told.finding));
            let _ = writeln!(text, "   {}", told.finding.message);
            let _ = writeln!(text, "   {}", told.advice);
        }
        let Checked { orders, live, articles, events, charges, provider, .. } = &self.checked;
        let letters = self.findings.iter().filter(|told| told.finding.rule == Rule::DeadLetter).count();
        let mut verdict = match self.findings.len() - letters {
            0 => "All five statements hold".to_owned(),
            1 => "1 finding".to_owned(),
            more => format!("{more} findings"),
        };
        if letters > 0 {
            let _ = write!(verdict, " (dead letters that wait for a person: {letters})");
        }
        let charges = match (charges, provider) {
            (Some(charges), _) => format!("{charges} charges at the provider"),
            (None, true) => "their charges at the provider".to_owned(),
            (None, false) => "NOT the provider's books".to_owned(),
        };
        let (seconds, tenths) = (self.duration_ms / 1000, self.duration_ms % 1000 / 100);
        let _ = writeln!(
            text,
            "{verdict}: checked {orders} orders ({live} of them live), {articles} articles, {events} events and {charges} in {seconds}.{tenths} s."
        );
        text
    }
}

/// What a finding is about, for people.
pub fn subject(finding: &Finding) -> String {
    let order = finding.order.as_ref().map(|order| match &order.place {
        Some(place) => format!("{}/{} ({})", place.namespace, place.name, order.id),
        None => order.id.clone(),
    });
    match (order, &finding.about) {
        (Some(order), Some(about)) => format!("{order}, {about}"),
        (Some(order), None) => order,
        (None, Some(about)) => about.clone(),
        (None, None) => String::new(),
    }
}
