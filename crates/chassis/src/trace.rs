//! Traces by OpenTelemetry: one an order, over all processes.
//!
//! The trace id is the order's UID, and the id of the root span follows from it ([`TraceParent::of_order`]), so that whoever does
//! something for an order knows what it is part of without having been told. What a message brought about becomes part of
//! the span that sent it.
//!
//! Spans go to a collector only where one is named (`OTEL_EXPORTER_OTLP_ENDPOINT`); otherwise none is made. What belongs to no
//! order, as spans of libraries, is left out.

use std::sync::OnceLock;
use std::time::Duration;

use events::TraceParent;
use jiff::Timestamp;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::sampling::{Ids, ROOT, Share};
use crate::{Point, SettingError};

/// How long spans that are not sent yet are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(3);

static TRACES: OnceLock<Traces> = OnceLock::new();

struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Has `share` of all orders traced, and the spans of this `process` sent to `collector`; answers with who makes them.
///
/// # Errors
/// When the collector's address makes no sense.
pub(crate) fn start(process: &str, collector: &str, share: f64) -> anyhow::Result<SdkTracer> {
    let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(endpoint).build().map_err(
            |error| SettingError {
                name: "OTEL_EXPORTER_OTLP_ENDPOINT".into(),
                fault: format!("names no collector: {error}"),
                example: "http://collector:4318".into(),
            },
        )?;
    // What OTEL_RESOURCE_ATTRIBUTES says is there already.
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(process.to_owned());
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_id_generator(Ids::default())
        .with_sampler(Share(share))
        .with_resource(resource.build())
        .build();
    let tracer = provider.tracer("supercargo");
    let _ = TRACES.set(Traces { provider, tracer: tracer.clone() });
    Ok(tracer)
}

/// Sends the spans that were not sent yet, and makes no more; before the process ends.
pub async fn finish_traces() {
    let Some(traces) = TRACES.get() else { return };
    let provider = traces.provider.clone();
    let finishing = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE));
    if let Ok(Err(error)) = finishing.await {
        tracing::debug!("failed to send the last spans: {error}");
    }
}

/// Makes `span` part of what `trace` names, unless it was made in a span of the same trace; before it is entered.
#[must_use]
pub fn join(span: Span, trace: &TraceParent) -> Span {
    if TRACES.get().is_some()
        && present().is_none_or(|present| present.trace_id() != trace.trace_id())
        && let Some(parent) = remote(trace)
        // Left out by the filter of the logs: then there is nothing to join.
        && let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent))
    {
        tracing::trace!("a span joins no trace: {error}");
    }
    span
}

/// Does `what` within `span`, which ends with it: whatever else holds the span, as connections do that were opened meanwhile,
/// would keep it open otherwise.
pub async fn within<T>(span: Span, what: impl Future<Output = T>) -> T {
    let outcome = what.instrument(span.clone()).await;
    if TRACES.get().is_some() {
        span.context().span().end();
    }
    outcome
}

/// The present span, where it is part of the trace of an order.
pub(crate) fn present() -> Option<TraceParent> {
    let present = current()?;
    TraceParent::parse(&format!("00-{}-{}-01", present.trace_id(), present.span_id()))
}

/// As [`present`], as OpenTelemetry has it.
fn current() -> Option<SpanContext> {
    TRACES.get()?;
    let context = Context::current();
    let present = context.span().span_context().clone();
    (present.is_valid() && present.is_sampled()).then_some(present)
}

/// What a message that is sent now names as its parent: the present span where it is one of `trace`, else `trace` itself.
#[must_use]
pub(crate) fn onward(trace: &TraceParent) -> TraceParent {
    let same = present().filter(|present| present.trace_id() == trace.trace_id());
    same.unwrap_or_else(|| trace.clone())
}

/// Performs an effect at `point`, as a span of its own where it is part of a trace. Not one of `tracing`'s: log lines have
/// enough in front of them.
pub(crate) async fn traced<T, E>(
    point: Point,
    performing: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some((Traces { tracer, .. }, _)) = TRACES.get().zip(current()) else { return performing.await };
    let builder = tracer.span_builder(point.to_string());
    let context = Context::current();
    let context = context.with_span(tracer.build_with_context(builder, &context));
    let outcome = performing.with_context(context.clone()).await;
    let span = context.span();
    if outcome.is_err() {
        span.set_status(Status::error(""));
    }
    span.end();
    outcome
}

/// A part of an order's story that is over.
#[derive(Clone, Debug)]
pub struct Chapter<'a> {
    /// The order.
    pub order_id: &'a str,
    /// What it was, in few words: traces are grouped by it.
    pub name: &'static str,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// More of it, by name.
    pub details: &'a [(&'static str, &'a str)],
}

impl Chapter<'_> {
    /// Tells it as a span of the order's trace.
    pub fn tell(&self) {
        self.tell_after(&TraceParent::of_order(self.order_id));
    }

    /// Tells it as what a message brought about that named this parent.
    pub fn tell_after(&self, trace: &TraceParent) {
        self.tell_in(remote(trace));
    }

    /// Tells it as the root of the order's trace: what all else is part of.
    pub fn tell_as_root(&self) {
        debug_assert_eq!(self.name, ROOT, "no other name begins a trace");
        if let Some(root) = remote(&TraceParent::of_order(self.order_id)) {
            Ids::next(root.trace_id(), root.span_id());
            self.tell_in(None);
        }
    }

    fn tell_in(&self, parent: Option<SpanContext>) {
        let Some(Traces { tracer, .. }) = TRACES.get() else { return };
        let details = self.details.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned()));
        let order = KeyValue::new("order", self.order_id.to_owned());
        let builder = tracer
            .span_builder(self.name)
            .with_start_time(self.began)
            .with_attributes(details.chain([order]).collect::<Vec<_>>());
        let context = Context::new();
        let context = match parent {
            Some(parent) => context.with_remote_span_context(parent),
            None => context,
        };
        tracer.build_with_context(builder, &context).end_with_timestamp(self.ended.into());
    }
}

fn remote(trace: &TraceParent) -> Option<SpanContext> {
    let trace_id = TraceId::from_hex(trace.trace_id()).ok()?;
    let span_id = SpanId::from_hex(trace.span_id()).ok()?;
    Some(SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default()))
}
