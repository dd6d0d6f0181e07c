//! Bodies that fit their schema.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problem;

/// A JSON body that fits the schema of `T`, as the OpenAPI document shows it.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(is_json) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body has to be JSON: send it with content-type: application/json",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::new(rejection.status(), "the body is larger than this route reads")
            } else {
                Problem::unreadable(format!("the body did not arrive whole: {}", rejection.body_text()))
            }
        })?;
        read(&bytes).map(Body)
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Reads JSON that fits the schema of `T`.
///
/// # Errors
/// 400 when it is no JSON, 422 when it does not fit.
pub(crate) fn read<T: DeserializeOwned + JsonSchema + 'static>(bytes: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::unreadable(format!("the body is no JSON: {error}")))?;
    if has_nul(&value) {
        return Err(Problem::invalid("the body has a text with the character U+0000: leave it out"));
    }
    if let Some(error) = validator::<T>().iter_errors(&value).next() {
        let pointer = error.instance_path().to_string();
        let place = if pointer.is_empty() { "the body" } else { pointer.as_str() };
        return Err(Problem::invalid(format!("{place}: {}", shortened(&error.to_string()))).at(&pointer));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        Problem::invalid(format!("{place}: {}", shortened(&error.into_inner().to_string())))
    })
}

/// Faults repeat what was sent, which may be long.
fn shortened(fault: &str) -> String {
    const ROOM: usize = 300;
    match fault.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{} …", fault.get(..end).unwrap_or_default()),
        None => fault.to_owned(),
    }
}

/// The database keeps no such text.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

static VALIDATORS: LazyLock<RwLock<HashMap<TypeId, Arc<Validator>>>> = LazyLock::new(RwLock::default);

/// The validator of `T`, made once.
fn validator<T: JsonSchema + 'static>() -> Arc<Validator> {
    let id = TypeId::of::<T>();
    let known = VALIDATORS.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    known.unwrap_or_else(|| {
        let schema = schemars::schema_for!(T).to_value();
        let made = jsonschema::draft202012::options().build(&schema);
        // A type whose schema cannot be read is a defect: nothing fits it.
        let made = made.or_else(|_| jsonschema::draft202012::options().build(&Value::Bool(false)));
        #[allow(clippy::expect_used, reason = "the schema `false` is one")]
        let validator = Arc::new(made.expect("the schema false is valid"));
        VALIDATORS.write().unwrap_or_else(PoisonError::into_inner).insert(id, validator.clone());
        validator
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[schemars(range(min = 1, max = 10))]
        quantity: u32,
        #[schemars(length(min = 1, max = 5))]
        name: Option<String>,
    }

    fn refusal(body: &str) -> (u16, String) {
        let problem = read::<Wish>(body.as_bytes()).unwrap_err();
        (problem.status().as_u16(), problem.detail().to_owned())
    }

    #[test]
    fn what_fits_is_read_and_what_does_not_is_refused_with_its_place() {
        assert_eq!(read::<Wish>(br#"{"quantity": 2}"#), Ok(Wish { quantity: 2, name: None }));
        assert_eq!(refusal("{").0, 400);
        assert_eq!(refusal(&"[".repeat(100_000)).0, 400, "too deep");
        for (body, word) in [
            (r#"{"quantity": 0}"#, "/quantity"),
            (r#"{"quantity": "2"}"#, "/quantity"),
            (r#"{"quantity": 2, "name": "abcdef"}"#, "/name"),
            (r#"{"quantity": 2, "name": "a\u0000"}"#, "U+0000"),
            (r#"{"quantity": 2, "other": 1}"#, "other"),
            ("{}", "quantity"),
            ("[]", "the body"),
        ] {
            let (status, detail) = refusal(body);
            assert_eq!(status, 422, "{body}");
            assert!(detail.contains(word), "{body}: {detail}");
        }
    }
}
