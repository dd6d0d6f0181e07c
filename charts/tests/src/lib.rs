//! What the chart renders, as objects that a test can ask.
//!
//! Needs `HELM`, the path of the program, in the environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize as _;
pub use serde_yaml::Value;
use serde_yaml::{Deserializer, Mapping};

/// The roles that a release has by default.
pub const ROLES: [&str; 10] = [
    "operator",
    "inventory",
    "payment",
    "shipping",
    "notifications",
    "catalog",
    "accounts",
    "orders",
    "cart",
    "storefront",
];

/// The checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The chart.
#[must_use]
pub fn chart() -> PathBuf {
    checkout().join("charts/supercargo")
}

/// The text of a file of the checkout.
#[must_use]
pub fn text(path: &str) -> String {
    let path = checkout().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The YAML of a file of the checkout.
#[must_use]
pub fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the documented values files, without their ending.
#[must_use]
pub fn values_files() -> Vec<String> {
    let entries = std::fs::read_dir(chart().join("values")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn template(arguments: &[&str]) -> Output {
    let helm = std::env::var("HELM").expect("HELM names the program helm: run charts/test");
    Command::new(helm)
        .args(["template", "supercargo"])
        .arg(chart())
        .args(["--namespace", "shop"])
        .args(arguments)
        .output()
        .expect("helm can be run")
}

/// What `helm template supercargo … --namespace shop` renders with more arguments.
#[must_use]
pub fn render(arguments: &[&str]) -> Rendered {
    // Many tests ask the same release.
    static TEXTS: Mutex<BTreeMap<Vec<String>, String>> = Mutex::new(BTreeMap::new());
    let key: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let known = TEXTS.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let text = known.unwrap_or_else(|| {
        let output = template(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        TEXTS.lock().unwrap_or_else(PoisonError::into_inner).insert(key, text.clone());
        text
    });
    let objects = Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap());
    Rendered { objects: objects.filter(|object: &Value| !object.is_null()).collect() }
}

/// The same with a documented values file.
#[must_use]
pub fn render_file(name: &str) -> Rendered {
    let path = chart().join(format!("values/{name}.yaml"));
    render(&["--values", &path.to_string_lossy()])
}

/// What is said of values that the chart refuses.
#[must_use]
pub fn refused(arguments: &[&str]) -> String {
    let output = template(arguments);
    assert!(!output.status.success(), "{arguments:?} were taken");
    String::from_utf8(output.stderr).unwrap()
}

/// The objects of a release.
pub struct Rendered {
    /// In the order of their files.
    pub objects: Vec<Value>,
}

impl Rendered {
    /// Those of a kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// Those of a kind that belong to a role or another component.
    #[must_use]
    pub fn of_role(&self, kind: &str, role: &str) -> Vec<&Value> {
        let labels = |object: &Value| object["metadata"]["labels"]["app.kubernetes.io/component"] == role;
        self.of(kind).into_iter().filter(|object| labels(object)).collect()
    }

    /// The one of a kind and name.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> &Value {
        let found = self.of(kind).into_iter().find(|object| object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The Deployment of a role.
    #[must_use]
    pub fn deployment(&self, role: &str) -> &Value {
        self.get("Deployment", &format!("supercargo-{role}"))
    }

    /// The pods' specs of everything that makes pods, with what they belong to.
    #[must_use]
    pub fn pods(&self) -> Vec<(String, &Value)> {
        let named =
            |object: &Value| format!("{} {}", word(&object["kind"]), word(&object["metadata"]["name"]));
        let made = ["Deployment", "StatefulSet", "Job", "CronJob", "DaemonSet"]
            .into_iter()
            .flat_map(|kind| self.of(kind));
        let made = made.map(|object| (named(object), &object["spec"]["template"]["spec"]));
        made.chain(self.of("Pod").into_iter().map(|object| (named(object), &object["spec"]))).collect()
    }
}

/// A text.
#[must_use]
pub fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text")).to_owned()
}

/// A list of texts.
#[must_use]
pub fn words(value: &Value) -> Vec<String> {
    items(value).iter().map(word).collect()
}

/// The entries of a list; none of one that is absent.
#[must_use]
pub fn items(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

/// The entries of a map; none of one that is absent.
#[must_use]
pub fn entries(value: &Value) -> Vec<(String, &Value)> {
    let list = |map: &'_ Mapping| map.iter().map(|(key, _)| word(key)).collect::<Vec<_>>();
    value
        .as_mapping()
        .map(list)
        .unwrap_or_default()
        .into_iter()
        .map(|key| (key.clone(), &value[key.as_str()]))
        .collect()
}

/// The containers of a pod, those that run first included.
#[must_use]
pub fn containers(pod: &Value) -> Vec<&Value> {
    items(&pod["initContainers"]).iter().chain(items(&pod["containers"])).collect()
}

/// An entry of a container's environment.
#[must_use]
pub fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    items(&container["env"]).iter().find(|entry| entry["name"] == name)
}
