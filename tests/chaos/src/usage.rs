//! What the kernel knows of a process: whether it runs, as whom, and what it takes.

use std::path::Path;

use anyhow::Context as _;

/// Clock ticks a second, as Linux counts CPU time for user space on every architecture that it runs on.
const TICKS: u64 = 100;

/// True unless it is gone, or only waits to be noticed as dead.
pub fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields.first().map(String::as_str), Some("Z" | "X")))
}

/// What follows the name in `/proc/PID/stat`: the state first.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets.
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(ToOwned::to_owned).collect())
}

/// CPU time since it was started, in milliseconds.
pub fn cpu_milliseconds(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) * 1000 / TICKS)
}

/// Its proportional set size, in KiB.
pub fn pss_kib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Its user and group, when it runs as another than root.
pub fn user_of(pid: u32) -> anyhow::Result<Option<(u32, u32)>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let first = |field: &str| -> anyhow::Result<u32> {
        let line = text.lines().find_map(|line| line.strip_prefix(field)).context("a status without ids")?;
        line.split_whitespace().next().context("a status without ids")?.parse().context("an id is a number")
    };
    let (user, group) = (first("Uid:")?, first("Gid:")?);
    Ok((user != 0).then_some((user, group)))
}

fn all() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The processes that it has started and that still run.
pub fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| stat(*pid).and_then(|fields| fields.get(1)?.parse().ok()) == Some(parent);
    all().into_iter().filter(is_child).collect()
}

/// The processes whose working folder that is.
pub fn working_in(folder: &Path) -> Vec<u32> {
    let is_there = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    all().into_iter().filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_runs_and_takes_memory_until_it_is_gone() {
        let me = std::process::id();
        assert!(runs(me));
        assert!(pss_kib(me).unwrap_or_default() > 0);
        assert!(cpu_milliseconds(me).is_some());
        assert!(!runs(u32::MAX - 1));
    }
}
