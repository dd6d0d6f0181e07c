//! The programs that people type: `supercargo` and `kubectl`, as they are on the `PATH`.

use std::process::Stdio;

use anyhow::Context as _;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A command to run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    shown: String,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The command as typed.
    pub command: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it answered.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

impl Program {
    /// `supercargo ARGUMENTS`.
    #[must_use]
    pub fn supercargo(arguments: &[&str]) -> Self {
        Self::new("supercargo", arguments)
    }

    /// `kubectl -n NAMESPACE ARGUMENTS`.
    #[must_use]
    pub fn kubectl(namespace: &str, arguments: &[&str]) -> Self {
        Self::new("kubectl", &[&["-n", namespace], arguments].concat())
    }

    fn new(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        Self { command, shown: format!("{program} {}", arguments.join(" ")) }
    }

    /// With this in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without this in its environment.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it and leaves it running, its log in this file; it is killed when the handle is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut self, log: &std::path::Path) -> anyhow::Result<tokio::process::Child> {
        let out = std::fs::File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
        let also = out.try_clone().context("failed to share a log file")?;
        self.command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(also)
            .spawn()
            .with_context(|| format!("failed to start {}", self.shown))
    }

    /// Runs it to its end with `input` on its standard input.
    ///
    /// # Errors
    /// When it cannot be started, or runs longer than a minute.
    pub async fn run_with(self, input: &str) -> anyhow::Result<Ended> {
        self.run_within(crate::PATIENCE, input).await
    }

    /// As [`Program::run_with`], for one that may take longer, or must not take so long.
    ///
    /// # Errors
    /// When it cannot be started, or runs longer than `patience`.
    pub async fn run_within(mut self, patience: std::time::Duration, input: &str) -> anyhow::Result<Ended> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}: is it on the PATH? source .dev/env", self.shown))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input closes it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = tokio::time::timeout(patience, child.wait_with_output())
            .await
            .with_context(|| format!("{} did not end within {patience:?}", self.shown))?
            .with_context(|| format!("failed to run {}", self.shown))?;
        Ok(Ended {
            command: self.shown,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// As [`Program::run_with`].
    pub async fn run(self) -> anyhow::Result<Ended> {
        self.run_with("").await
    }

    /// Runs it to its end, which must be a good one; answers its standard output.
    ///
    /// # Errors
    /// When it fails.
    pub async fn answer(self) -> anyhow::Result<String> {
        let ended = self.run().await?;
        anyhow::ensure!(
            ended.code == Some(0),
            "{} failed ({:?}): {}",
            ended.command,
            ended.code,
            ended.stderr
        );
        Ok(ended.stdout)
    }
}
