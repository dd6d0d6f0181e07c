//! Settings by environment or flag, and what is said when one is missing or wrong.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use crate::NatsSettings;

/// What every role needs to know.
#[derive(Args, Clone, Debug)]
#[group(id = "common")]
pub struct Settings {
    /// Where NATS is.
    #[command(flatten)]
    pub nats: NatsSettings,
    /// Where Postgres is, for example postgres://user:password@127.0.0.1:5432/shop. Each service takes a schema and role
    /// of its own there; <SERVICE>_DATABASE_URL, for example PAYMENT_DATABASE_URL, gives one service a database of its own.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where to listen for HTTP: /health, /ready, /metrics and what the roles serve.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub http_addr: SocketAddr,
    /// How many HTTP connections are served at the same time; more wait. Each open stream of an order is one.
    #[arg(long, env = "HTTP_CONNECTIONS", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub http_connections: u32,
    /// How log lines are written.
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_enum)]
    pub log_format: LogFormat,
    /// Which log lines are written, for example info, or info,payment=debug.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_name = "FILTER")]
    pub log_level: String,
    /// Where to send traces, as OTLP over HTTP (protobuf), for example http://collector:4318; without it none are made. The other
    /// variables of OpenTelemetry's exporter (`OTEL_EXPORTER_OTLP_HEADERS`, ...) are heard too.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// The part of all orders that is traced, from 0 to 1: an order wholly or not at all.
    #[arg(long, env = "TRACED_SHARE", default_value_t = 1.0, value_name = "SHARE", value_parser = share)]
    pub traced_share: f64,
    /// How many copies of each message JetStream keeps: 1 on a laptop, 3 in production.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub nats_replicas: u8,
    /// How many connections each service keeps to its database at most.
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=200))]
    pub database_connections: u32,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "is no number from 0 to 1, for example 0.1".to_owned())
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting that stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} {fault}; give it by environment or flag, for example {name}={example}")]
pub struct SettingError {
    /// Its name in the environment.
    pub name: String,
    /// What is wrong with it: "is missing".
    pub fault: String,
    /// A value that would do.
    pub example: String,
}

/// The value of a setting that has to be there.
///
/// # Errors
/// When it is absent or empty.
pub fn required(name: &str, value: Option<&str>, example: &str) -> Result<String, SettingError> {
    match value.map(str::trim) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        Some(_) => Err(SettingError { name: name.into(), fault: "is empty".into(), example: example.into() }),
        None => Err(SettingError { name: name.into(), fault: "is missing".into(), example: example.into() }),
    }
}

impl Settings {
    /// The database of `service`: `<SERVICE>_DATABASE_URL`, else `DATABASE_URL`.
    ///
    /// # Errors
    /// When neither is there.
    pub fn database_url_of(&self, service: &str) -> Result<String, SettingError> {
        let own = std::env::var(format!("{}_DATABASE_URL", service.to_uppercase())).ok();
        required(
            "DATABASE_URL",
            own.as_deref().or(self.database_url.as_deref()),
            "postgres://supercargo:secret@127.0.0.1:5432/supercargo",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_setting_is_named_with_its_fault_and_an_example() {
        let error = required("STRIPE_KEY", None, "sk_test_123").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the setting STRIPE_KEY is missing; give it by environment or flag, for example STRIPE_KEY=sk_test_123"
        );
        assert!(
            required("STRIPE_KEY", Some(" "), "sk_test_123").unwrap_err().to_string().contains("is empty")
        );
        assert_eq!(required("STRIPE_KEY", Some("sk"), "sk_test_123"), Ok("sk".to_owned()));
    }
}
