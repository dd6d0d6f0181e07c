//! `/images`.

use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rest::{Body, Caller, IdempotencyKey, Operation, Permission, Problem, Routes, Search, Segments, Stored};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::wants_text;
use super::{CatalogWrite, Counter, Window};
use crate::etag;
use crate::images::{TakenImage, Uploader};

/// How long the body of an upload may take to arrive: only few are received at the same time.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
const LEAST_WIDTH: u32 = 16;
const GREATEST_WIDTH: u32 = 4096;
/// What an id shows never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const AS_DECLARED: HeaderValue = HeaderValue::from_static("nosniff");
const TEXT: &str = "text/plain";

/// A picture to be kept.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct NewImage {
    /// A PNG or JPEG as a data URL: `data:image/png;base64,…`; at most 10 MiB and 50 million pixels.
    #[schemars(length(min = 1))]
    data: String,
}

/// The route whose body may be larger than those of others.
pub(super) fn uploads() -> Routes<Counter> {
    Routes::default().with(
        MethodFilter::POST,
        "/images",
        Operation::new("catalog", "uploadImage", "Keeps a picture. The same bytes have the same id.")
            .needs_token(None)
            .is_idempotent()
            .reads::<NewImage>()
            .answers::<TakenImage>(201, "The picture is kept, or was already.")
            .refuses(408, "The body did not arrive in time.")
            .refuses(409, "You have brought as many pictures as a user may."),
        upload_image,
    )
}

pub(super) fn shown() -> Routes<Window> {
    Routes::default().with(
        MethodFilter::GET,
        "/images/{id}",
        Operation::new("catalog", "readImage", "A picture; as base64 text for those who accept text/plain.")
            .searches(
                "width",
                json!({ "type": "integer", "minimum": LEAST_WIDTH, "maximum": GREATEST_WIDTH }),
                "In that width in pixels, and never wider than it came; a picture that has many widths already is shown in the next smaller usual one.",
            )
            .answers_raw(200, "The picture.", &["image/png", "image/jpeg", TEXT])
            .is_tagged()
            .refuses(404, "There is no such picture."),
        read_image,
    )
}

async fn upload_image(
    caller: Caller,
    key: IdempotencyKey,
    State(counter): State<Counter>,
    request: Request,
) -> Result<Stored, Problem> {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let turn = counter.images.turn(length).await?;
    let arriving = Body::<NewImage>::from_request(request, &counter);
    let Body(NewImage { data }) = tokio::time::timeout(ARRIVES_WITHIN, arriving).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the picture did not arrive in time: send it again")
    })??;
    let uploader = Uploader { user: caller.id(), editor: caller.may(CatalogWrite::NAME) };
    let stored = counter.images.take(data, uploader, &key).await?;
    drop(turn);
    Ok(stored)
}

/// What may follow the question mark.
#[derive(Deserialize, Clone, Debug)]
struct Size {
    width: Option<u32>,
}

async fn read_image(
    State(window): State<Window>,
    Segments(id): Segments<String>,
    Search(Size { width }): Search<Size>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if width.is_some_and(|width| !(LEAST_WIDTH..=GREATEST_WIDTH).contains(&width)) {
        return Err(Problem::unreadable(format!("width: ask for {LEAST_WIDTH} to {GREATEST_WIDTH} pixels")));
    }
    let meta = window.images.meta(&id).await?;
    let width = window.images.width(&id, meta, width).await?;
    let kind = meta.kind.as_str();
    let as_text = wants_text(&headers, kind);
    let tag = tag(&id, width, as_text);
    let about = [
        (header::ETAG, etag::header(&tag)),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::X_CONTENT_TYPE_OPTIONS, AS_DECLARED),
    ];
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    // Made before room is taken: who waits for a turn to decode keeps nobody else from being served.
    if let Some(width) = width {
        window.images.prepare(&id, meta, width).await?;
    }
    let room = window.images.room().await?;
    let bytes = window.images.bytes(&id, width).await?;
    let (kind, bytes) = if as_text { (TEXT, STANDARD.encode(bytes).into_bytes()) } else { (kind, bytes) };
    Ok((about, [(header::CONTENT_TYPE, kind)], room.around(bytes)).into_response())
}

/// The tag of what is sent: another one for each width and form.
fn tag(id: &str, width: Option<u32>, as_text: bool) -> String {
    let width = width.map(|width| format!("-{width}")).unwrap_or_default();
    format!("\"{id}{width}{}\"", if as_text { "-text" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_another_size_or_form_has_another_tag() {
        let tags = [
            tag("a", None, false),
            tag("a", None, true),
            tag("a", Some(64), false),
            tag("a", Some(64), true),
        ];
        assert_eq!(tags, ["\"a\"", "\"a-text\"", "\"a-64\"", "\"a-64-text\""]);
    }
}
