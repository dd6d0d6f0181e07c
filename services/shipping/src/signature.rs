//! The carrier's signature on webhooks: HMAC-SHA256 over the timestamp and the raw body, so that neither can be changed nor
//! an old one told again.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// How far the carrier's clock may be from ours, in seconds.
const TOLERANCE: u64 = 300;

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or of another form.
    #[error("X-Timestamp and X-Hmac-Signature must be there, as UNIX seconds and hmac-sha256-hex=HEX")]
    Unreadable,
    /// It was signed too long ago, or will be.
    #[error("X-Timestamp is more than {TOLERANCE} seconds from now: is the clock right?")]
    Stale,
    /// It is another's.
    #[error("X-Hmac-Signature does not fit the body: is CARRIER_WEBHOOK_SECRET the same on both sides?")]
    Wrong,
}

/// Checks the signature, in a time that does not depend on how much of it is right.
///
/// # Errors
/// When it does not hold, or no more.
pub fn verify(
    secret: &str,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let timestamp = timestamp.ok_or(SignatureError::Unreadable)?;
    let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::Unreadable)?;
    let signature = signature
        .and_then(|text| text.strip_prefix("hmac-sha256-hex="))
        .and_then(|text| hex::decode(text).ok())
        .ok_or(SignatureError::Unreadable)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| SignatureError::Wrong)?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&signature).map_err(|_| SignatureError::Wrong)?;
    if now.as_second().abs_diff(seconds) > TOLERANCE { Err(SignatureError::Stale) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn sign(secret: &str, timestamp: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}.").as_bytes());
        mac.update(BODY);
        format!("hmac-sha256-hex={}", hex::encode(mac.finalize().into_bytes()))
    }

    fn judge(timestamp: Option<&str>, signature: Option<&str>, body: &[u8]) -> Result<(), SignatureError> {
        verify("secret", timestamp, signature, body, Timestamp::from_second(1_000_000).unwrap())
    }

    #[test]
    fn a_fresh_signature_holds_and_a_changed_body_or_secret_does_not() {
        let good = sign("secret", "1000000");
        assert_eq!(judge(Some("1000000"), Some(&good), BODY), Ok(()));
        assert_eq!(judge(Some("1000000"), Some(&good), b"{}"), Err(SignatureError::Wrong));
        assert_eq!(judge(Some("1000000"), Some(&sign("other", "1000000")), BODY), Err(SignatureError::Wrong));
    }

    #[test]
    fn the_timestamp_is_part_of_what_is_signed() {
        assert_eq!(
            judge(Some("1000001"), Some(&sign("secret", "1000000")), BODY),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn a_replay_after_five_minutes_is_refused() {
        for (timestamp, verdict) in [
            ("999700", Ok(())),
            ("999699", Err(SignatureError::Stale)),
            ("1000300", Ok(())),
            ("1000301", Err(SignatureError::Stale)),
            ("-9223372036854775808", Err(SignatureError::Stale)),
        ] {
            assert_eq!(
                judge(Some(timestamp), Some(&sign("secret", timestamp)), BODY),
                verdict,
                "{timestamp}"
            );
        }
    }

    #[test]
    fn headers_that_are_missing_or_malformed_are_refused() {
        let good = sign("secret", "1000000");
        for (timestamp, signature) in [
            (None, Some(good.as_str())),
            (Some("1000000"), None),
            (Some("yesterday"), Some(good.as_str())),
            (Some("1000000"), Some("hmac-sha256-hex=zz")),
            (Some("1000000"), Some("00ff")),
        ] {
            assert_eq!(judge(timestamp, signature, BODY), Err(SignatureError::Unreadable));
        }
    }
}
