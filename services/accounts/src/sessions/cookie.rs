//! The cookie `refresh`, pure: a session and its secret, for nobody but the browser and these routes.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::{LASTS, Secret, Ticket};

const NAME: &str = "refresh";
const SESSION_LENGTH: usize = 32;

/// What the browser shows, where it is of our making.
pub(crate) fn presented(headers: &HeaderMap) -> Option<Ticket> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .find_map(|(_, value)| read(value))
}

fn read(value: &str) -> Option<Ticket> {
    let (session, secret) = value.split_once('.')?;
    let fits = session.len() == SESSION_LENGTH && session.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| Secret::read(secret).map(|secret| Ticket { session: session.to_owned(), secret })).flatten()
}

/// The cookie that gives a ticket.
pub(crate) fn giving(ticket: &Ticket, secure: bool) -> String {
    let value = format!("{}.{}", ticket.session, ticket.secret.text());
    written(&value, LASTS.as_secs(), secure)
}

/// The cookie that takes it away.
pub(crate) fn clearing(secure: bool) -> String {
    written("", 0, secure)
}

fn written(value: &str, seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/api/v1/users; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// True unless the request came over plain HTTP to a host that is this machine: there is no TLS on a laptop.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    let texts = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    // A proxy in front of us says how, and by which name, it was asked.
    let encrypted = texts("x-forwarded-proto").iter().any(|scheme| !scheme.eq_ignore_ascii_case("http"));
    let hosts = [texts("host"), texts("x-forwarded-host")].concat();
    encrypted || hosts.is_empty() || !hosts.iter().all(|host| is_loopback(host))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = all
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        pairs.collect()
    }

    #[test]
    fn what_is_given_is_what_is_shown_again() {
        let ticket = Ticket::new();
        let cookie = giving(&ticket, true);
        let value = cookie.split(';').next().unwrap();
        let shown = presented(&headers(&[("cookie", &format!("theme=dark; {value}; other=1"))])).unwrap();
        assert_eq!(shown.session, ticket.session);
        assert!(shown.secret.hash().is(&ticket.secret.hash()));
    }

    #[test]
    fn the_cookie_is_for_the_browser_and_these_routes_alone() {
        let cookie = giving(&Ticket::new(), true);
        for part in ["Path=/api/v1/users;", "Max-Age=2592000;", "HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(cookie.contains(part), "{part}");
        }
        assert!(!giving(&Ticket::new(), false).contains("Secure"));
        assert_eq!(clearing(false), "refresh=; Path=/api/v1/users; Max-Age=0; HttpOnly; SameSite=Strict");
    }

    #[test]
    fn what_is_not_of_our_making_is_no_ticket() {
        let session = "0123456789abcdef0123456789abcdef";
        let secret = Secret::new().text();
        for cookie in [
            String::new(),
            "refresh=".into(),
            "refresh=.".into(),
            format!("refresh={session}"),
            format!("refresh={session}."),
            format!("refresh={session}.short"),
            format!("refresh={session}.{secret}A"),
            format!("refresh={session}0.{secret}"),
            format!("refresh=x{}.{secret}", &session[1..]),
            format!("other={session}.{secret}"),
        ] {
            assert!(presented(&headers(&[("cookie", &cookie)])).is_none(), "{cookie}");
        }
        assert!(presented(&HeaderMap::new()).is_none());
        let two = headers(&[("cookie", "refresh=old"), ("cookie", &format!("refresh={session}.{secret}"))]);
        assert!(presented(&two).is_some(), "one that is ours is found beside one that is not");
    }

    #[test]
    fn only_plain_http_to_this_machine_gets_a_cookie_that_is_not_secure() {
        for host in ["127.0.0.1:8080", "127.8.0.1", "localhost", "LOCALHOST:80", "[::1]:8080", "a.localhost"]
        {
            assert!(!is_secure(&headers(&[("host", host)])), "{host}");
            assert!(is_secure(&headers(&[("host", host), ("x-forwarded-proto", "https")])), "{host}");
            let named = headers(&[("host", host), ("x-forwarded-host", "shop.example.com")]);
            assert!(is_secure(&named), "{host}");
        }
        for host in ["shop.example.com", "localhost.example.com", "10.0.0.1", "127.0.0.1.example.com", ""] {
            assert!(is_secure(&headers(&[("host", host)])), "{host}");
        }
        assert!(is_secure(&HeaderMap::new()));
    }
}
