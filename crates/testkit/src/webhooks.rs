//! Webhooks as the provider and the carrier send them, signed by the tests.

use anyhow::Context as _;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;
use sha2::Sha256;

use crate::stack::Stack;

impl Stack {
    /// Sends a webhook of the payment provider, signed with its secret; answers the status.
    ///
    /// # Errors
    /// When the shop does not answer.
    pub async fn stripe_webhook(&self, event: &Value) -> anyhow::Result<StatusCode> {
        let body = event.to_string();
        let time = Timestamp::now().as_second().to_string();
        let signature = sign(&self.addresses.stripe_webhook_secret, &time, &body)?;
        self.webhook("stripe", &[("Stripe-Signature", format!("t={time},v1={signature}"))], body).await
    }

    /// Sends a webhook of the carrier, signed with its secret; answers the status.
    ///
    /// # Errors
    /// When the shop does not answer.
    pub async fn carrier_webhook(&self, event: &Value) -> anyhow::Result<StatusCode> {
        let body = event.to_string();
        let time = Timestamp::now().as_second().to_string();
        let signature = sign(&self.addresses.carrier_webhook_secret, &time, &body)?;
        let headers = [("X-Timestamp", time), ("X-Hmac-Signature", format!("hmac-sha256-hex={signature}"))];
        self.webhook("carrier", &headers, body).await
    }

    /// Sends any body with any headers to a webhook; answers the status.
    ///
    /// # Errors
    /// When the shop does not answer.
    pub async fn webhook(
        &self,
        from: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> anyhow::Result<StatusCode> {
        let url = format!("{}/api/v1/webhooks/{from}", self.addresses.shop);
        let mut request = self.http.post(url).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer =
            request.body(body).send().await.with_context(|| format!("failed to send a webhook of {from}"))?;
        Ok(answer.status())
    }
}

fn sign(secret: &str, time: &str, body: &str) -> anyhow::Result<String> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).context("a secret cannot sign")?;
    code.update(format!("{time}.{body}").as_bytes());
    Ok(hex::encode(code.finalize().into_bytes()))
}
