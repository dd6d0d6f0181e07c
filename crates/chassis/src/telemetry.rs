//! Logs and metrics of the process.

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, SettingError, Settings};

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

/// Starts logs (on standard error: standard output is for answers alone) and metrics; once a process.
///
/// # Errors
/// When the log filter cannot be read, or they were started before.
pub fn start_telemetry(settings: &Settings) -> anyhow::Result<Metrics> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| SettingError {
        name: "LOG_LEVEL".into(),
        fault: format!("is no filter: {error}"),
        example: "info,payment=debug".into(),
    })?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
    }
    .map_err(|error| anyhow::anyhow!("failed to start logs: {error}"))?;
    let handle = PrometheusBuilder::new().install_recorder().context("failed to start metrics")?;
    Ok(Metrics(handle))
}
