//! What is not about one order: ledgers as a whole, what waits to be told or done, the streams, and events on their way.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use chassis::audit::PublishedEvent;
use jiff::Timestamp;

use super::finding::{Finding, OrderName, Remedy};
use super::rule::Rule;
use super::sources::{Sources, streams};

/// How many rows of a backlog are told one by one.
const MOST_ROWS: i64 = 1_000;
/// How many events are compared at once.
const PAGE: i64 = 5_000;

/// What was found beside single orders.
#[derive(Default)]
pub struct Globals {
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// How many articles there are.
    pub articles: i64,
    /// How many messages could not be handled.
    pub dead_letters: usize,
}

impl Globals {
    /// Keeps what is about these orders and articles.
    pub fn keep(&mut self, orders: &BTreeSet<String>, skus: &BTreeSet<String>) {
        self.findings.retain(|finding| match (&finding.order, &finding.about) {
            (Some(order), _) => orders.contains(&order.id),
            (None, Some(about)) => skus.contains(about),
            (None, None) => false,
        });
        self.dead_letters = self.findings.iter().filter(|finding| finding.rule == Rule::DeadLetter).count();
    }
}

fn nameless(id: &str) -> OrderName {
    OrderName { id: id.to_owned(), place: None }
}

/// Everything beside single orders.
pub async fn globals(sources: &Sources, patience: super::survey::Manner) -> anyhow::Result<Globals> {
    let before = before(patience.patience);
    let (ledgers, told, behind, letters) = futures::try_join!(
        ledgers(sources),
        untold(sources, before),
        streams::behind(&sources.jetstream, before),
        streams::dead_letters(&sources.jetstream),
    )?;
    let articles = inventory::audit::count(&sources.ledgers.inventory)
        .await
        .context("could not check inventory: failed to count the articles")?;
    let mut findings = ledgers;
    findings.extend(told);
    findings.extend(behind.iter().map(|behind| {
        let streams::Behind { stream, consumer, pending, since } = behind;
        let message =
            format!("{consumer} has {pending} messages of {stream} before it, the oldest from {since:.0}");
        Finding::new(Rule::ConsumerBehind, message).about(consumer.clone()).instead(pending, 0)
    }));
    let dead_letters = letters.len();
    findings.extend(letters.into_iter().map(|letter| {
        let message = format!("{} could not handle a message: {}", letter.consumer, letter.error);
        let finding =
            Finding::new(Rule::DeadLetter, message).about(format!("dead letter {}", letter.sequence));
        match letter.order_id {
            Some(id) => finding.of(nameless(&id)),
            None => finding,
        }
    }));
    Ok(Globals { findings, articles, dead_letters })
}

fn before(patience: Duration) -> Timestamp {
    Timestamp::now().checked_sub(patience).unwrap_or(Timestamp::MIN)
}

async fn ledgers(sources: &Sources) -> anyhow::Result<Vec<Finding>> {
    let (stock, money) = futures::try_join!(
        async {
            inventory::audit::audit(&sources.ledgers.inventory).await.context("could not check inventory")
        },
        async { payment::audit::audit(&sources.ledgers.payment).await.context("could not check payment") },
    )?;
    let of = |rule| {
        move |broken: chassis::audit::Finding| {
            let chassis::audit::Finding { rule: text, order_id, sku, found, expected } = broken;
            let mut finding =
                Finding::new(rule, format!("{text} does not hold: {found} instead of {expected}"));
            finding.about = sku;
            finding.order = order_id.as_deref().map(nameless);
            finding.instead(found, expected)
        }
    };
    Ok(stock
        .into_iter()
        .map(of(Rule::StockLedger))
        .chain(money.into_iter().map(of(Rule::MoneyLedger)))
        .collect())
}

/// What was committed and not told, and what is due and not done.
async fn untold(sources: &Sources, before: Timestamp) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (service, pool) in sources.ledgers.pools() {
        let failed = || format!("could not check {service}: failed to read what it has not told or done");
        for row in chassis::audit::unpublished(pool, before, MOST_ROWS).await.with_context(failed)? {
            let why = row.error.map(|error| format!(" ({error})")).unwrap_or_default();
            let message =
                format!("{service} has not told the {} {} since {:.0}{why}", row.kind, row.key, row.since);
            let finding = Finding::new(Rule::OutboxStale, message)
                .about(row.key.clone())
                .mended_by(Remedy::TellNow { service, row: row.id });
            findings.push(match row.subject {
                Some(subject) => finding.of(nameless(&subject)),
                None => finding,
            });
        }
        for work in chassis::audit::overdue_work(pool, before, MOST_ROWS).await.with_context(failed)? {
            let why = work.error.map(|error| format!(" ({error})")).unwrap_or_default();
            let message = format!("{service} has not done what is due since {:.0}{why}", work.due_at);
            findings.push(Finding::new(Rule::WorkOverdue, message).of(nameless(&work.key)).about(service));
        }
    }
    Ok(findings)
}

/// An event that was told and has not arrived.
pub struct Missing {
    service: &'static str,
    event: PublishedEvent,
}

/// How many events were told, and which of them the history has not got.
pub async fn missing_events(
    sources: &Sources,
    within: Option<&BTreeSet<String>>,
    manner: super::survey::Manner,
) -> anyhow::Result<(usize, Vec<Missing>)> {
    let before = before(manner.patience);
    let mut missing = Vec::new();
    let mut told = 0;
    for (service, pool) in sources.ledgers.pools() {
        let failed = || format!("could not check {service}: failed to read what it has told");
        if let Some(ids) = within {
            let ids: Vec<String> = ids.iter().cloned().collect();
            let events = chassis::audit::published_about(pool, &ids, before).await.with_context(failed)?;
            told += events.len();
            missing.extend(not_arrived(sources, service, events).await?);
            continue;
        }
        let mut after = 0;
        loop {
            let events =
                chassis::audit::published_after(pool, after, before, PAGE).await.with_context(failed)?;
            let Some(last) = events.last() else { break };
            after = last.row;
            told += events.len();
            missing.extend(not_arrived(sources, service, events).await?);
        }
    }
    Ok((told, missing))
}

async fn not_arrived(
    sources: &Sources,
    service: &'static str,
    events: Vec<PublishedEvent>,
) -> anyhow::Result<Vec<Missing>> {
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    let missing = orders::audit::unrecorded(&sources.ledgers.orders, &ids)
        .await
        .context("could not check orders: failed to look for events")?;
    let missing: BTreeSet<String> = missing.into_iter().collect();
    let lost = events.into_iter().filter(|event| missing.contains(&event.id));
    Ok(lost.map(|event| Missing { service, event }).collect())
}

/// Those that have not arrived after a pause either.
pub async fn confirm_missing(
    sources: &Sources,
    suspects: Vec<Missing>,
    pause: Duration,
) -> anyhow::Result<Vec<Finding>> {
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    tokio::time::sleep(pause).await;
    let mut findings = Vec::new();
    let mut by_service: std::collections::BTreeMap<&'static str, Vec<PublishedEvent>> =
        std::collections::BTreeMap::new();
    for Missing { service, event } in suspects {
        by_service.entry(service).or_default().push(event);
    }
    for (service, events) in by_service {
        findings.extend(not_arrived(sources, service, events).await?.into_iter().map(|missing| {
            let PublishedEvent { row, id, subject } = missing.event;
            let message = format!("{service} told the event {id}, and the history has not got it");
            Finding::new(Rule::EventMissing, message)
                .of(nameless(&subject))
                .about(id)
                .mended_by(Remedy::TellAgain { service, row })
        }));
    }
    Ok(findings)
}
