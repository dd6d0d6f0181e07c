//! The audit on a timer: findings as metrics, and each in the log once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chassis::{Health, HealthCheck, Platform, Role, Server};
use jiff::Timestamp;

use super::AuditArguments;
use super::finding::Finding;
use super::report::subject;
use super::rule::Rule;
use super::sources::{Cluster, Ledgers, Sources};
use super::survey::{Outcome, survey};

/// Checks until the process is told to stop; serves `/metrics`, `/health` and `/ready` meanwhile.
///
/// # Errors
/// When a setting is wrong or the address is taken; what it depends on is waited for.
pub async fn run(arguments: &AuditArguments) -> anyhow::Result<()> {
    let metrics = chassis::start_telemetry(&arguments.common, "supercargo-audit")?;
    let stop = tokio_util::sync::CancellationToken::new();
    crate::roles::stop_on_signal(stop.clone())?;
    let (settings, health) = (arguments.common.clone(), Health::default());
    let server = Server::listen(&settings, health.clone(), metrics, stop.clone()).await?;
    let platform = Platform::connect(settings, health, stop).await?;
    let ledgers = Ledgers::open(&arguments.common).await?;
    let provider = arguments.provider(&ledgers)?;
    let cluster = Cluster::over(platform.kubernetes.clone(), arguments.namespace.clone()).await?;
    let (nats, jetstream) = (platform.nats.clone(), platform.jetstream.clone());
    let timer = Timer {
        sources: Sources { cluster, ledgers, provider, nats, jetstream },
        scope: arguments.scope(),
        manner: arguments.manner(),
        every: arguments.every,
        check: platform.health.check("audit"),
    };
    let role = Role::new("audit").doing("audit", timer.keep_checking(platform.clone()));
    chassis::run(platform, server, vec![role]).await
}

struct Timer {
    sources: Sources,
    scope: super::survey::Scope,
    manner: super::survey::Manner,
    every: std::time::Duration,
    check: HealthCheck,
}

impl Timer {
    async fn keep_checking(mut self, platform: Platform) -> anyhow::Result<()> {
        let mut known = BTreeSet::new();
        while !platform.stop.is_cancelled() {
            let begun = Instant::now();
            let checked = tokio::select! {
                checked = self.check_once() => checked,
                () = platform.stop.cancelled() => break,
            };
            match checked {
                Ok(outcome) => {
                    self.check.ready();
                    known = tell(outcome, &known, begun);
                }
                Err(error) => {
                    metrics::counter!("supercargo_audit_failures_total").increment(1);
                    self.check.not_ready(&format!("{error:#}"));
                    tracing::warn!("the audit could not check, will retry: {error:#}");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.every.saturating_sub(begun.elapsed())) => {}
                () = platform.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    async fn check_once(&mut self) -> anyhow::Result<Outcome> {
        // The policies are those of now.
        let client = self.sources.cluster.client().clone();
        self.sources.cluster = Cluster::over(client, self.scope.namespace.clone()).await?;
        survey(&self.sources, &self.scope, self.manner).await
    }
}

/// Exports what was found, and logs what was not there before.
fn tell(outcome: Outcome, known: &BTreeSet<Finding>, begun: Instant) -> BTreeSet<Finding> {
    let Outcome { checked, findings } = outcome;
    let mut counts: BTreeMap<Rule, u32> = Rule::ALL.into_iter().map(|rule| (rule, 0)).collect();
    for finding in &findings {
        *counts.entry(finding.rule).or_default() += 1;
    }
    for (rule, count) in counts {
        let statement = rule.statement().to_string();
        metrics::gauge!("supercargo_audit_findings", "rule" => rule.name(), "statement" => statement)
            .set(f64::from(count));
    }
    let orders = u32::try_from(checked.orders).unwrap_or(u32::MAX);
    metrics::gauge!("supercargo_audit_orders").set(f64::from(orders));
    metrics::gauge!("supercargo_audit_duration_seconds").set(begun.elapsed().as_secs_f64());
    let at = u32::try_from(Timestamp::now().as_second()).unwrap_or(u32::MAX);
    metrics::gauge!("supercargo_audit_last_run_timestamp_seconds").set(f64::from(at));
    let findings: BTreeSet<Finding> = findings.into_iter().collect();
    for finding in findings.difference(known) {
        let order = finding.order.as_ref().map(|order| order.id.as_str());
        tracing::error!(rule = finding.rule.name(), order, "{}: {}", subject(finding), finding.message);
    }
    let mended = known.difference(&findings).count();
    tracing::info!(orders, findings = findings.len(), mended, "audited");
    findings
}
