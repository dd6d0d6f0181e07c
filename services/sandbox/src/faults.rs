//! Bad days on demand: refusals, slowness, lost answers, outages and webhooks that come late, twice or not at all.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::server::{HOLD, lost};
use crate::settings::parse_duration;

/// The faults in force, as `GET /faults` shows them. See the README for what each does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Faults {
    pub rate: f64,
    pub status: u16,
    pub next: u32,
    pub latency: String,
    pub timeout_rate: f64,
    pub after: bool,
    #[serde(rename = "match")]
    pub matching: String,
    pub down: bool,
    pub webhooks: String,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            rate: 0.0,
            status: 503,
            next: 0,
            latency: "0ms".into(),
            timeout_rate: 0.0,
            after: false,
            matching: String::new(),
            down: false,
            webhooks: "on".into(),
        }
    }
}

/// What a `POST /faults` may change.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    rate: Option<f64>,
    status: Option<u16>,
    next: Option<u32>,
    latency: Option<String>,
    timeout_rate: Option<f64>,
    after: Option<bool>,
    #[serde(rename = "match")]
    matching: Option<String>,
    down: Option<bool>,
    webhooks: Option<String>,
}

/// How webhooks travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Webhooks {
    /// At once, once.
    On,
    /// Kept until they are on again.
    Off,
    /// Twice.
    Duplicate,
    /// After a while.
    Delay(Duration),
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is served.
    Serve,
    /// It is answered with this status.
    Refuse(u16),
    /// It is never answered.
    Lose,
    /// Its connection is closed at once.
    Close,
}

impl Faults {
    fn changed(&self, change: Change) -> Result<Faults, String> {
        let mut faults = self.clone();
        let share = |name: &str, rate: f64| match rate {
            0.0..=1.0 => Ok(rate),
            _ => Err(format!("{name} is {rate}: it must be between 0 and 1, e.g. 0.2")),
        };
        if let Some(rate) = change.rate {
            faults.rate = share("rate", rate)?;
        }
        if let Some(rate) = change.timeout_rate {
            faults.timeout_rate = share("timeoutRate", rate)?;
        }
        if let Some(status) = change.status {
            if !(400..=599).contains(&status) {
                return Err(format!("status is {status}: it must be between 400 and 599, e.g. 503"));
            }
            faults.status = status;
        }
        if let Some(latency) = change.latency {
            parse_duration(&latency)
                .map_err(|fault| format!("latency is {latency:?}: {fault}, e.g. \"200ms\""))?;
            faults.latency = latency;
        }
        if let Some(mode) = change.webhooks {
            parse_webhooks(&mode).ok_or_else(|| {
                format!(
                    "webhooks is {mode:?}: it must be on, off, duplicate or delay:DURATION, e.g. \"delay:2s\""
                )
            })?;
            faults.webhooks = mode;
        }
        faults.next = change.next.unwrap_or(faults.next);
        faults.after = change.after.unwrap_or(faults.after);
        faults.matching = change.matching.unwrap_or(faults.matching);
        faults.down = change.down.unwrap_or(faults.down);
        Ok(faults)
    }

    /// What becomes of a request, named `METHOD /path`; `happens` throws the dice.
    fn judge(&mut self, request: &str, mut happens: impl FnMut(f64) -> bool) -> Fate {
        if self.down {
            return Fate::Close;
        }
        if !request.contains(&self.matching) {
            return Fate::Serve;
        }
        if self.next > 0 {
            self.next -= 1;
            return Fate::Refuse(self.status);
        }
        if happens(self.timeout_rate) {
            return Fate::Lose;
        }
        if happens(self.rate) { Fate::Refuse(self.status) } else { Fate::Serve }
    }
}

fn parse_webhooks(mode: &str) -> Option<Webhooks> {
    match mode {
        "on" => Some(Webhooks::On),
        "off" => Some(Webhooks::Off),
        "duplicate" => Some(Webhooks::Duplicate),
        delayed => Some(Webhooks::Delay(parse_duration(delayed.strip_prefix("delay:")?).ok()?)),
    }
}

/// The faults of one server, shared by its edges.
#[derive(Clone, Debug)]
pub(crate) struct FaultBox {
    faults: watch::Sender<Faults>,
    refusal: fn(StatusCode) -> Response,
}

impl FaultBox {
    /// No faults yet; `refusal` gives an injected status the API's error shape.
    pub fn new(refusal: fn(StatusCode) -> Response) -> Self {
        FaultBox { faults: watch::Sender::new(Faults::default()), refusal }
    }

    /// Decides one request's fate and how long it waits first.
    pub fn judge(&self, request: &str) -> (Duration, Fate, bool) {
        let mut verdict = (Duration::ZERO, Fate::Serve, false);
        self.faults.send_if_modified(|faults| {
            let before = faults.next;
            let fate = faults.judge(request, |rate| rand::rng().random_bool(rate));
            verdict = (parse_duration(&faults.latency).unwrap_or_default(), fate, faults.after);
            faults.next != before
        });
        verdict
    }

    /// Whether everything is closed.
    pub fn is_down(&self) -> bool {
        self.faults.borrow().down
    }

    /// How webhooks travel now, and a means to hear of changes.
    pub fn webhooks(&self) -> (Webhooks, watch::Receiver<Faults>) {
        let mut receiver = self.faults.subscribe();
        let mode = parse_webhooks(&receiver.borrow_and_update().webhooks).unwrap_or(Webhooks::On);
        (mode, receiver)
    }

    /// `GET`, `POST` and `DELETE /faults`.
    pub fn routes(&self) -> Router {
        Router::new().route("/faults", get(show).post(change).delete(clear)).with_state(self.clone())
    }
}

async fn show(State(faults): State<FaultBox>) -> Json<Faults> {
    Json(faults.faults.borrow().clone())
}

async fn change(State(faults): State<FaultBox>, body: bytes::Bytes) -> Response {
    let changed = serde_json::from_slice::<Change>(&body)
        .map_err(|fault| format!("the faults cannot be read: {fault}, e.g. {{\"rate\":0.2,\"status\":503}}"))
        .and_then(|change| faults.faults.borrow().changed(change));
    match changed {
        Ok(changed) => {
            tracing::info!(faults = ?changed, "faults set");
            faults.faults.send_replace(changed.clone());
            Json(changed).into_response()
        }
        Err(fault) => {
            (StatusCode::BAD_REQUEST, Json(serde_json::json!({"error": {"message": fault}}))).into_response()
        }
    }
}

async fn clear(State(faults): State<FaultBox>) -> Json<Faults> {
    faults.faults.send_replace(Faults::default());
    Json(Faults::default())
}

/// The layer in front of an API's routes.
pub(crate) async fn inject(State(faults): State<FaultBox>, request: Request, next: Next) -> Response {
    let (latency, fate, after) = faults.judge(&format!("{} {}", request.method(), request.uri().path()));
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fate {
        Fate::Serve => return next.run(request).await,
        Fate::Close => return lost(Duration::ZERO),
        Fate::Refuse(_) | Fate::Lose if after => drop(next.run(request).await),
        Fate::Refuse(_) | Fate::Lose => {}
    }
    match fate {
        Fate::Refuse(status) => {
            (faults.refusal)(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
        }
        Fate::Lose | Fate::Serve | Fate::Close => lost(HOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(json: &str) -> Result<Faults, String> {
        Faults::default().changed(serde_json::from_str(json).map_err(|fault| fault.to_string())?)
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let faults = changed(r#"{"rate":0.2,"latency":"200ms"}"#).unwrap();
        let faults = faults.changed(serde_json::from_str(r#"{"webhooks":"delay:2s"}"#).unwrap()).unwrap();
        assert_eq!(faults.latency, "200ms");
        assert_eq!(parse_webhooks(&faults.webhooks), Some(Webhooks::Delay(Duration::from_secs(2))));
    }

    #[test]
    fn wrong_faults_are_refused_with_an_example() {
        for wrong in [
            r#"{"rate":1.5}"#,
            r#"{"timeoutRate":-1}"#,
            r#"{"status":200}"#,
            r#"{"latency":"fast"}"#,
            r#"{"webhooks":"maybe"}"#,
        ] {
            assert!(changed(wrong).unwrap_err().contains("e.g."), "{wrong}");
        }
        assert!(changed(r#"{"ratio":1}"#).is_err());
    }

    #[test]
    fn the_next_requests_fail_for_certain_and_only_those_that_match() {
        let mut faults = changed(r#"{"next":1,"status":500,"match":"POST /v1/refunds"}"#).unwrap();
        assert_eq!(faults.judge("GET /v1/refunds", |_| false), Fate::Serve);
        assert_eq!(faults.judge("POST /v1/refunds", |_| false), Fate::Refuse(500));
        assert_eq!(faults.judge("POST /v1/refunds", |_| false), Fate::Serve);
    }

    #[test]
    fn down_closes_everything() {
        let mut faults = changed(r#"{"down":true,"match":"nothing"}"#).unwrap();
        assert_eq!(faults.judge("GET /", |_| false), Fate::Close);
    }
}
