//! The signature of a webhook: `Stripe-Signature: t=UNIX,v1=HEX`, HEX = HMAC-SHA256(secret, "{t}.{raw body}").

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// How far the clocks may differ, and how long a recorded webhook can be sent again.
const TOLERANCE_SECONDS: u64 = 300;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no header, or it has another form.
    #[error("the header Stripe-Signature is missing or has another form than t=UNIX,v1=HEX")]
    Malformed,
    /// The signature is not of this body with our secret.
    #[error("the signature is not of this body: is STRIPE_WEBHOOK_SECRET the secret of this endpoint?")]
    Wrong,
    /// It was signed too long ago, or in the future.
    #[error("it was signed more than {TOLERANCE_SECONDS} s from now: are both clocks right?")]
    Stale,
}

/// Checks the header against the raw body.
///
/// # Errors
/// When the webhook is not to be believed.
pub fn verify(secret: &str, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Malformed)?;
    let mut signed_at = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => signed_at = Some(text),
            Some(("v1", text)) => signatures.push(hex::decode(text).map_err(|_| SignatureError::Malformed)?),
            // Other schemes, and test-mode signatures.
            Some(_) => {}
            None => return Err(SignatureError::Malformed),
        }
    }
    let signed_at = signed_at.ok_or(SignatureError::Malformed)?;
    let seconds: i64 = signed_at.parse().map_err(|_| SignatureError::Malformed)?;
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| SignatureError::Wrong)?;
    mac.update(signed_at.as_bytes());
    mac.update(b".");
    mac.update(body);
    // `verify_slice` compares in constant time.
    if !signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()) {
        return Err(SignatureError::Wrong);
    }
    if now.as_second().abs_diff(seconds) > TOLERANCE_SECONDS {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;

    fn sign(secret: &str, seconds: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(BODY);
        format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    fn judge(header: &str, body: &[u8]) -> Result<(), SignatureError> {
        verify("whsec_1", Some(header), body, Timestamp::from_second(1_000_000).unwrap())
    }

    #[test]
    fn a_signature_of_this_body_and_time_is_believed_beside_others() {
        let good = sign("whsec_1", 1_000_000);
        assert_eq!(judge(&good, BODY), Ok(()));
        assert_eq!(judge(&format!("{good},v1={},v0=abc", "00".repeat(32)), BODY), Ok(()));
        assert_eq!(judge(&sign("whsec_1", 1_000_300), BODY), Ok(()));
    }

    #[test]
    fn everything_else_is_not() {
        assert_eq!(judge(&sign("whsec_2", 1_000_000), BODY), Err(SignatureError::Wrong));
        assert_eq!(judge(&sign("whsec_1", 1_000_000), b"{}"), Err(SignatureError::Wrong));
        assert_eq!(judge(&sign("whsec_1", 999_699), BODY), Err(SignatureError::Stale));
        assert_eq!(judge(&sign("whsec_1", 1_000_301), BODY), Err(SignatureError::Stale));
        let moved = sign("whsec_1", 1_000_000).replace("t=1000000", "t=1000001");
        assert_eq!(judge(&moved, BODY), Err(SignatureError::Wrong));
        for header in
            ["", "t=1000000", "v1=00", "t=soon,v1=00", "t=1000000,v1=xyz", "t=1000000;v1=00", "t=1,v1="]
        {
            assert!(judge(header, BODY).is_err(), "{header}");
        }
        assert_eq!(verify("whsec_1", None, BODY, Timestamp::UNIX_EPOCH), Err(SignatureError::Malformed));
    }
}
