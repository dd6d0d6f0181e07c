//! Routes that tell the OpenAPI 3.1 document what they are.
//!
//! Schemas are those of the types that are read and written: what the document shows is what a body is held to.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{Paging, Problem};

type Describe = Box<dyn FnOnce(&mut SchemaGenerator, &mut Value) + Send>;

/// What a route does, for the document.
pub struct Operation {
    value: Value,
    permissions: Vec<String>,
    describe: Vec<Describe>,
    /// Headers of its answers: with which first digits of the status, the name, and what it says.
    headers: Vec<(&'static str, &'static str, &'static str)>,
}

impl Operation {
    /// An operation under a tag, with a unique id and a sentence.
    #[must_use]
    pub fn new(tag: &str, id: &str, summary: &str) -> Self {
        let value = json!({
            "tags": [tag], "operationId": id, "summary": summary, "parameters": [], "responses": {},
            "security": [],
        });
        Self { value, permissions: Vec::new(), describe: Vec::new(), headers: Vec::new() }
            .refuses(400, "The request cannot be read.")
            .refuses(429, "Too much was asked for.")
            .refuses(503, "Something that is needed does not answer; the same request may be sent again.")
            .refuses(
                504,
                "It took too long; the same request may be sent again, under the same Idempotency-Key.",
            )
            .with_header("429", "Retry-After", "After how many seconds it may be sent again.")
    }

    /// It needs a token; with the permission named, where there is one.
    #[must_use]
    pub fn needs_token(mut self, permission: Option<&str>) -> Self {
        self.value["security"] = json!([{ "token": [] }]);
        self.permissions.extend(permission.map(str::to_owned));
        let refused = self.refuses(401, "There is no token, or it is over.");
        match permission {
            Some(name) => refused.refuses(403, &format!("The permission {name} is missing.")),
            None => refused,
        }
    }

    /// Who holds the permission named may do it with what is another's too.
    #[must_use]
    pub fn widened_by(mut self, permission: &str) -> Self {
        self.value["description"] = json!(format!("With the permission {permission}, of anybody."));
        self.permissions.push(permission.to_owned());
        self
    }

    /// The permissions that it asks for.
    #[must_use]
    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    /// It reads a body.
    #[must_use]
    pub fn reads<T: JsonSchema>(mut self) -> Self {
        self.describe.push(Box::new(|generator, operation| {
            let schema = generator.subschema_for::<T>();
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }));
        self.refuses(413, "The body is too large.")
            .refuses(415, "The body is not declared as JSON.")
            .refuses(422, "The body does not fit its schema, or asks for what cannot be.")
    }

    /// It reads a body of somebody else's making, which a signature in the headers named vouches for.
    #[must_use]
    pub fn reads_signed(mut self, headers: &[(&str, &str)]) -> Self {
        for (name, what) in headers {
            self.parameter(json!({
                "name": name, "in": "header", "required": true, "description": what, "schema": { "type": "string" },
            }));
        }
        self.value["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": { "type": "object" } } } });
        self.refuses(413, "The body is too large.")
    }

    /// It answers `T` with that status.
    #[must_use]
    pub fn answers<T: JsonSchema>(mut self, status: u16, what: &str) -> Self {
        let what = what.to_owned();
        self.describe.push(Box::new(move |generator, operation| {
            let schema = generator.subschema_for::<T>();
            operation["responses"][status.to_string()] =
                json!({ "description": what, "content": { "application/json": { "schema": schema } } });
        }));
        self
    }

    /// It answers with server-sent events, each of which brings a `T`. The schema is that of one event.
    #[must_use]
    pub fn streams<T: JsonSchema>(mut self, status: u16, what: &str) -> Self {
        let what = what.to_owned();
        self.describe.push(Box::new(move |generator, operation| {
            let data = json!({
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": generator.subschema_for::<T>(),
            });
            let text = json!({ "type": "string" });
            let event =
                json!({ "type": "object", "properties": { "id": text, "event": text, "data": data } });
            operation["responses"][status.to_string()] =
                json!({ "description": what, "content": { "text/event-stream": { "schema": event } } });
        }));
        self
    }

    /// It answers with that status and content that is no JSON, or with none.
    #[must_use]
    pub fn answers_raw(mut self, status: u16, what: &str, kinds: &[&str]) -> Self {
        let content: Map<String, Value> =
            kinds.iter().map(|&kind| (kind.to_owned(), json!({ "schema": { "type": "string" } }))).collect();
        self.value["responses"][status.to_string()] = if content.is_empty() {
            json!({ "description": what })
        } else {
            json!({ "description": what, "content": content })
        };
        self
    }

    /// It refuses with that status.
    #[must_use]
    pub fn refuses(mut self, status: u16, why: &str) -> Self {
        self.value["responses"][status.to_string()] = json!({
            "description": why,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        self
    }

    /// A parameter in the query.
    #[must_use]
    pub fn searches(mut self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter(json!({ "name": name, "in": "query", "description": what, "schema": schema }));
        self
    }

    /// `limit` and `cursor`.
    #[must_use]
    pub fn in_pages(self) -> Self {
        let schema = schemars::schema_for!(Paging).to_value();
        let of = |name: &str| {
            let property = &schema["properties"][name];
            // Absent rather than null in a query.
            let kind = property["type"].as_array().and_then(|kinds| kinds.first().cloned());
            let mut plain = property.clone();
            if let (Some(kind), Value::Object(fields)) = (kind, &mut plain) {
                fields.insert("type".into(), kind);
            }
            plain
        };
        let (limit, cursor) = (of("limit"), of("cursor"));
        self.searches("limit", limit, "How many items.").searches(
            "cursor",
            cursor,
            "The `next` of the page before.",
        )
    }

    /// It takes an `Idempotency-Key`.
    #[must_use]
    pub fn is_idempotent(mut self) -> Self {
        self.parameter(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "Yours, kept for a day: the same request again gets the first answer.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
        self.with_header("2", "Idempotent-Replayed", "`true` where this is the answer to an earlier request.")
    }

    /// Its answer carries an entity tag, by which it need not be sent again where nothing has changed.
    #[must_use]
    pub fn is_tagged(self) -> Self {
        self.reads_header("If-None-Match", "The ETag of an answer that the client has.")
            .answers_raw(304, "If-None-Match names the ETag: nothing has changed.", &[])
            .with_header("200", "ETag", "Another one after each change.")
            .with_header("304", "ETag", "The one that was named.")
    }

    /// It reads a header, where one is sent.
    #[must_use]
    pub fn reads_header(mut self, name: &str, what: &str) -> Self {
        self.parameter(
            json!({ "name": name, "in": "header", "description": what, "schema": { "type": "string" } }),
        );
        self
    }

    /// It reads a cookie, where one is sent.
    #[must_use]
    pub fn reads_cookie(mut self, name: &str, what: &str) -> Self {
        self.parameter(
            json!({ "name": name, "in": "cookie", "description": what, "schema": { "type": "string" } }),
        );
        self
    }

    /// Its answers whose status begins with `status` carry that header.
    #[must_use]
    pub fn with_header(mut self, status: &'static str, name: &'static str, what: &'static str) -> Self {
        self.headers.push((status, name, what));
        self
    }

    fn parameter(&mut self, parameter: Value) {
        if let Some(parameters) = self.value["parameters"].as_array_mut() {
            parameters.push(parameter);
        }
    }

    /// The segments in braces, each a text.
    fn with_segments_of(mut self, path: &str) -> Self {
        for segment in path.split('/').filter_map(|segment| segment.strip_prefix('{')) {
            let name = segment.trim_end_matches('}');
            self.parameter(
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
            );
            // A segment that can be no id leads nowhere, whatever the route.
            if self.value["responses"].get("404").is_none() {
                self = self.refuses(404, "There is nothing at this address.");
            }
        }
        self
    }
}

/// The routes of a service, each with what the document says of it.
pub struct Routes<S> {
    router: Router<S>,
    operations: Vec<(String, String, Operation)>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// With a route; `path` follows `/api/v1`.
    #[must_use]
    pub fn with<H, T>(mut self, method: MethodFilter, path: &str, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.router = self.router.route(&format!("/api/v1{path}"), on(method, handler));
        let method = [
            (MethodFilter::GET, "get"),
            (MethodFilter::POST, "post"),
            (MethodFilter::PUT, "put"),
            (MethodFilter::PATCH, "patch"),
            (MethodFilter::DELETE, "delete"),
        ]
        .into_iter()
        .find(|(filter, _)| *filter == method)
        .map_or("get", |(_, name)| name);
        self.operations.push((path.to_owned(), method.to_owned(), operation.with_segments_of(path)));
        self
    }

    /// What is served.
    pub fn router(self) -> Router<S> {
        self.router
    }

    /// What the document says.
    #[must_use]
    pub fn operations(self) -> Vec<(String, String, Operation)> {
        self.operations
    }
}

/// The OpenAPI 3.1 document of all `operations`: path, method and what it does.
#[must_use]
pub fn document(operations: Vec<(String, String, Operation)>) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for (path, method, operation) in operations {
        let Operation { mut value, permissions: _, describe, headers } = operation;
        for describe in describe {
            describe(&mut generator, &mut value);
        }
        for (status, answer) in value["responses"].as_object_mut().into_iter().flatten() {
            for (_, name, what) in headers.iter().filter(|(digits, ..)| status.starts_with(digits)) {
                answer["headers"][*name] = json!({ "description": what, "schema": { "type": "string" } });
            }
        }
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = value;
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Supercargo",
            "version": "v1",
            "description": "A shop's orders: sign up, browse, fill a cart, check out, follow the order.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Thing {
        #[schemars(length(min = 1))]
        name: String,
    }

    #[test]
    fn a_route_is_in_the_document_with_its_schemas_and_refusals() {
        let operation = Operation::new("things", "readThing", "Reads a thing.")
            .needs_token(Some("things:read"))
            .answers::<Thing>(200, "The thing.");
        let routes = Routes::<()>::default().with(MethodFilter::GET, "/things/{id}", operation, async || "");
        let document = document(routes.operations());
        let read = &document["paths"]["/things/{id}"]["get"];
        assert_eq!(read["parameters"][0]["name"], "id");
        assert_eq!(
            read["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/Thing"
        );
        assert!(read["responses"]["429"]["headers"]["Retry-After"].is_object(), "{read}");
        assert!(read["responses"]["403"]["description"].as_str().unwrap().contains("things:read"));
        assert_eq!(document["components"]["schemas"]["Thing"]["properties"]["name"]["minLength"], 1);
        assert!(document["components"]["schemas"]["Problem"].is_object());
    }
}
