//! A disk that is full for a while: a small one of its own under the data of a process.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// Fills the disk under the data of `name`, and frees it after `time`. Only on a disk of its own: never the machine's.
pub async fn fill(state: &Path, name: &str, time: Duration) -> anyhow::Result<()> {
    let folder = state.join(name);
    let ballast = folder.join(".ballast");
    anyhow::ensure!(is_mounted(&folder)?, "{} is no disk of its own", folder.display());
    let filling = ballast.clone();
    tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let Ok(mut file) = std::fs::File::create(filling) else { return };
        // It ends when there is no room left.
        while file.write_all(&[0; 65536]).is_ok() {}
    })
    .await
    .context("filling a disk panicked")?;
    tokio::time::sleep(time).await;
    std::fs::remove_file(&ballast).context("failed to free the disk")
}

fn is_mounted(folder: &Path) -> anyhow::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("failed to read the mounts")?;
    let wanted = folder.display().to_string();
    Ok(mounts.lines().any(|line| {
        let mut fields = line.split(' ');
        fields.nth(1) == Some(wanted.as_str()) && fields.next() == Some("tmpfs")
    }))
}
