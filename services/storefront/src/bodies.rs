//! Bodies that are too large: refused before anyone reads them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use rest::Problem;

/// The largest body that any route takes: an image as a data URL.
pub(crate) const LARGEST: u64 = 15 * 1024 * 1024;
const LARGEST_ELSEWHERE: u64 = 1024 * 1024;
/// So much of a body that is refused is still taken in: a client that is cut off while it writes never reads why.
const PATIENCE: u64 = 4 * LARGEST;

/// How long that may take.
const DRAINED_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Refuses what says of itself that it is too large.
pub(crate) async fn bound(request: Request, next: Next) -> Response {
    let limit = limit_of(request.uri().path());
    let Some(length) = length_of(request.headers()).filter(|length| *length > limit) else {
        return next.run(request).await;
    };
    if length <= PATIENCE {
        // Whoever writes slower than that does not read either.
        let _ = tokio::time::timeout(DRAINED_WITHIN, drain(request.into_body())).await;
    }
    let detail = format!("the body has {length} bytes: {limit} are read at most");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
}

async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn limit_of(path: &str) -> u64 {
    if path.trim_end_matches('/') == "/api/v1/images" { LARGEST } else { LARGEST_ELSEWHERE }
}

fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_may_be_large() {
        assert_eq!(limit_of("/api/v1/images"), LARGEST);
        assert_eq!(limit_of("/api/v1/orders"), LARGEST_ELSEWHERE);
        assert_eq!(limit_of("/api/v1/imagesque"), LARGEST_ELSEWHERE);
    }
}
