//! The way to services in other processes.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{Authority, Scheme, Uri};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rest::Problem;

use crate::owners::Owner;
use crate::settings::Settings;

/// What concerns one connection only (RFC 9110, section 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How long an idle connection is kept: shorter than the services keep theirs, so that no request is sent into one that closes.
const KEPT_IDLE: Duration = Duration::from_secs(20);

/// Passes requests on.
#[derive(Clone)]
pub(crate) struct Proxy {
    client: Client<HttpConnector, Body>,
    address: String,
}

impl Proxy {
    /// # Errors
    /// When `SERVICE_URL` leads nowhere.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let address = settings.service_url.trim_end_matches('/').to_owned();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_IDLE)
            .build_http();
        let proxy = Self { client, address };
        proxy.origin(Owner::Accounts).with_context(|| {
            format!(
                "the setting SERVICE_URL is no address ({:?}); give it by environment or flag, for example \
                 SERVICE_URL=http://supercargo-{{service}}:8080",
                proxy.address
            )
        })?;
        Ok(proxy)
    }

    fn origin(&self, owner: Owner) -> anyhow::Result<(Scheme, Authority)> {
        let uri: Uri = self.address.replace("{service}", owner.name()).parse()?;
        let parts = uri.into_parts();
        let scheme =
            parts.scheme.filter(|scheme| *scheme == Scheme::HTTP).context("it has to begin with http://")?;
        Ok((scheme, parts.authority.context("it names no host")?))
    }

    /// The owner's answer, or a problem when it does not answer.
    pub(crate) async fn pass(&self, owner: Owner, mut request: Request) -> Response {
        let Ok((scheme, authority)) = self.origin(owner) else {
            return unreachable_owner(owner);
        };
        let mut parts = request.uri().clone().into_parts();
        (parts.scheme, parts.authority) = (Some(scheme), Some(authority));
        let Ok(uri) = Uri::from_parts(parts) else { return unreachable_owner(owner) };
        *request.uri_mut() = uri;
        *request.version_mut() = axum::http::Version::HTTP_11;
        for name in &OF_THE_CONNECTION {
            request.headers_mut().remove(name);
        }
        let host = request.headers_mut().remove(header::HOST);
        // What the client called, for who has to know: cookies are marked by it.
        let headers = request.headers_mut();
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        match self.client.request(request).await {
            Ok(mut response) => {
                for name in &OF_THE_CONNECTION {
                    response.headers_mut().remove(name);
                }
                response.map(Body::new)
            }
            Err(error) => {
                tracing::warn!(service = owner.name(), "a service does not answer: {error}");
                unreachable_owner(owner)
            }
        }
    }
}

fn unreachable_owner(owner: Owner) -> Response {
    Problem::unavailable(format!(
        "the service {} does not answer: send the same request again in a moment",
        owner.name()
    ))
    .into_response()
}
