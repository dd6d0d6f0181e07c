//! What stands in the address: its segments and its search.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Problem;

/// The variable segments of the path.
#[derive(Clone, Debug)]
pub struct Segments<T>(pub T);

impl<S, T> FromRequestParts<S> for Segments<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Neither a database nor a log keeps these, and no id has them.
        let path = parts.uri.path().to_ascii_lowercase();
        if ["%00", "%0a", "%0d", "%2f", "%5c"].iter().any(|code| path.contains(code)) {
            return Err(Problem::absent("there is nothing at this address"));
        }
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                tracing::debug!("an address cannot be read: {error}");
                Err(Problem::absent("there is nothing at this address"))
            }
            Err(error) => Err(Problem::unreadable(error.body_text())),
        }
    }
}

/// What follows the question mark.
#[derive(Clone, Debug)]
pub struct Search<T>(pub T);

impl<S, T> FromRequestParts<S> for Search<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("%00")) {
            return Err(Problem::unreadable("the query has the character U+0000: leave it out"));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(search)) => Ok(Self(search)),
            Err(error) => Err(Problem::unreadable(error.body_text())),
        }
    }
}
