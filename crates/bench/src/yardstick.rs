//! How fast the machine is: status PUTs of a plain resource of about a kilobyte, with no rules to check.
//!
//! Machines differ more than versions do. What an API server makes of this one on a machine says what to expect of all else there.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::load::per_second;
use crate::shopper::dynamic;

const GROUP: &str = "bench.supercargo.dev";
const DEFINITION: &str = "yardsticks.bench.supercargo.dev";
const COUNT: usize = 2000;
const AT_ONCE: usize = 64;

/// Status PUTs a second.
///
/// # Errors
/// When a request fails.
pub async fn measure(admin: &kube::Client, namespace: &str) -> anyhow::Result<f64> {
    let plural = "customresourcedefinitions";
    let definitions = dynamic(admin, "apiextensions.k8s.io", "v1", "CustomResourceDefinition", plural);
    let definition = serde_json::from_value(definition()).context("failed to write the yardstick")?;
    definitions
        .create(&PostParams::default(), &definition)
        .await
        .context("failed to define the yardstick")?;
    let outcome = puts(admin, namespace).await;
    definitions
        .delete(DEFINITION, &DeleteParams::default())
        .await
        .context("failed to remove the yardstick")?;
    outcome
}

async fn puts(admin: &kube::Client, namespace: &str) -> anyhow::Result<f64> {
    let kind = GroupVersionKind::gvk(GROUP, "v1", "Yardstick");
    let kind = ApiResource::from_gvk_with_plural(&kind, "yardsticks");
    let api: Api<DynamicObject> = Api::namespaced_with(admin.clone(), namespace, &kind);
    until_served(&api, &kind).await?;
    let (api, kind) = (&api, &kind);
    let created: Vec<DynamicObject> = futures::stream::iter(0..COUNT)
        .map(async |number| {
            let plain = DynamicObject::new(&format!("plain-{number}"), kind).data(body("spec"));
            api.create(&PostParams::default(), &plain).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .context("failed to create a yardstick")?;
    let began = Instant::now();
    let written: Vec<DynamicObject> = futures::stream::iter(created)
        .map(async |mut plain| {
            plain.data["status"] = body("status")["status"].take();
            api.replace_status(&plain.name_any(), &PostParams::default(), &plain).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .context("failed to write the status of a yardstick")?;
    Ok(per_second(written.len(), began.elapsed()))
}

/// A new kind takes a moment to be served.
async fn until_served(api: &Api<DynamicObject>, kind: &ApiResource) -> anyhow::Result<()> {
    let first = DynamicObject::new("first", kind).data(body("spec"));
    for _ in 0..300 {
        match api.create(&PostParams::default(), &first).await {
            Err(kube::Error::Api(refusal)) if refusal.code == 404 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            made => return made.map(drop).context("failed to create the first yardstick"),
        }
    }
    anyhow::bail!("the API server does not serve yardsticks 30 s after their definition")
}

/// Half a kilobyte in six fields.
fn body(part: &str) -> Value {
    let fields: serde_json::Map<String, Value> =
        (0..6).map(|number| (format!("field{number}"), json!("x".repeat(70)))).collect();
    json!({ part: fields })
}

fn definition() -> Value {
    let text = json!({ "type": "string" });
    let fields: serde_json::Map<String, Value> =
        (0..6).map(|number| (format!("field{number}"), text.clone())).collect();
    let part = json!({ "type": "object", "properties": fields });
    json!({
        "metadata": { "name": DEFINITION },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": { "kind": "Yardstick", "plural": "yardsticks", "singular": "yardstick" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": { "spec": part, "status": part },
                } },
            }],
        },
    })
}
