//! What the sandbox can be told by environment or flag, and the check that turns texts into values.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use url::Url;

/// The sandbox's settings, as typed. [`Settings::check`] judges them, so that a wrong one is named with an example.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "sandbox_settings")]
pub struct Settings {
    /// Where the Stripe-compatible payment API listens: host:port, e.g. 127.0.0.1:12111
    #[arg(id = "sandbox_stripe_addr", long = "sandbox-stripe-addr", env = "SANDBOX_STRIPE_ADDR")]
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:12111")]
    pub stripe_addr: String,
    /// Where the carrier API listens: host:port, e.g. 127.0.0.1:12112
    #[arg(id = "sandbox_carrier_addr", long = "sandbox-carrier-addr", env = "SANDBOX_CARRIER_ADDR")]
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:12112")]
    pub carrier_addr: String,
    /// Where mail is taken in by SMTP: host:port, e.g. 127.0.0.1:12525
    #[arg(id = "sandbox_smtp_addr", long = "sandbox-smtp-addr", env = "SANDBOX_SMTP_ADDR")]
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:12525")]
    pub smtp_addr: String,
    /// Where mail is shown, as a page and as JSON: host:port, e.g. 127.0.0.1:12180
    #[arg(id = "sandbox_mailbox_addr", long = "sandbox-mailbox-addr", env = "SANDBOX_MAILBOX_ADDR")]
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:12180")]
    pub mailbox_addr: String,
    /// The folder that keeps the sandbox's books and mails, made if it is missing, e.g. .dev/sandbox
    #[arg(id = "sandbox_data", long = "sandbox-data", env = "SANDBOX_DATA")]
    #[arg(value_name = "FOLDER", default_value = ".dev/sandbox")]
    pub data: PathBuf,
    /// How long a parcel travels, a whole number with ms, s, m or h, e.g. 5s, 500ms, 0s, 1m
    #[arg(id = "sandbox_delivery", long = "sandbox-delivery", env = "SANDBOX_DELIVERY")]
    #[arg(value_name = "DURATION", default_value = "5s")]
    pub delivery: String,
    /// Where events go: they are POSTed to {it}/stripe and {it}/carrier, e.g. http://127.0.0.1:8080/api/v1/webhooks;
    /// none are sent without it
    #[arg(id = "sandbox_webhook_url", long = "sandbox-webhook-url", env = "SANDBOX_WEBHOOK_URL")]
    #[arg(value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The API key that callers of the payment API must present, e.g. sk_test_supercargo
    #[arg(id = "sandbox_stripe_key", long = "sandbox-stripe-key", env = "STRIPE_KEY")]
    #[arg(value_name = "KEY", default_value = "", hide_default_value = true, hide_env_values = true)]
    pub stripe_key: String,
    /// The secret that signs payment webhooks, e.g. whsec_supercargo
    #[arg(id = "sandbox_stripe_webhook_secret", long = "sandbox-stripe-webhook-secret")]
    #[arg(env = "STRIPE_WEBHOOK_SECRET", value_name = "SECRET")]
    #[arg(default_value = "", hide_default_value = true, hide_env_values = true)]
    pub stripe_webhook_secret: String,
    /// The API key that callers of the carrier API must present, e.g. EZTK_supercargo
    #[arg(id = "sandbox_carrier_key", long = "sandbox-carrier-key", env = "CARRIER_KEY")]
    #[arg(value_name = "KEY", default_value = "", hide_default_value = true, hide_env_values = true)]
    pub carrier_key: String,
    /// The secret that signs carrier webhooks, e.g. carrier_supercargo
    #[arg(id = "sandbox_carrier_webhook_secret", long = "sandbox-carrier-webhook-secret")]
    #[arg(env = "CARRIER_WEBHOOK_SECRET", value_name = "SECRET")]
    #[arg(default_value = "", hide_default_value = true, hide_env_values = true)]
    pub carrier_webhook_secret: String,
}

/// Settings that have been checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub stripe_addr: SocketAddr,
    pub carrier_addr: SocketAddr,
    pub smtp_addr: SocketAddr,
    pub mailbox_addr: SocketAddr,
    pub data: PathBuf,
    pub delivery: Duration,
    pub stripe: Account,
    pub carrier: Account,
}

/// What one API and its webhooks are protected with, and where its events go.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub key: String,
    pub webhook_url: Option<Url>,
    pub webhook_secret: String,
}

impl Settings {
    /// Turns the texts into values, or says which setting is wrong, how, and what a right one looks like.
    pub(crate) fn check(&self) -> anyhow::Result<Checked> {
        ensure!(
            !self.data.as_os_str().is_empty(),
            "SANDBOX_DATA is empty: give a folder, e.g. SANDBOX_DATA=.dev/sandbox"
        );
        let webhooks = self.webhook_url.as_deref().filter(|url| !url.is_empty());
        let account = |name: &str, key: &str, key_example: &str, secret: &str| -> anyhow::Result<Account> {
            let url = webhooks.map(|base| webhook_url(base, name)).transpose()?;
            let upper = name.to_uppercase();
            let key = token(&format!("{upper}_KEY"), key, key_example)?;
            let secret_name = format!("{upper}_WEBHOOK_SECRET");
            let webhook_secret = match url {
                Some(_) => token(&secret_name, secret, &format!("{name}_secret"))
                    .context("SANDBOX_WEBHOOK_URL is set, so webhooks must be signed")?,
                None => secret.to_owned(),
            };
            Ok(Account { key, webhook_url: url, webhook_secret })
        };
        Ok(Checked {
            stripe_addr: address("SANDBOX_STRIPE_ADDR", &self.stripe_addr, "127.0.0.1:12111")?,
            carrier_addr: address("SANDBOX_CARRIER_ADDR", &self.carrier_addr, "127.0.0.1:12112")?,
            smtp_addr: address("SANDBOX_SMTP_ADDR", &self.smtp_addr, "127.0.0.1:12525")?,
            mailbox_addr: address("SANDBOX_MAILBOX_ADDR", &self.mailbox_addr, "127.0.0.1:12180")?,
            data: self.data.clone(),
            delivery: parse_duration(&self.delivery).map_err(|fault| {
                anyhow!("SANDBOX_DELIVERY is {:?}: {fault}, e.g. SANDBOX_DELIVERY=5s", self.delivery)
            })?,
            stripe: account("stripe", &self.stripe_key, "sk_test_supercargo", &self.stripe_webhook_secret)?,
            carrier: account("carrier", &self.carrier_key, "EZTK_supercargo", &self.carrier_webhook_secret)?,
        })
    }
}

fn address(name: &str, text: &str, example: &str) -> anyhow::Result<SocketAddr> {
    text.parse().map_err(|_| {
        anyhow!("{name} is {text:?}: it must be an IP address and a port, e.g. {name}={example}")
    })
}

fn token(name: &str, text: &str, example: &str) -> anyhow::Result<String> {
    ensure!(!text.is_empty(), "{name} is not set: give it a value, e.g. {name}={example}");
    ensure!(
        text.chars().all(|c| c.is_ascii_graphic()),
        "{name} holds a blank or a character outside ASCII: leave those out, e.g. {name}={example}"
    );
    Ok(text.to_owned())
}

fn webhook_url(base: &str, path: &str) -> anyhow::Result<Url> {
    let example = "e.g. SANDBOX_WEBHOOK_URL=http://127.0.0.1:8080/api/v1/webhooks";
    let url: Url = format!("{}/{path}", base.trim_end_matches('/'))
        .parse()
        .map_err(|fault| anyhow!("SANDBOX_WEBHOOK_URL is {base:?}: {fault}, {example}"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "SANDBOX_WEBHOOK_URL is {base:?}: it must begin http:// or https://, {example}"
    );
    Ok(url)
}

/// Reads `5s`, `500ms`, `1m`, `2h`; the fault completes the sentence "NAME is VALUE: …".
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "it must begin with a whole number".to_owned())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err("its unit must be ms, s, m or h".to_owned()),
    };
    const YEAR: u64 = 366 * 24 * 3_600_000;
    match millis {
        Some(millis) if millis <= YEAR => Ok(Duration::from_millis(millis)),
        _ => Err("it must be at most a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            stripe_addr: "127.0.0.1:0".into(),
            carrier_addr: "127.0.0.1:0".into(),
            smtp_addr: "127.0.0.1:0".into(),
            mailbox_addr: "127.0.0.1:0".into(),
            data: "books".into(),
            delivery: "5s".into(),
            webhook_url: Some("http://127.0.0.1:8080/api/v1/webhooks/".into()),
            stripe_key: "sk_test".into(),
            stripe_webhook_secret: "whsec".into(),
            carrier_key: "ez".into(),
            carrier_webhook_secret: "hook".into(),
        }
    }

    #[test]
    fn flags_are_understood_and_have_defaults() {
        use clap::Args;
        let command = Settings::augment_args(clap::Command::new("test"));
        command.clone().debug_assert();
        let matches = command.get_matches_from(["test", "--sandbox-delivery", "0s"]);
        assert_eq!(matches.get_one::<String>("sandbox_delivery").map(String::as_str), Some("0s"));
        assert!(matches.get_one::<String>("sandbox_smtp_addr").is_some());
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("1m"), Ok(Duration::from_secs(60)));
        for wrong in ["", "5", "s", "-5s", "5 s", "1.5s", "99999999999999999999h", "9999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn each_api_gets_its_own_webhook_path() {
        let checked = settings().check().unwrap();
        assert_eq!(
            checked.stripe.webhook_url.unwrap().as_str(),
            "http://127.0.0.1:8080/api/v1/webhooks/stripe"
        );
        assert_eq!(
            checked.carrier.webhook_url.unwrap().as_str(),
            "http://127.0.0.1:8080/api/v1/webhooks/carrier"
        );
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_fault_and_an_example() {
        let wrong = |change: fn(&mut Settings), name: &str| {
            let mut settings = settings();
            change(&mut settings);
            let error = format!("{:#}", settings.check().unwrap_err());
            assert!(error.contains(name), "{error}");
            assert!(error.contains("e.g."), "{error}");
        };
        wrong(|s| s.stripe_addr = "here".into(), "SANDBOX_STRIPE_ADDR");
        wrong(|s| s.delivery = "soon".into(), "SANDBOX_DELIVERY");
        wrong(|s| s.webhook_url = Some("ftp://x".into()), "SANDBOX_WEBHOOK_URL");
        wrong(|s| s.stripe_key = String::new(), "STRIPE_KEY");
        wrong(|s| s.carrier_key = "a b".into(), "CARRIER_KEY");
        wrong(|s| s.carrier_webhook_secret = String::new(), "CARRIER_WEBHOOK_SECRET");
        wrong(|s| s.data = PathBuf::new(), "SANDBOX_DATA");
    }

    #[test]
    fn without_webhooks_no_secret_is_needed() {
        let mut settings = settings();
        settings.webhook_url = None;
        settings.stripe_webhook_secret = String::new();
        settings.carrier_webhook_secret = String::new();
        assert!(settings.check().unwrap().stripe.webhook_url.is_none());
    }
}
