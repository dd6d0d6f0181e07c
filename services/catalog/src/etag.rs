//! Entity tags: has what a client knows changed? Pure.

use axum::http::{HeaderMap, HeaderValue, header};
use rest::Problem;
use sha2::{Digest, Sha256};

/// The weak tag of a body.
pub(crate) fn of_body(body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    format!("W/\"{}\"", digest.get(..32).unwrap_or(&digest))
}

/// The tag of an article: its own revision, and that of its stock level.
pub(crate) fn of_product(revision: i64, level_revision: i64) -> String {
    format!("\"{revision}-{level_revision}\"")
}

/// As a header. Tags are ASCII; one that were not would never match.
pub(crate) fn header(tag: &str) -> HeaderValue {
    HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// True when the client has what bears `tag`: `If-None-Match` names it, weakly compared.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    tags(headers, &header::IF_NONE_MATCH).any(|known| known == "*" || opaque(known) == opaque(tag))
}

/// Refuses a change of an article at `revision` where `If-Match` names only other revisions. The level of its stock, which may
/// have changed under the editor's hands at any time, does not count; nor does it whether a proxy made the tag a weak one.
///
/// # Errors
/// 412, with what to do.
pub(crate) fn check_match(headers: &HeaderMap, sku: &str, revision: i64) -> Result<(), Problem> {
    let mut wanted = tags(headers, &header::IF_MATCH).peekable();
    let is_this = |tag: &str| {
        tag == "*"
            || opaque(tag)
                .and_then(|tag| tag.split_once('-'))
                .is_some_and(|(of, _)| of == revision.to_string())
    };
    if wanted.peek().is_none() || wanted.any(is_this) {
        return Ok(());
    }
    Err(Problem::new(
        axum::http::StatusCode::PRECONDITION_FAILED,
        format!("{sku} was changed meanwhile: read it again and send your change with its new ETag"),
    ))
}

/// The tags that a header lists. None of ours has a comma.
fn tags<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

/// What is between the quotes, of a strong tag or a weak one.
fn opaque(tag: &str) -> Option<&str> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn who_names_the_tag_has_it() {
        let knows = |value: &str| is_known(&headers(header::IF_NONE_MATCH, value), "W/\"abc\"");
        for value in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(knows(value), "{value}");
        }
        for value in ["W/\"abd\"", "abc", "\"\"", ",", "\"x\", \"y\""] {
            assert!(!knows(value), "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "W/\"abc\""));
    }

    #[test]
    fn the_same_body_has_the_same_tag_and_another_another() {
        assert_eq!(of_body(b"{}"), of_body(b"{}"));
        assert_ne!(of_body(b"{}"), of_body(b"[]"));
        assert_eq!(header(&of_body(b"{}")), of_body(b"{}"));
    }

    #[test]
    fn a_change_of_what_was_changed_meanwhile_is_refused() {
        let check = |value: &str| check_match(&headers(header::IF_MATCH, value), "MUG-01", 3);
        for value in ["\"3-9\"", "*", "\"2-9\", \"3-1\"", "W/\"3-9\""] {
            assert!(check(value).is_ok(), "{value}");
        }
        for value in ["\"2-9\"", "\"33-9\"", "3-9", "\"3\""] {
            assert_eq!(check(value).unwrap_err().status().as_u16(), 412, "{value}");
        }
        assert!(check_match(&HeaderMap::new(), "MUG-01", 3).is_ok());
    }
}
