//! The calls.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::answer::{Answer, not_arrived, read};
use super::wire::{RefundList, SearchResult, WireIntent, WireRefund};
use crate::provider::{Intent, NewIntent, NewPart, Provider, ProviderError, Refund, RefundState};
use crate::settings::Checked;

/// The longest wait for a connection; without one nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Stripe's API, or one that speaks it.
pub struct Stripe {
    client: Client,
    base: String,
    key: String,
    return_url: Option<Url>,
}

impl Stripe {
    /// A client of the API at `STRIPE_URL`.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(settings: &Checked) -> anyhow::Result<Self> {
        let Checked { url, key, webhook_secret: _, timeout, return_url } = settings;
        let client = Client::builder()
            .user_agent(concat!("supercargo/", env!("CARGO_PKG_VERSION")))
            .timeout(*timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(*timeout))
            .redirect(Policy::none())
            .build()
            .context("failed to make an HTTP client for STRIPE_URL")?;
        Ok(Self {
            client,
            base: url.as_str().trim_end_matches('/').to_owned(),
            key: key.clone(),
            return_url: return_url.clone(),
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.base)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let response = request.bearer_auth(&self.key).send().await.map_err(|error| not_arrived(&error))?;
        let status = response.status();
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        // The head of an answer has arrived, so that the request had: whatever broke, it may have been executed.
        let body = response.bytes().await.map_err(|error| ProviderError::Unknown(error.to_string()))?;
        Ok(Answer { status, replayed, body: body.to_vec() })
    }

    async fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<Answer, ProviderError> {
        let request = self.client.post(self.url(path)).form(form);
        self.send(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    /// The refunds of an intent, newest first: not more than a page of them is ever made here.
    async fn refunds_of(&self, intent: &str) -> Result<Vec<WireRefund>, ProviderError> {
        let request =
            self.client.get(self.url("refunds")).query(&[("payment_intent", intent), ("limit", "100")]);
        let list: RefundList = read(&self.send(request).await?)?;
        Ok(list.data)
    }

    /// The refund of an intent of which nothing is left: the newest that is on its way, else the newest that was made.
    async fn refund_made(&self, intent: &str) -> Result<Refund, ProviderError> {
        let refunds: Vec<Refund> = self.refunds_of(intent).await?.into_iter().map(WireRefund::read).collect();
        let of = |state: &RefundState| refunds.iter().find(|refund| refund.state == *state).cloned();
        of(&RefundState::Pending).or_else(|| of(&RefundState::Succeeded)).ok_or_else(|| {
            ProviderError::Unavailable(format!(
                "{intent} is said to be refunded, and no refund of it is shown"
            ))
        })
    }

    /// The intent of an answer; of a replayed one, as it is now.
    async fn intent(&self, answer: Answer, known: Option<&str>) -> Result<Intent, ProviderError> {
        let saved = answer.replayed && !answer.status.is_server_error();
        match (saved, known) {
            (true, Some(id)) => self.retrieve(id).await,
            (true, None) => {
                let intent = readable(read(&answer)?)?;
                self.retrieve(&intent.id).await
            }
            (false, _) => readable(read(&answer)?),
        }
    }
}

fn readable(intent: WireIntent) -> Result<Intent, ProviderError> {
    intent.read().map_err(ProviderError::Unknown)
}

#[async_trait]
impl Provider for Stripe {
    async fn create(&self, intent: &NewIntent) -> Result<Intent, ProviderError> {
        let NewIntent { key, order_id, attempt, order, amount, method, capture } = intent;
        let (minor_units, attempt) = (amount.minor_units().to_string(), attempt.to_string());
        let currency = amount.currency().as_str().to_ascii_lowercase();
        let form = [
            ("amount", minor_units.as_str()),
            ("currency", currency.as_str()),
            ("payment_method", method.as_str()),
            ("payment_method_types[]", "card"),
            ("capture_method", capture.as_str()),
            ("metadata[order]", order.as_str()),
            ("metadata[order_id]", order_id.as_str()),
            ("metadata[attempt]", attempt.as_str()),
        ];
        let answer = self.post("payment_intents", &form, Some(key)).await?;
        self.intent(answer, None).await
    }

    async fn find(&self, order_id: &str, attempt: u32) -> Result<Vec<Intent>, ProviderError> {
        let quoted = order_id.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("metadata['order_id']:'{quoted}' AND metadata['attempt']:'{attempt}'");
        let request = self
            .client
            .get(self.url("payment_intents/search"))
            .query(&[("query", query.as_str()), ("limit", "100")]);
        let found: SearchResult = read(&self.send(request).await?)?;
        found.data.into_iter().map(readable).collect()
    }

    async fn confirm(&self, intent: &str, key: &str) -> Result<Intent, ProviderError> {
        let form: Vec<(&str, &str)> =
            self.return_url.iter().map(|url| ("return_url", url.as_str())).collect();
        let answer = self.post(&format!("payment_intents/{intent}/confirm"), &form, Some(key)).await?;
        self.intent(answer, Some(intent)).await
    }

    async fn capture(&self, intent: &str, key: &str) -> Result<Intent, ProviderError> {
        let answer = self.post(&format!("payment_intents/{intent}/capture"), &[], Some(key)).await?;
        self.intent(answer, Some(intent)).await
    }

    async fn cancel(&self, intent: &str) -> Result<Intent, ProviderError> {
        let answer = self.post(&format!("payment_intents/{intent}/cancel"), &[], None).await?;
        self.intent(answer, Some(intent)).await
    }

    async fn refund(&self, intent: &str, key: &str) -> Result<Refund, ProviderError> {
        let answer = self.post("refunds", &[("payment_intent", intent)], Some(key)).await?;
        match read::<WireRefund>(&answer) {
            Ok(saved) if answer.replayed => self.retrieve_refund(&saved.id).await,
            Ok(refund) => Ok(refund.read()),
            Err(ProviderError::Refused { refusal, .. }) if refusal.reason == "charge_already_refunded" => {
                self.refund_made(intent).await
            }
            Err(error) => Err(error),
        }
    }

    async fn refund_part(&self, intent: &str, part: &NewPart) -> Result<Refund, ProviderError> {
        let NewPart { key, minor_units, look_first } = part;
        if *look_first {
            let made = self.refunds_of(intent).await?.into_iter().find(|refund| refund.is_part(key));
            if let Some(made) = made {
                return Ok(made.read());
            }
        }
        let amount = minor_units.to_string();
        let form =
            [("payment_intent", intent), ("amount", amount.as_str()), ("metadata[part]", key.as_str())];
        let answer = self.post("refunds", &form, Some(key)).await?;
        match read::<WireRefund>(&answer)? {
            saved if answer.replayed => self.retrieve_refund(&saved.id).await,
            refund => Ok(refund.read()),
        }
    }

    async fn retrieve_refund(&self, refund: &str) -> Result<Refund, ProviderError> {
        let request = self.client.get(self.url(&format!("refunds/{refund}")));
        Ok(read::<WireRefund>(&self.send(request).await?)?.read())
    }

    async fn retrieve(&self, intent: &str) -> Result<Intent, ProviderError> {
        let request = self.client.get(self.url(&format!("payment_intents/{intent}")));
        readable(read(&self.send(request).await?)?)
    }
}
