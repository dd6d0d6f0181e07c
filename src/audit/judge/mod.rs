//! The judgement of one order: pure, with time passed in.

mod goods;
mod history;
mod money;
mod resource;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::facts::OrderFacts;
use super::finding::Finding;

/// Everything that does not hold of an order. It may be moving while its facts were gathered, so that a finding counts only
/// once a second look finds the same.
pub fn judge(facts: &OrderFacts, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(goods::judge(facts));
    findings.extend(money::judge(facts, now));
    findings.extend(history::judge(facts));
    findings.extend(resource::judge(facts, now));
    let name = facts.name();
    findings.into_iter().map(|finding| finding.of(name.clone())).collect()
}
