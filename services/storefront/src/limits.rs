//! Rate limits: for each address, for each user, and stricter ones where passwords are tried.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use rest::{Caller, Gate, Problem};
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// So many times the requests of a second may come at once.
const BURST: u32 = 10;
/// How often those who have been quiet are forgotten.
const SWEPT_EVERY: Duration = Duration::from_secs(30);

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The limits of the gateway.
pub(crate) struct Limits {
    addresses: Limiter<IpAddr>,
    users: Limiter<String>,
    signups: Limiter<IpAddr>,
    logins: Limiter<IpAddr>,
    gate: Gate,
    forwarded_hops: usize,
}

/// What a limiter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// How many requests there may be at once.
    limit: u32,
    /// How many of them are left.
    remaining: u32,
    /// When not even one is: how long to wait.
    wait: Option<Duration>,
}

impl Limits {
    pub(crate) fn of(settings: &Settings, gate: Gate) -> Self {
        let quota = |each_second: u32| {
            Quota::per_second(nonzero(each_second)).allow_burst(nonzero(each_second.saturating_mul(BURST)))
        };
        Self {
            addresses: limiter(quota(settings.rate_limit_address)),
            users: limiter(quota(settings.rate_limit_user)),
            signups: limiter(Quota::per_minute(nonzero(settings.rate_limit_signup))),
            logins: limiter(Quota::per_minute(nonzero(settings.rate_limit_login))),
            gate,
            forwarded_hops: settings.forwarded_hops,
        }
    }

    /// Forgets who has been quiet, until the process is to stop: what is remembered is bounded by what is sent.
    pub(crate) async fn sweep(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(SWEPT_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.addresses.retain_recent();
                    self.users.retain_recent();
                    self.signups.retain_recent();
                    self.logins.retain_recent();
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// What the limits say, and who asks, where that was found out.
    async fn judge(
        &self,
        address: IpAddr,
        door: Option<Door>,
        headers: &HeaderMap,
    ) -> (Verdict, Option<Caller>) {
        let mut verdict = check(&self.addresses, &address);
        let door = match door {
            Some(Door::SignUp) => Some(&self.signups),
            Some(Door::LogIn) => Some(&self.logins),
            None => None,
        };
        if let Some(limiter) = door {
            verdict = stricter(verdict, check(limiter, &address));
        }
        // Whoever makes up a token is counted by address alone: nobody can use up another user's share.
        if verdict.wait.is_none()
            && headers.contains_key(header::AUTHORIZATION)
            && let Ok(caller) = self.gate.admit_headers(headers).await
        {
            return (stricter(verdict, check(&self.users, &caller.id().to_owned())), Some(caller));
        }
        (verdict, None)
    }
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn limiter<K: std::hash::Hash + Eq + Clone>(quota: Quota) -> Limiter<K> {
    RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>()
}

fn check<K: std::hash::Hash + Eq + Clone>(limiter: &Limiter<K>, key: &K) -> Verdict {
    match limiter.check_key(key) {
        Ok(state) => Verdict {
            limit: state.quota().burst_size().get(),
            remaining: state.remaining_burst_capacity(),
            wait: None,
        },
        Err(refusal) => Verdict {
            limit: refusal.quota().burst_size().get(),
            remaining: 0,
            wait: Some(refusal.wait_time_from(DefaultClock::default().now())),
        },
    }
}

/// The one that leaves less.
fn stricter(one: Verdict, other: Verdict) -> Verdict {
    let key = |verdict: &Verdict| (verdict.wait.is_none(), verdict.remaining);
    if key(&other) < key(&one) { other } else { one }
}

/// Where people come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Accounts are made.
    SignUp,
    /// Passwords and secrets are tried.
    LogIn,
}

fn door_of(path: &str) -> Option<Door> {
    match path.trim_end_matches('/') {
        "/api/v1/users/register" => Some(Door::SignUp),
        "/api/v1/users/login" | "/api/v1/users/refresh" => Some(Door::LogIn),
        _ => None,
    }
}

/// Who sent the request: the peer, or what the outermost of our own proxies saw.
fn address_of(request: &Request, hops: usize) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    forwarded(request.headers(), hops).unwrap_or(peer)
}

/// The address that the proxy `hops` before us saw. What stands further left anyone may have written.
fn forwarded(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let back = hops.checked_sub(1)?;
    let all: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    all.iter().rev().nth(back)?.trim().parse().ok()
}

/// Whom an address stands for: of IPv6 whoever has one has 2^64 of them.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Lets a request through, or answers 429; says what is left either way.
pub(crate) async fn hold(State(limits): State<Arc<Limits>>, mut request: Request, next: Next) -> Response {
    let address = subscriber(address_of(&request, limits.forwarded_hops));
    let (verdict, caller) = limits.judge(address, door_of(request.uri().path()), request.headers()).await;
    // Also to where others would believe it of a client.
    if let Ok(address) = HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().insert(rest::CLIENT_ADDRESS, address);
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let mut response = match verdict.wait {
        None => next.run(request).await,
        Some(wait) => {
            metrics::counter!("supercargo_rate_limited_total").increment(1);
            let seconds = wait.as_secs().saturating_add(1);
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("too many requests: send the next one in {seconds} seconds"),
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            .into_response()
        }
    };
    let reset = verdict.wait.map_or(1, |wait| wait.as_secs().saturating_add(1));
    for (name, value) in [
        (HeaderName::from_static("ratelimit-limit"), HeaderValue::from(verdict.limit)),
        (HeaderName::from_static("ratelimit-remaining"), HeaderValue::from(verdict.remaining)),
        (HeaderName::from_static("ratelimit-reset"), HeaderValue::from(reset)),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_limits_the_one_that_leaves_less_is_told() {
        let wide = Verdict { limit: 100, remaining: 90, wait: None };
        let narrow = Verdict { limit: 10, remaining: 3, wait: None };
        let over = Verdict { limit: 200, remaining: 0, wait: Some(Duration::from_secs(2)) };
        assert_eq!(stricter(wide, narrow), narrow);
        assert_eq!(stricter(narrow, wide), narrow);
        assert_eq!(stricter(narrow, over), over);
    }

    #[test]
    fn who_tries_passwords_is_held_more_strictly_than_who_signs_up() {
        assert_eq!(door_of("/api/v1/users/login/"), Some(Door::LogIn));
        assert_eq!(door_of("/api/v1/users/register"), Some(Door::SignUp));
        assert_eq!(door_of("/api/v1/users/me"), None);
    }

    #[test]
    fn an_address_is_believed_as_far_as_our_own_proxies_wrote_it() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.7".parse().unwrap());
        assert_eq!(forwarded(&headers, 0), None);
        assert_eq!(forwarded(&headers, 1), Some(IpAddr::from([203, 0, 113, 7])));
        assert_eq!(forwarded(&headers, 3), None);
    }

    #[test]
    fn who_sends_more_than_the_limit_waits_and_others_do_not() {
        let limiter: Limiter<u8> = limiter(Quota::per_minute(nonzero(2)));
        assert_eq!([check(&limiter, &1).wait, check(&limiter, &1).wait], [None, None]);
        assert!(check(&limiter, &1).wait.is_some());
        assert_eq!(check(&limiter, &2).wait, None);
    }
}
