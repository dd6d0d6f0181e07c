//! The newest spans, by trace.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;

/// Of more spans the oldest traces are forgotten.
const MOST_SPANS: usize = 50_000;

/// A span as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) span_id: String,
    /// Absent in a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_span_id: Option<String>,
    pub(crate) name: String,
    /// Which process made it.
    pub(crate) service: String,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    /// What was noted meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    traces: HashMap<String, Vec<Span>>,
    /// By when their first span came.
    order: VecDeque<String>,
    spans: usize,
}

impl Store {
    /// Keeps what an exporter has sent.
    pub(crate) fn keep(&self, request: ExportTraceServiceRequest) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.resource_spans {
            let made_by = resource.resource.map(|resource| texts(resource.attributes)).unwrap_or_default();
            let service = made_by.get("service.name").cloned().unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                kept.add(hex::encode(&span.trace_id), shown(span, service.clone()));
            }
        }
        kept.forget_the_oldest();
    }

    /// The spans of a trace, by when they began.
    pub(crate) fn trace(&self, id: &str) -> Option<Vec<Span>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = kept.traces.get(id)?.clone();
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        Some(spans)
    }
}

impl Kept {
    fn add(&mut self, trace: String, span: Span) {
        self.spans += 1;
        let Self { traces, order, .. } = self;
        let known = traces.entry(trace).or_insert_with_key(|id| {
            order.push_back(id.clone());
            Vec::new()
        });
        known.push(span);
    }

    fn forget_the_oldest(&mut self) {
        while self.spans > MOST_SPANS
            && let Some(oldest) = self.order.pop_front()
        {
            self.spans -= self.traces.remove(&oldest).map_or(0, |spans| spans.len());
        }
    }
}

fn shown(span: OtlpSpan, service: String) -> Span {
    let failed = span.status.is_some_and(|status| status.code() == StatusCode::Error);
    Span {
        span_id: hex::encode(span.span_id),
        parent_span_id: Some(hex::encode(span.parent_span_id)).filter(|id| !id.is_empty()),
        name: span.name,
        service,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        failed,
        attributes: texts(span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|KeyValue { key, value, .. }| (key, text(value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    fn request(trace: [u8; 16], spans: usize) -> ExportTraceServiceRequest {
        let span = OtlpSpan { trace_id: trace.to_vec(), span_id: vec![7; 8], ..OtlpSpan::default() };
        let scope = ScopeSpans { spans: vec![span; spans], ..ScopeSpans::default() };
        let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }
    }

    #[test]
    fn the_oldest_traces_are_forgotten() {
        let store = Store::default();
        store.keep(request([1; 16], 2));
        store.keep(request([2; 16], MOST_SPANS));
        assert_eq!(store.trace(&hex::encode([1; 16])), None);
        let kept = store.trace(&hex::encode([2; 16])).unwrap();
        assert_eq!((kept.len(), kept[0].span_id.as_str()), (MOST_SPANS, "0707070707070707"));
        assert_eq!(kept[0].parent_span_id, None);
    }
}
