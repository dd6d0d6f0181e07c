//! What the chart holds a copy of is as the original.

use chart_tests::{render, text, word};

fn assert_same(originals: &str, copies: &str) {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(chart_tests::checkout().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(originals), names(copies), "{copies}: run make generate");
    for name in names(originals) {
        let same = text(&format!("{originals}/{name}")) == text(&format!("{copies}/{name}"));
        assert!(same, "{copies}/{name} is not {originals}/{name}: run make generate");
    }
}

#[test]
fn definitions_and_policies_are_those_that_are_installed_without_the_chart() {
    assert_same("crds", "charts/supercargo/files/crds");
    assert_same("manifests/install", "charts/supercargo/files/install");
}

#[test]
fn definitions_come_whole_and_stay_when_the_release_goes() {
    let release = render(&[]);
    let definitions = release.of("CustomResourceDefinition");
    assert_eq!(definitions.len(), 5);
    for definition in definitions {
        let plural = word(&definition["spec"]["names"]["plural"]);
        let original = chart_tests::yaml(&format!("crds/{plural}.yaml"));
        assert_eq!(definition["spec"], original["spec"], "{plural}");
        assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{plural}");
    }
    let going = render(&["--set", "crds.keep=false"]);
    for definition in going.of("CustomResourceDefinition") {
        assert!(definition["metadata"]["annotations"]["helm.sh/resource-policy"].is_null());
    }
    assert!(render(&["--set", "crds.install=false"]).of("CustomResourceDefinition").is_empty());
}

#[test]
fn the_chart_s_version_is_the_program_s() {
    let manifest = text("Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("version = \"")).unwrap().trim_end_matches('"');
    let chart = chart_tests::yaml("charts/supercargo/Chart.yaml");
    assert_eq!(word(&chart["appVersion"]), version);
    assert_eq!(word(&chart["version"]), version);
}
