//! Bounds on texts that several kinds share, in what the regular expressions of the API server (RE2) and of OpenAPI (ECMA-262)
//! have in common.

/// A name or address line: 1 to 200 characters, no control characters (they could forge mail headers or logs).
pub(crate) const PRINTABLE: &str = r"^[^\x00-\x1f\x7f]*$";
/// An article's stock keeping unit.
pub(crate) const SKU: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
/// An email address as far as a pattern can tell: one @ with something on both sides and no spaces.
pub(crate) const EMAIL: &str = r#"^[^@\x00-\x20\x7f<>,;"]+@[^@\x00-\x20\x7f<>,;"]+$"#;
/// A duration in Go's form: "24h", "1h30m", "50ms". Few digits, since readers overflow on many.
pub(crate) const DURATION: &str = "^([0-9]{1,7}(\\.[0-9]{1,6})?(ms|s|m|h))+$";
