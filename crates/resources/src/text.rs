//! Bounds on texts that several kinds share.

/// A name or address line: 1 to 200 characters, no control characters (they could forge mail headers or logs).
pub(crate) const PRINTABLE: &str = "^[^[:cntrl:]]*$";
/// An article's stock keeping unit.
pub(crate) const SKU: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
/// An email address as far as a pattern can tell: one @ with something on both sides and no spaces.
pub(crate) const EMAIL: &str = "^[^@[:cntrl:][:space:]<>,;\"]+@[^@[:cntrl:][:space:]<>,;\"]+$";
/// A duration in Go's form: "24h", "1h30m", "50ms". Few digits, since readers overflow on many.
pub(crate) const DURATION: &str = "^([0-9]{1,7}(\\.[0-9]{1,6})?(ms|s|m|h))+$";
