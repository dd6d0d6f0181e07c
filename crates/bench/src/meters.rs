//! What an order costs, read where it is paid: the API server's own metrics, Postgres' statistics, NATS' monitoring, and the
//! kernel's accounts of processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use sqlx::{Connection, PgConnection};
use testkit::Stack;

/// Verbs that write.
const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
/// Verbs that read; watches are few and long.
const READS: [&str; 2] = ["GET", "LIST"];
/// Groups of what belongs to an order: our kinds, and the Events told of them. Leases and housekeeping go by time.
const OURS: [&str; 2] = ["supercargo.dev", "events.k8s.io"];
/// Postgres shows a session's statistics when it has rested for this long.
const STATISTICS_SETTLE: Duration = Duration::from_secs(11);

/// Where the meters are.
pub struct Meters {
    stack: Stack,
    state: PathBuf,
    nats_monitoring: String,
    ours: Vec<u32>,
}

/// The readings at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// API writes by "VERB resource/subresource".
    pub writes: BTreeMap<String, u64>,
    /// The same of reads.
    pub reads: BTreeMap<String, u64>,
    /// Transactions that Postgres committed or rolled back.
    pub transactions: i64,
    /// Messages that NATS received.
    pub messages: u64,
    /// Milliseconds of processor time: ours.
    pub ours: u64,
    /// And by process of the cluster.
    pub others: BTreeMap<&'static str, u64>,
}

#[derive(Deserialize)]
struct Varz {
    in_msgs: u64,
}

const CLUSTER: [&str; 5] = ["kube-apiserver", "etcd", "postgres", "nats", "kube-controller-manager"];

impl Meters {
    /// Meters of the stack whose state is in `state`; `ours` are the process ids of our programs.
    #[must_use]
    pub fn new(stack: Stack, state: PathBuf, nats_monitoring: String, ours: Vec<u32>) -> Self {
        Self { stack, state, nats_monitoring, ours }
    }

    /// Reads them before what is measured: processor time last, since what comes before it waits.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn before(&self) -> anyhow::Result<Reading> {
        let settled = self.after().await?;
        let (ours, others) = self.processor_times()?;
        Ok(Reading { ours, others, ..settled })
    }

    /// Reads them after what is measured: processor time first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn after(&self) -> anyhow::Result<Reading> {
        let (ours, others) = self.processor_times()?;
        let messages = self.messages().await?;
        let (writes, reads) = self.requests().await?;
        tokio::time::sleep(STATISTICS_SETTLE).await;
        let transactions = self.transactions().await?;
        Ok(Reading { writes, reads, transactions, messages, ours, others })
    }

    /// Ours together, and those of the cluster.
    fn processor_times(&self) -> anyhow::Result<(u64, BTreeMap<&'static str, u64>)> {
        let ours = self.ours.iter().map(|pid| processor_time(*pid)).sum::<anyhow::Result<u64>>()?;
        let mut others = BTreeMap::new();
        for name in CLUSTER {
            others.insert(name, self.cluster_time(name)?);
        }
        Ok((ours, others))
    }

    async fn messages(&self) -> anyhow::Result<u64> {
        let told = self
            .stack
            .http
            .get(format!("{}/varz", self.nats_monitoring))
            .send()
            .await
            .context("failed to ask NATS")?
            .json::<Varz>()
            .await
            .context("failed to read what NATS says")?;
        Ok(told.in_msgs)
    }

    /// Writes and reads.
    async fn requests(&self) -> anyhow::Result<(BTreeMap<String, u64>, BTreeMap<String, u64>)> {
        let request = http::Request::get("/metrics").body(Vec::new()).context("failed to make a request")?;
        let text = self
            .stack
            .kubernetes
            .request_text(request)
            .await
            .context("failed to read the API server's metrics")?;
        Ok((requests_in(&text, &WRITES), requests_in(&text, &READS)))
    }

    async fn transactions(&self) -> anyhow::Result<i64> {
        let mut connection = PgConnection::connect(&self.stack.addresses.database)
            .await
            .context("failed to reach Postgres")?;
        let count = sqlx::query_scalar(
            "SELECT (xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(&mut connection)
        .await
        .context("failed to read Postgres' statistics")?;
        connection.close().await.context("failed to leave Postgres")?;
        Ok(count)
    }

    fn cluster_time(&self, name: &str) -> anyhow::Result<u64> {
        let pid = self.cluster_pid(name)?;
        if name != "postgres" {
            return processor_time(pid);
        }
        // One process a session: those that ended count for their parent.
        let mut total = processor_time(pid)?;
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            total += processor_time(child).unwrap_or(0);
        }
        Ok(total)
    }

    fn cluster_pid(&self, name: &str) -> anyhow::Result<u32> {
        let path = self.state.join("pids").join(name);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        text.split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok())
            .with_context(|| format!("{} holds no process id", path.display()))
    }

    /// What our programs hold in memory, in mebibytes: their proportional set size.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn memory(&self) -> anyhow::Result<f64> {
        self.ours.iter().map(|pid| proportional_set_size(*pid)).sum()
    }
}

/// The proportional set size of a process, in mebibytes.
///
/// # Errors
/// When the process is gone.
pub fn proportional_set_size(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} tells no Pss"))?;
    Ok(kibibytes / 1024.0)
}

/// User, system and waited-for children's time of a process, in milliseconds.
///
/// # Errors
/// When it has ended.
pub fn processor_time(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    ticks_in(&text).map(|ticks| ticks * 10).with_context(|| format!("failed to understand {path}"))
}

/// Clock ticks (a hundredth of a second on Linux) in fields 14 to 17 of proc(5)'s stat; the name may hold anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// The requests with one of these verbs for what belongs to orders, in Prometheus' text format.
fn requests_in(metrics: &str, verbs: &[&str]) -> BTreeMap<String, u64> {
    let mut requests = BTreeMap::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let Some((labels, value)) = line.split_once("} ") else { continue };
        let label = |name: &str| {
            labels
                .split("\",")
                .find_map(|pair| pair.strip_prefix(&format!("{name}=\"")))
                .map(|value| value.trim_end_matches('"'))
                .unwrap_or_default()
        };
        let events = label("group").is_empty() && label("resource") == "events";
        if !verbs.contains(&label("verb")) || !(OURS.contains(&label("group")) || events) {
            continue;
        }
        let subresource = Some(label("subresource")).filter(|one| !one.is_empty());
        let what = subresource.map_or_else(String::new, |one| format!("/{one}"));
        let code =
            if label("code").starts_with('2') { String::new() } else { format!(" ({})", label("code")) };
        let key = format!("{} {}{what}{code}", label("verb"), label("resource"));
        let count = value.parse::<f64>().unwrap_or(0.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter of whole requests"
        )]
        let count = count as u64;
        *requests.entry(key).or_default() += count;
    }
    requests
}

fn counted_since(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    now.iter()
        .map(|(key, count)| (key.clone(), count - before.get(key).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

impl Reading {
    /// What was used since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let others = self
            .others
            .iter()
            .map(|(name, time)| (*name, time - before.others.get(name).copied().unwrap_or(0)))
            .collect();
        Self {
            writes: counted_since(&self.writes, &before.writes),
            reads: counted_since(&self.reads, &before.reads),
            transactions: self.transactions - before.transactions,
            messages: self.messages - before.messages,
            ours: self.ours - before.ours,
            others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_to_what_belongs_to_orders_count() {
        let metrics = r#"# HELP apiserver_request_total x
apiserver_request_total{code="201",component="apiserver",dry_run="",group="supercargo.dev",resource="orders",scope="resource",subresource="",verb="POST",version="v1alpha1"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="supercargo.dev",resource="orders",scope="resource",subresource="status",verb="PUT",version="v1alpha1"} 2
apiserver_request_total{code="409",component="apiserver",dry_run="",group="supercargo.dev",resource="orders",scope="resource",subresource="status",verb="PUT",version="v1alpha1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="supercargo.dev",resource="orders",scope="cluster",subresource="",verb="LIST",version="v1alpha1"} 9
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 7
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="events",scope="resource",subresource="",verb="POST",version="v1"} 4
"#;
        let writes = requests_in(metrics, &WRITES);
        let shown: Vec<(&str, u64)> = writes.iter().map(|(key, count)| (key.as_str(), *count)).collect();
        let expected = [
            ("POST events", 4),
            ("POST orders", 3),
            ("PUT orders/status", 2),
            ("PUT orders/status (409)", 1),
        ];
        assert_eq!(shown, expected);
        assert_eq!(requests_in(metrics, &READS), BTreeMap::from([("LIST orders".to_owned(), 9)]));
    }

    #[test]
    fn a_process_with_any_name_has_its_time_read() {
        let stat = "12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 5";
        assert_eq!(ticks_in(stat), Some(127));
    }
}
