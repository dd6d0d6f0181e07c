//! House rules that no linter knows: who may depend on whom, and that generated files are as the code says.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test that fails says where")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A crate of the workspace.
struct Crate {
    name: String,
    /// Its top folder: `services`, `crates`, `operator`.
    folder: String,
    /// Crates of the workspace that it depends on, and whether for tests only.
    dependencies: Vec<(String, bool)>,
}

fn crates() -> Vec<Crate> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--no-deps"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let manifest = text(&package["manifest_path"]);
            let place = Path::new(&manifest).strip_prefix(root()).unwrap();
            let own =
                package["dependencies"].as_array().unwrap().iter().filter(|one| one["path"].is_string());
            Crate {
                name: text(&package["name"]),
                folder: place.iter().next().unwrap().to_string_lossy().into_owned(),
                dependencies: own.map(|one| (text(&one["name"]), one["kind"] == "dev")).collect(),
            }
        })
        .collect()
}

#[test]
fn a_service_knows_no_other_service_and_the_ground_knows_none() {
    let crates = crates();
    let mut faults = Vec::new();
    for Crate { name, folder, dependencies } in &crates {
        for (dependency, only_for_tests) in dependencies {
            let known = &crates.iter().find(|other| other.name == *dependency).unwrap().folder;
            let allowed = match (folder.as_str(), known.as_str()) {
                // Tests of adapters speak to the stand-in of the outside world.
                ("services", "services") => *only_for_tests && dependency == "sandbox",
                ("services", "operator") | ("operator", "services") | ("crates", "services" | "operator") => {
                    false
                }
                _ => true,
            };
            if !allowed {
                faults.push(format!(
                    "{folder}/{name} depends on {known}/{dependency}: they may share only crates/"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_committed_definitions_are_those_of_the_code() {
    assert_same("crds", &resources::definitions_as_yaml().unwrap());
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let schemas = events::schemas().into_iter();
    let files = schemas.map(|(name, schema)| (name, serde_json::to_string_pretty(&schema).unwrap() + "\n"));
    assert_same("docs/schemas", &files.collect::<Vec<_>>());
}

#[test]
fn the_committed_openapi_document_is_that_of_the_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_supercargo")).arg("openapi").output().unwrap();
    let path = root().join("docs/openapi.json");
    let same = std::fs::read(&path).unwrap() == output.stdout;
    assert!(
        same,
        "{} is not what the code gives: run make generate, and look at the difference",
        path.display()
    );
}

fn assert_same(folder: &str, expected: &[(String, String)]) {
    let folder = root().join(folder);
    let committed = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run make generate", folder.display()))
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut committed: Vec<String> = committed.collect();
    committed.sort();
    let mut names: Vec<&String> = expected.iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(committed.iter().collect::<Vec<_>>(), names, "{}: run make generate", folder.display());
    for (name, text) in expected {
        let path = folder.join(name);
        let same = std::fs::read_to_string(&path).unwrap() == *text;
        assert!(
            same,
            "{} is not what the code gives: run make generate, and look at the difference",
            path.display()
        );
    }
}

#[test]
fn source_files_stay_readable_in_length() {
    let mut faults = Vec::new();
    for folder in ["src", "operator", "crates", "services", "tests"] {
        visit(&root().join(folder), &mut |path, text| {
            let lines = text.lines().count();
            if lines > 450 {
                faults.push(format!("{}: {lines} lines: split it by what it does", path.display()));
            }
        });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
