//! One trace an order: the trace id is the order id, so that logs, messages and resources find each other.

use std::fmt;

/// A W3C `traceparent` (Trace Context, level 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The root of an order's trace. The order id is a UUID, whose 128 bits are the trace id; any other text is hashed to as
    /// many. The span follows from them, so that whoever does something for an order knows what it is part of without having
    /// been told.
    #[must_use]
    pub fn of_order(order_id: &str) -> Self {
        let namespace = uuid::Uuid::NAMESPACE_OID;
        let trace = uuid::Uuid::parse_str(order_id)
            .unwrap_or_else(|_| uuid::Uuid::new_v5(&namespace, order_id.as_bytes()));
        let (_, span) = trace.as_u64_pair();
        Self(format!("00-{}-{:016x}-01", trace.simple(), span.max(1)))
    }

    /// Reads a header's value; `None` when it is not of the standard's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let hex =
            |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
        match parts.as_slice() {
            [version, trace, span, flags]
                if hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2) =>
            {
                Some(Self(text.to_owned()))
            }
            _ => None,
        }
    }

    /// The trace id, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }

    /// The id of the span that the message was sent in, 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        self.0.get(36..52).unwrap_or_default()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_of_an_order_is_its_uid() {
        let parent = TraceParent::of_order("0b9c2a3e-5d1f-4a6b-8c7d-1e2f3a4b5c6d");
        assert_eq!(parent.trace_id(), "0b9c2a3e5d1f4a6b8c7d1e2f3a4b5c6d");
        assert_eq!(parent.span_id(), "8c7d1e2f3a4b5c6d");
        assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        assert_eq!(TraceParent::parse("00-zz-11-01"), None);
    }
}
