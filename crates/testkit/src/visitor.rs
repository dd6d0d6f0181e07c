//! A shopper at the REST of the shop.

use anyhow::Context as _;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::stack::{Stack, unique};

/// The password of every shopper of the tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// Somebody at the API, with a token once they have signed up.
#[derive(Clone)]
pub struct Visitor {
    http: reqwest::Client,
    base: String,
    /// Their token.
    pub token: Option<String>,
    /// Their email address.
    pub email: String,
    /// Their id; empty before they have signed up.
    pub id: String,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when there is none.
    pub body: Value,
}

/// What a stream of events told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The event's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
    /// When it was read.
    pub read_at: Timestamp,
}

impl Answer {
    /// The body, where the status is the one expected.
    ///
    /// # Errors
    /// When it is another one.
    pub fn expect(self, status: u16) -> anyhow::Result<Value> {
        anyhow::ensure!(self.status == status, "{} instead of {status}: {}", self.status, self.body);
        Ok(self.body)
    }

    /// A text in the body, by its JSON pointer.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&self, pointer: &str) -> anyhow::Result<String> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("no text at {pointer} of {}", self.body))
    }
}

impl Visitor {
    /// Somebody whom nobody knows.
    #[must_use]
    pub fn new(stack: &Stack) -> Self {
        let email = format!("{}@example.com", unique("shopper"));
        let base = format!("{}/api/v1", stack.addresses.shop);
        Self { http: stack.http.clone(), base, token: None, email, id: String::new() }
    }

    /// Somebody who has signed up.
    ///
    /// # Errors
    /// When they are refused.
    pub async fn signed_up(stack: &Stack) -> anyhow::Result<Self> {
        let mut visitor = Self::new(stack);
        let wish = json!({ "email": visitor.email, "password": PASSWORD, "name": "A. Shopper" });
        let answer = visitor.send("POST", "/users/register", wish).await?;
        (visitor.token, visitor.id) = (Some(answer.text("/token")?), answer.text("/user/id")?);
        Ok(visitor)
    }

    /// The same, at another address of the shop.
    #[must_use]
    pub fn at(&self, origin: &str) -> Self {
        Self { base: format!("{origin}/api/v1"), ..self.clone() }
    }

    /// Reads.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask("GET", path, &[], None).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, method: &str, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.ask(method, path, &[], Some(body.to_string())).await
    }

    /// Sends JSON under an `Idempotency-Key`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_once(&self, path: &str, key: &str, body: Value) -> anyhow::Result<Answer> {
        self.ask("POST", path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    /// Sends whatever it is told to.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> anyhow::Result<Answer> {
        let response = self.open(method, path, headers, body).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.with_context(|| format!("{method} {path}: no body"))?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { status, headers, body })
    }

    /// Sends, and leaves the body to be read.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> anyhow::Result<reqwest::Response> {
        let method: Method = method.parse().context("no method")?;
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.with_context(|| format!("{path} does not answer"))
    }

    /// Follows an order's events until one tells of `phase`; answers all that were told.
    ///
    /// # Errors
    /// When the stream ends first.
    pub async fn follow(
        &self,
        order_id: &str,
        after: Option<&str>,
        phase: &str,
    ) -> anyhow::Result<Vec<Told>> {
        let headers: Vec<(&str, &str)> = after.map(|id| ("last-event-id", id)).into_iter().collect();
        let path = format!("/orders/{order_id}/events");
        let mut response = self.open("GET", &path, &headers, None).await?;
        anyhow::ensure!(response.status().as_u16() == 200, "{path} answers {}", response.status());
        let (mut text, mut told) = (String::new(), Vec::new());
        while let Some(chunk) = response.chunk().await.context("the stream broke")? {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some((event, rest)) =
                text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                text = rest;
                let field = |name: &str| {
                    let prefix = format!("{name}: ");
                    event.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
                };
                let (Some(id), Some(name), Some(data)) = (field("id"), field("event"), field("data")) else {
                    continue;
                };
                let data: Value = serde_json::from_str(&data).context("an event whose data is no JSON")?;
                let arrived = data["phase"] == phase;
                told.push(Told { id, name, data, read_at: Timestamp::now() });
                if arrived {
                    return Ok(told);
                }
            }
        }
        anyhow::bail!("{path} ended before {phase}: {told:?}")
    }
}
