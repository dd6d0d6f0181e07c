//! What shipping can be told by environment or flag.

use std::time::Duration;

use chassis::{SettingError, required};
use jiff::SignedDuration;
use url::Url;

/// The settings of shipping, as given.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "shipping")]
pub struct Settings {
    /// Where the carrier's API is, for example http://127.0.0.1:12112; calls go to /v2 below it.
    #[arg(long, env = "CARRIER_URL", value_name = "URL")]
    pub carrier_url: Option<String>,
    /// The key of the carrier's API, for example EZTK_supercargo.
    #[arg(long, env = "CARRIER_KEY", value_name = "KEY", hide_env_values = true)]
    pub carrier_key: Option<String>,
    /// The secret that signs the carrier's webhooks, for example carrier_supercargo.
    #[arg(long, env = "CARRIER_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub carrier_webhook_secret: Option<String>,
    /// How often a parcel under way is asked for when no webhook tells of it, for example 30s.
    #[arg(long, env = "CARRIER_POLL", value_name = "DURATION", default_value = "30s")]
    pub carrier_poll: String,
}

/// Settings that have been checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) url: Url,
    pub(crate) key: String,
    pub(crate) webhook_secret: String,
    pub(crate) poll: Duration,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<Checked, SettingError> {
        const URL: &str = "http://127.0.0.1:12112";
        let wrong = |name: &str, fault: String, example: &str| SettingError {
            name: name.to_owned(),
            fault,
            example: example.to_owned(),
        };
        let text = required("CARRIER_URL", self.carrier_url.as_deref(), URL)?;
        let url = text
            .parse::<Url>()
            .map_err(|error| wrong("CARRIER_URL", format!("is no URL ({text:?}: {error})"), URL))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(
                "CARRIER_URL",
                format!("must begin http:// or https:// (it is {text:?})"),
                URL,
            ));
        }
        let key = required("CARRIER_KEY", self.carrier_key.as_deref(), "EZTK_supercargo")?;
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            let fault = "holds a blank or a character outside ASCII".to_owned();
            return Err(wrong("CARRIER_KEY", fault, "EZTK_supercargo"));
        }
        let secret = self.carrier_webhook_secret.as_deref();
        let webhook_secret = required("CARRIER_WEBHOOK_SECRET", secret, "carrier_supercargo")?;
        let poll = self
            .carrier_poll
            .trim()
            .parse::<SignedDuration>()
            .ok()
            .and_then(|poll| Duration::try_from(poll).ok())
            .filter(|poll| (Duration::from_millis(100)..=Duration::from_secs(86_400)).contains(poll))
            .ok_or_else(|| {
                let fault = format!("is no duration from 100ms to 24h ({:?})", self.carrier_poll);
                wrong("CARRIER_POLL", fault, "30s")
            })?;
        Ok(Checked { url, key, webhook_secret, poll })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            carrier_url: Some("http://127.0.0.1:12112".into()),
            carrier_key: Some("EZTK_supercargo".into()),
            carrier_webhook_secret: Some("carrier_supercargo".into()),
            carrier_poll: "30s".into(),
        }
    }

    #[test]
    fn good_settings_are_taken() {
        let checked = settings().check().unwrap();
        assert_eq!(checked.poll, Duration::from_secs(30));
        assert_eq!(checked.url.as_str(), "http://127.0.0.1:12112/");
    }

    #[test]
    fn a_missing_or_wrong_setting_is_named_with_its_fault_and_an_example() {
        type Change = fn(&mut Settings);
        let cases: [(Change, &str); 9] = [
            (|s| s.carrier_url = None, "CARRIER_URL is missing"),
            (|s| s.carrier_url = Some("carrier".into()), "CARRIER_URL is no URL"),
            (|s| s.carrier_url = Some("ftp://carrier".into()), "CARRIER_URL must begin"),
            (|s| s.carrier_key = Some(" ".into()), "CARRIER_KEY is empty"),
            (|s| s.carrier_key = Some("a b".into()), "CARRIER_KEY holds a blank"),
            (|s| s.carrier_webhook_secret = None, "CARRIER_WEBHOOK_SECRET is missing"),
            (|s| s.carrier_poll = "often".into(), "CARRIER_POLL is no duration"),
            (|s| s.carrier_poll = "0s".into(), "CARRIER_POLL is no duration"),
            (|s| s.carrier_poll = "-5s".into(), "CARRIER_POLL is no duration"),
        ];
        for (change, fault) in cases {
            let mut settings = settings();
            change(&mut settings);
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(fault) && error.contains("for example"), "{error}");
        }
    }
}
