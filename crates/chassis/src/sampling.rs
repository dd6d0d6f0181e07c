//! Which orders are traced, and the ids of their spans.

use std::cell::Cell;

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SamplingDecision, SamplingResult, ShouldSample,
};

/// The part of all orders that is traced, from 0 to 1; of an order all or nothing, by whichever process.
///
/// W3C Trace Context level 2 has the last 56 bits of a trace id random; so they are in an order's, which is a UUID. OpenTelemetry's
/// own sampler looks at the bits before, where a UUID says of which kind it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

const RANDOM_BITS: u32 = 56;
/// The name of an order's root.
pub(crate) const ROOT: &str = "order";

impl Share {
    fn includes(self, trace_id: TraceId) -> bool {
        let [.., b0, b1, b2, b3, b4, b5, b6] = trace_id.to_bytes();
        let random = u64::from_be_bytes([0, b0, b1, b2, b3, b4, b5, b6]);
        #[allow(
            clippy::cast_precision_loss,
            clippy::float_arithmetic,
            reason = "a share is not that precise, and no money"
        )]
        let place = random as f64 / (1_u64 << RANDOM_BITS) as f64;
        place < self.0
    }
}

impl ShouldSample for Share {
    /// A trace begins with the root of an order; whatever else begins one belongs to no order.
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let of_an_order =
            parent.map(|parent| parent.span().span_context().clone()).filter(SpanContext::is_valid);
        let of_an_order = of_an_order.map_or(name == ROOT, |parent| parent.is_sampled());
        let decision = if of_an_order && self.includes(trace_id) {
            SamplingDecision::RecordAndSample
        } else {
            SamplingDecision::Drop
        };
        let trace_state = parent
            .map_or_else(TraceState::default, |parent| parent.span().span_context().trace_state().clone());
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, but for a root whose ids are known before.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

impl Ids {
    /// The next span that this thread makes is a root and has these ids.
    pub(crate) fn next(trace_id: TraceId, span_id: SpanId) {
        NEXT.set(Some((trace_id, span_id)));
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().map_or_else(|| self.0.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(_, span_id)| span_id)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceFlags;

    use super::*;

    #[test]
    fn of_many_orders_about_the_share_is_traced_each_wholly() {
        let orders: Vec<TraceId> =
            (0..10_000).map(|_| TraceId::from_bytes(*uuid::Uuid::new_v4().as_bytes())).collect();
        let traced = |share: f64| orders.iter().filter(|order| Share(share).includes(**order)).count();
        assert_eq!((traced(0.0), traced(1.0)), (0, 10_000));
        assert!((2_200..2_800).contains(&traced(0.25)), "{}", traced(0.25));
        let more = |order: &&TraceId| !Share(0.25).includes(**order) || Share(0.5).includes(**order);
        assert!(orders.iter().all(|order| more(&order)), "a larger share has all of a smaller one");
    }

    #[test]
    fn what_belongs_to_no_order_is_left_out() {
        let trace_id = TraceId::from_bytes([1; 16]);
        let sampled = |parent: Option<&Context>, name: &str| {
            let result = Share(1.0).should_sample(parent, trace_id, name, &SpanKind::Internal, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        };
        let within = |flags| {
            let parent =
                SpanContext::new(trace_id, SpanId::from_bytes([2; 8]), flags, true, TraceState::default());
            Context::new().with_remote_span_context(parent)
        };
        assert!(sampled(None, ROOT) && !sampled(None, "reconciling object"));
        assert!(sampled(Some(&within(TraceFlags::SAMPLED)), "reconcile"));
        assert!(!sampled(Some(&within(TraceFlags::default())), "HTTP"));
    }

    #[test]
    fn a_root_has_the_ids_that_were_set_and_the_next_span_has_not() {
        let (ids, trace_id, span_id) =
            (Ids::default(), TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8]));
        Ids::next(trace_id, span_id);
        assert_eq!((ids.new_span_id(), ids.new_trace_id()), (span_id, trace_id));
        assert_ne!(ids.new_span_id(), span_id);
        assert_ne!(ids.new_trace_id(), trace_id);
    }
}
