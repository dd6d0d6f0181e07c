//! Logs, metrics and traces of the process.

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::{LogFormat, SettingError, Settings};
use crate::trace;

/// The buckets of what takes milliseconds to seconds. Unlike quantiles they add up over replicas.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The buckets of what takes from milliseconds to weeks: how long an order rests in a phase.
const LONG_SECONDS: [f64; 13] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 21_600.0, 86_400.0, 259_200.0, 1_209_600.0];

/// The process's metrics, in Prometheus' text format.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// All of them, as `GET /metrics` answers.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Starts logs (on standard error: standard output is for answers alone), metrics, and traces where a collector is named; once a
/// process, whose name traces tell.
///
/// # Errors
/// When the log filter or the collector's address cannot be read, or they were started before.
pub fn start_telemetry(settings: &Settings, process: &str) -> anyhow::Result<Metrics> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| SettingError {
        name: "LOG_LEVEL".into(),
        fault: format!("is no filter: {error}"),
        example: "info,payment=debug".into(),
    })?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    };
    let collector = settings.otel_exporter_otlp_endpoint.as_deref().filter(|url| !url.trim().is_empty());
    let tracer = collector.map(|url| trace::start(process, url, settings.traced_share)).transpose()?;
    let spans = tracer.map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_location(false).with_tracked_inactivity(false);
        layer.with_threads(false).with_tracer(tracer)
    });
    // One filter for both: one of its own for each lets a question whether something is enabled, as sqlx asks for each statement,
    // decide about the next span.
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(spans)
        .try_init()
        .map_err(|error| anyhow::anyhow!("failed to start logs: {error}"))?;
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("phase_seconds".into()), &LONG_SECONDS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .context("failed to start metrics")?;
    Ok(Metrics(handle))
}
