//! Definitions and schemas, printed or written into the folders where they are committed.

use std::path::Path;

use anyhow::Context as _;

use crate::answer;
use crate::cli::GenerateArguments;

pub fn definitions(arguments: &GenerateArguments) -> anyhow::Result<()> {
    let files = resources::definitions_as_yaml().context("failed to write the definitions as YAML")?;
    match &arguments.dir {
        Some(directory) => write(directory, &files),
        None => answer::text(&files.iter().map(|(_, text)| format!("---\n{text}")).collect::<String>()),
    }
}

pub fn schemas(arguments: &GenerateArguments) -> anyhow::Result<()> {
    let files: Vec<(String, String)> = events::schemas()
        .into_iter()
        .map(|(name, schema)| Ok((name, serde_json::to_string_pretty(&schema)? + "\n")))
        .collect::<anyhow::Result<_>>()?;
    match &arguments.dir {
        Some(directory) => write(directory, &files),
        None => {
            let all: serde_json::Map<String, serde_json::Value> = files
                .into_iter()
                .map(|(name, text)| Ok((name, serde_json::from_str(&text)?)))
                .collect::<anyhow::Result<_>>()?;
            answer::json(&all)
        }
    }
}

pub fn openapi() -> anyhow::Result<()> {
    answer::json(&crate::roles::openapi())
}

fn write(directory: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}
