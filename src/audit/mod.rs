//! `supercargo audit`: what must always hold, held against Kubernetes, the services' databases, the streams and the payment
//! provider's own books.
//!
//! [`sources`] reads, [`facts`] is what is known of one order, [`judge`] is pure, [`survey`] meets every order once and looks
//! twice at what it suspects, [`backlog`] checks what is about no single order, [`repair`] mends what needs no person,
//! [`watch`] does it all on a timer.

mod backlog;
mod facts;
mod finding;
mod judge;
mod repair;
mod report;
mod rule;
mod seen;
mod sources;
mod survey;
mod watch;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::answer;
use report::Report;
use sources::{Cluster, Ledgers, Provider, Sources};
use survey::{Manner, Outcome, Scope, survey as look_over};

/// Something does not hold.
const FINDINGS: u8 = 1;
/// Something could not be checked.
const UNCHECKED: u8 = 2;
/// How often it is looked whether what was repaired holds now, and how long apart.
const REPAIRED_LOOKS: u32 = 5;

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Args, Debug)]
pub struct AuditArguments {
    /// Check the orders of this namespace alone, with their articles and charges.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Check these orders alone, by order id, or by name in the namespace (default).
    #[arg(long = "order", value_name = "NAME|ID")]
    orders: Vec<String>,
    /// How the report is written.
    #[arg(short, long, default_value = "text")]
    output: AuditOutput,
    /// How long to wait between two looks at an order that seems wrong: orders move, and only what is found twice counts.
    #[arg(long, default_value = "3s", value_name = "DURATION", value_parser = duration)]
    confirm_after: Duration,
    /// How long an event, a report or a piece of work may wait before that is a finding.
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = duration)]
    patience: Duration,
    /// Mend what needs no person, saying first what will be done; each repair is recorded. Money is never moved.
    #[arg(long, conflicts_with = "watch")]
    repair: bool,
    /// With --repair: only say what would be done.
    #[arg(long, requires = "repair")]
    dry_run: bool,
    /// Check on a timer until stopped, and serve /metrics, /health and /ready at HTTP_ADDR.
    #[arg(long)]
    watch: bool,
    /// With --watch: the time from one check to the next.
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = duration)]
    every: Duration,
    /// Where the card payment API is: Stripe's, or one that speaks it.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com", value_name = "URL")]
    stripe_url: String,
    /// The secret key of the card payment API; without one the provider's own books are not checked.
    #[arg(long, env = "STRIPE_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_key: Option<String>,
    #[command(flatten)]
    common: chassis::Settings,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read: jiff::SignedDuration = text
        .parse()
        .map_err(|error| format!("{text:?} is no duration ({error}): give, for example, 3s or 2m"))?;
    read.try_into().map_err(|_| format!("{text:?} is negative: give, for example, 3s or 2m"))
}

/// Checks, and mends or watches as it is told.
///
/// # Errors
/// None: what could not be checked is said, and is an exit code of its own.
pub async fn run(arguments: AuditArguments) -> ExitCode {
    let done =
        if arguments.watch { watch::run(&arguments).await.map(|()| 0) } else { once(&arguments).await };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            answer::fault(&format!("{error:#}"));
            ExitCode::from(UNCHECKED)
        }
    }
}

impl AuditArguments {
    fn scope(&self) -> Scope {
        let namespace = self.namespace.clone();
        Scope { namespace, orders: self.orders.clone() }
    }

    fn manner(&self) -> Manner {
        Manner { confirm_after: self.confirm_after, patience: self.patience }
    }

    fn provider(&self, ledgers: &Ledgers) -> anyhow::Result<Option<Provider>> {
        let Some(key) = self.stripe_key.as_deref().map(str::trim).filter(|key| !key.is_empty()) else {
            answer::fault(
                "the payment provider's books are NOT checked: money may be there that nobody here knows of; set STRIPE_KEY (and STRIPE_URL)",
            );
            return Ok(None);
        };
        Provider::new(&self.stripe_url, key, ledgers.payment.clone()).map(Some)
    }
}

async fn once(arguments: &AuditArguments) -> anyhow::Result<u8> {
    let common = &arguments.common;
    let (cluster, ledgers, nats) = futures::try_join!(
        Cluster::connect(arguments.namespace.clone()),
        Ledgers::open(common),
        sources::connect_nats(&common.nats),
    )?;
    let provider = arguments.provider(&ledgers)?;
    let jetstream = async_nats::jetstream::new(nats.clone());
    let sources = Sources { cluster, ledgers, provider, nats, jetstream };
    let (scope, manner) = (arguments.scope(), arguments.manner());
    let begun = Instant::now();
    let mut outcome = look_over(&sources, &scope, manner).await?;
    let mut repairs = Vec::new();
    if arguments.repair {
        repairs = mend(&sources, &outcome, arguments.dry_run).await?;
        let made = !arguments.dry_run && !repairs.is_empty();
        // What was told again is on its way for a moment.
        let mut looks = if made { REPAIRED_LOOKS } else { 0 };
        while looks > 0 && outcome.findings.iter().any(|finding| finding.remedy.is_some()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            outcome = look_over(&sources, &scope, manner).await?;
            looks -= 1;
        }
    }
    let Outcome { checked, findings } = outcome;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = Report::new(checked, findings, took, repairs);
    match arguments.output {
        AuditOutput::Text => answer::text(&report.text())?,
        AuditOutput::Json => answer::json(&report)?,
    }
    Ok(if report.clean { 0 } else { FINDINGS })
}

/// Says what will be done, then does it.
async fn mend(sources: &Sources, outcome: &Outcome, dry_run: bool) -> anyhow::Result<Vec<repair::Done>> {
    let wanted = outcome.findings.iter().filter_map(|finding| Some((finding, repair::action(finding)?)));
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    for (finding, action) in &wanted {
        let will = if dry_run { "would" } else { "will" };
        answer::note(&format!("{will} {action}: {} {}", finding.rule.name(), report::subject(finding)));
    }
    if dry_run {
        let told = |(finding, action): (&finding::Finding, String)| repair::Done {
            rule: finding.rule.name(),
            subject: report::subject(finding),
            action,
            outcome: "not done (--dry-run)".to_owned(),
        };
        return Ok(wanted.into_iter().map(told).collect());
    }
    let who = repair::whoami(sources.cluster.client()).await?;
    let mut done = Vec::new();
    for (finding, action) in wanted {
        let repaired = repair::repair(sources, &who, finding, action).await?;
        answer::note(&format!("{}: {}: {}", repaired.subject, repaired.action, repaired.outcome));
        done.push(repaired);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_and_refused_with_an_example() {
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("soon").unwrap_err().contains("for example, 3s"));
        assert!(duration("-3s").unwrap_err().contains("negative"));
    }
}
