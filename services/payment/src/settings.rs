//! The service's own settings.

use std::time::Duration;

use chassis::{SettingError, required};
use clap::Args;
use jiff::SignedDuration;
use url::Url;

/// How payments are taken.
#[derive(Args, Clone, Debug)]
#[group(id = "payment")]
pub struct Settings {
    /// Where the card payment API is: Stripe's, or one that speaks it.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com", value_name = "URL")]
    pub stripe_url: String,
    /// The secret key of the card payment API, for example sk_test_123.
    #[arg(long, env = "STRIPE_KEY", value_name = "KEY", hide_env_values = true)]
    pub stripe_key: Option<String>,
    /// The secret that the card payment API signs its webhooks with, for example whsec_123.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Option<String>,
    /// How long a call to the card payment API may take, from 1s to 60s.
    #[arg(long, env = "PAYMENT_TIMEOUT", default_value = "10s", value_name = "DURATION")]
    pub payment_timeout: String,
    /// Where customers are sent back to after they have confirmed a payment at their bank, for example
    /// https://shop.example.com/orders.
    #[arg(long, env = "PAYMENT_RETURN_URL", value_name = "URL")]
    pub payment_return_url: Option<String>,
}

/// Settings that have been checked.
#[derive(Clone)]
pub struct Checked {
    pub(crate) url: Url,
    pub(crate) key: String,
    pub(crate) webhook_secret: String,
    pub(crate) timeout: Duration,
    pub(crate) return_url: Option<Url>,
}

impl Settings {
    /// Turns the texts into values.
    ///
    /// # Errors
    /// When a setting is missing or wrong: with its name, its fault and an example.
    pub fn check(&self) -> Result<Checked, SettingError> {
        let return_url = self.payment_return_url.as_deref().filter(|text| !text.trim().is_empty());
        Ok(Checked {
            url: web_address("STRIPE_URL", &self.stripe_url, "https://api.stripe.com")?,
            key: secret("STRIPE_KEY", self.stripe_key.as_deref(), "sk_test_123")?,
            webhook_secret: secret(
                "STRIPE_WEBHOOK_SECRET",
                self.stripe_webhook_secret.as_deref(),
                "whsec_123",
            )?,
            timeout: timeout(&self.payment_timeout)?,
            return_url: return_url
                .map(|text| web_address("PAYMENT_RETURN_URL", text, "https://shop.example.com/orders"))
                .transpose()?,
        })
    }
}

fn wrong(name: &str, fault: String, example: &str) -> SettingError {
    SettingError { name: name.into(), fault, example: example.into() }
}

fn web_address(name: &str, text: &str, example: &str) -> Result<Url, SettingError> {
    let url: Url = text
        .trim()
        .parse()
        .map_err(|error| wrong(name, format!("is no web address ({text:?}: {error})"), example))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(wrong(name, format!("begins with {scheme}: it must be http or https"), example)),
    }
}

fn secret(name: &str, value: Option<&str>, example: &str) -> Result<String, SettingError> {
    let value = required(name, value, example)?;
    if value.chars().all(|character| character.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(wrong(name, "holds a blank or a character outside ASCII".into(), example))
    }
}

fn timeout(text: &str) -> Result<Duration, SettingError> {
    let name = "PAYMENT_TIMEOUT";
    let duration: SignedDuration =
        text.trim().parse().map_err(|_| wrong(name, format!("is no duration ({text:?})"), "10s"))?;
    if !(SignedDuration::from_secs(1)..=SignedDuration::from_secs(60)).contains(&duration) {
        return Err(wrong(name, format!("is out of range ({text:?}): from 1s to 60s is accepted"), "10s"));
    }
    Ok(duration.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            stripe_url: "http://127.0.0.1:12111".into(),
            stripe_key: Some("sk_test_1".into()),
            stripe_webhook_secret: Some("whsec_1".into()),
            payment_timeout: "500ms".into(),
            payment_return_url: None,
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_fault_and_an_example() {
        let fault = |change: fn(&mut Settings)| {
            let mut settings = Settings { payment_timeout: "10s".into(), ..settings() };
            change(&mut settings);
            settings.check().map(|_| ()).unwrap_err()
        };
        assert_eq!(fault(|s| s.stripe_key = None).name, "STRIPE_KEY");
        assert_eq!(fault(|s| s.stripe_key = Some("sk test".into())).name, "STRIPE_KEY");
        assert_eq!(fault(|s| s.stripe_webhook_secret = Some(" ".into())).fault, "is empty");
        assert_eq!(fault(|s| s.stripe_url = "stripe".into()).name, "STRIPE_URL");
        assert_eq!(fault(|s| s.stripe_url = "ftp://stripe".into()).name, "STRIPE_URL");
        assert_eq!(fault(|s| s.payment_timeout = "soon".into()).name, "PAYMENT_TIMEOUT");
        assert_eq!(fault(|s| s.payment_timeout = "5m".into()).example, "10s");
        assert_eq!(fault(|s| s.payment_return_url = Some("shop".into())).name, "PAYMENT_RETURN_URL");
    }

    #[test]
    fn a_timeout_is_read_with_its_unit_and_kept_below_the_lease_of_the_work() {
        assert_eq!(timeout("10s"), Ok(Duration::from_secs(10)));
        assert!(settings().check().is_err(), "half a second is too short");
        assert!(timeout("-10s").is_err());
    }
}
