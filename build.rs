//! What `supercargo --version` tells beyond the version: the commit that it was built from, and the Kubernetes it was built for.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=SUPERCARGO_COMMIT");
    println!(
        "cargo::rustc-env=SUPERCARGO_COMMIT={}",
        given().or_else(asked).unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "cargo::rustc-env=SUPERCARGO_KUBERNETES={}",
        kubernetes().unwrap_or_else(|| "unknown".to_owned())
    );
}

/// What the builder says, where there is no repository: in a container's build, or from an unpacked archive.
fn given() -> Option<String> {
    std::env::var("SUPERCARGO_COMMIT").ok().filter(|commit| !commit.is_empty())
}

/// What git says. Asked again whenever the checkout's head moves, and only then.
fn asked() -> Option<String> {
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The version of Kubernetes' API that the types are of: k8s-openapi tells its dependents, a byte each for major and minor.
fn kubernetes() -> Option<String> {
    let (_, told) =
        std::env::vars().find(|(key, _)| key.starts_with("DEP_K8S_OPENAPI_") && key.ends_with("_VERSION"))?;
    let number = told.parse::<u32>().ok()?;
    Some(format!("{}.{}", number >> 16, (number >> 8) & 0xff))
}
