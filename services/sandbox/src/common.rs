//! Small things that all servers here need: the time, fresh ids, a lock that cannot be poisoned, who is calling.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine;
use hmac::{Hmac, Mac};
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
}

/// A fresh id of the prefix and 24 letters and digits.
pub(crate) fn fresh_id(prefix: &str) -> String {
    let mut random = rand::rng();
    let mut id = String::with_capacity(prefix.len() + 25);
    id.push_str(prefix);
    id.push('_');
    for _ in 0..24 {
        id.push(char::from(random.sample(rand::distr::Alphanumeric)));
    }
    id
}

/// Locks; a panic elsewhere does not take the books away.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the request presents the key, as bearer token or as the user of basic authentication.
pub(crate) fn presents_key(headers: &HeaderMap, key: &str) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some((scheme, rest)) = value.split_once(' ') else { return false };
    let presented = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().to_owned(),
        "basic" => match base64::engine::general_purpose::STANDARD.decode(rest.trim()) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                text.split_once(':').map_or(text.clone(), |(user, _)| user.to_owned())
            }
            Err(_) => return false,
        },
        _ => return false,
    };
    presented.as_bytes().ct_eq(key.as_bytes()).into()
}

/// Hex of the HMAC-SHA256 of the text.
pub(crate) fn hmac_hex(secret: &str, text: &str) -> String {
    // HMAC takes keys of every length, so there is no error to tell.
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(text.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

/// A short fingerprint of what a request asks for.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

/// Text that is safe inside HTML, in content and in quoted attributes.
pub(crate) fn escape_html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_bearer_token_and_as_basic_user() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            presents_key(&headers, "sk_test")
        };
        assert!(with("Bearer sk_test"));
        assert!(with("Basic c2tfdGVzdDo="));
        assert!(!with("Bearer sk_tes"));
        assert!(!with("Basic ???"));
        assert!(!presents_key(&HeaderMap::new(), "sk_test"));
    }

    #[test]
    fn the_signature_is_the_published_test_vector() {
        assert_eq!(
            hmac_hex("key", "The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escape_html("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
