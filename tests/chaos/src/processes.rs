//! The processes, and the supervisor that starts again what has died.
//!
//! The infrastructure is taken over from `dev/up`: each process's own command, environment, folder and user are read from
//! the kernel, so that it is started again exactly as it was. All carry the mark by which `dev/clean` finds them.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::usage;

const TURN: Duration = Duration::from_millis(100);
/// How long a process that has died stays away before it is started again.
const RESTART_AFTER: Duration = Duration::from_millis(300);

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its program and arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it works.
    pub folder: PathBuf,
    /// As whom, when as another than ourselves.
    pub user: Option<(u32, u32)>,
    /// Where its output goes.
    pub log: PathBuf,
}

struct Process {
    command: Launch,
    /// Its id while it runs, or did when it was last looked at.
    pid: Option<u32>,
    child: Option<Child>,
    wanted: bool,
    started: Instant,
    died: Option<Instant>,
    /// Signals of ours that it may have died of, so that an end of its own is told apart.
    struck: bool,
}

/// Keeps the processes running.
#[derive(Default)]
pub struct Supervisor {
    processes: Mutex<BTreeMap<String, Process>>,
    /// Ends that nobody asked for.
    pub ends: Mutex<Vec<String>>,
}

impl Supervisor {
    /// Takes over a process of `dev/up` by its id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn adopt(&self, name: &str, state: &Path) -> anyhow::Result<()> {
        let file = state.join("pids").join(name);
        let pid: u32 = std::fs::read_to_string(&file)
            .with_context(|| format!("failed to read {}: is the stack up?", file.display()))?
            .trim()
            .parse()
            .with_context(|| format!("{} holds no process id", file.display()))?;
        let command = command_of(pid, state.join("log").join(format!("{name}.log")))
            .with_context(|| format!("failed to learn how {name} ({pid}) was started"))?;
        self.keep(name, Process::new(command, Some(pid)));
        Ok(())
    }

    /// Adds a process; it is started at the next turn.
    pub fn add(&self, name: &str, command: Launch) {
        self.keep(name, Process::new(command, None));
    }

    fn keep(&self, name: &str, process: Process) {
        self.all().insert(name.to_owned(), process);
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is wanted and does not run, for ever.
    pub async fn supervise(&self) -> anyhow::Result<()> {
        loop {
            self.turn()?;
            tokio::time::sleep(TURN).await;
        }
    }

    fn turn(&self) -> anyhow::Result<()> {
        let mut ends = Vec::new();
        for (name, process) in self.all().iter_mut() {
            if process.is_alive() {
                continue;
            }
            if process.pid.is_some() && process.died.is_none() {
                process.died = Some(Instant::now());
                if !process.struck && crate::shop::is_ours(name) {
                    ends.push(format!("{name} ended by itself ({})", process.end()));
                }
            }
            let due = process.died.is_none_or(|died| died.elapsed() >= RESTART_AFTER);
            if process.wanted && due && process.may_start() {
                process.start().with_context(|| format!("failed to start {name}"))?;
            }
        }
        for end in ends {
            crate::say(&end);
            self.ends.lock().unwrap_or_else(PoisonError::into_inner).push(end);
        }
        Ok(())
    }

    /// Sends a signal to a process, and to the processes that it has started.
    pub fn signal(&self, name: &str, signal: Signal) {
        let mut all = self.all();
        let Some(process) = all.get_mut(name) else { return };
        if !process.is_alive() {
            return;
        }
        let Some(pid) = process.pid else { return };
        process.struck |= signal != Signal::CONT && signal != Signal::STOP;
        for one in with_children(pid, signal) {
            send(one, signal);
        }
    }

    /// Wants it to be away, or there again.
    pub fn want(&self, name: &str, wanted: bool) {
        if let Some(process) = self.all().get_mut(name) {
            process.wanted = wanted;
        }
    }

    /// Stops it in order, and insists after a while; it stays away until it is wanted.
    pub async fn stop(&self, name: &str) {
        self.want(name, false);
        // Postgres' signal that does not wait for its clients to leave; the others take it as well.
        self.signal(name, if name == "postgres" { Signal::INT } else { Signal::TERM });
        let asked = Instant::now();
        while self.pid(name).is_some() {
            if asked.elapsed() > Duration::from_secs(4) {
                self.signal(name, Signal::KILL);
            }
            tokio::time::sleep(TURN).await;
        }
    }

    /// Its id, while it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        let mut all = self.all();
        let process = all.get_mut(name)?;
        if process.is_alive() { process.pid } else { None }
    }

    /// The ids of all that run whose name `chosen` accepts, with how long each runs.
    pub fn running(&self, chosen: impl Fn(&str) -> bool) -> Vec<(String, u32, Duration)> {
        let mut all = self.all();
        let chosen = all.iter_mut().filter(|(name, _)| chosen(name));
        let running = chosen.filter_map(|(name, process)| {
            let pid = process.pid.filter(|_| process.is_alive())?;
            Some((name.clone(), pid, process.started.elapsed()))
        });
        running.collect()
    }

    /// Ends the shop's processes for good, the paused ones too.
    pub fn end(&self) {
        for (_, process) in self.all().iter_mut() {
            process.wanted = false;
            if let Some(pid) = process.pid.filter(|_| process.is_alive()) {
                process.struck = true;
                for one in with_children(pid, Signal::CONT) {
                    send(one, Signal::CONT);
                }
                send(pid, Signal::KILL);
            }
        }
        for (_, process) in self.all().iter_mut() {
            if let Some(mut child) = process.child.take() {
                let _ = child.wait();
            }
        }
    }
}

impl Process {
    fn new(command: Launch, pid: Option<u32>) -> Self {
        Self { command, pid, child: None, wanted: true, started: Instant::now(), died: None, struck: false }
    }

    fn is_alive(&mut self) -> bool {
        match (&mut self.child, self.pid) {
            (Some(child), _) => matches!(child.try_wait(), Ok(None)),
            (None, Some(pid)) => usage::runs(pid),
            (None, None) => false,
        }
    }

    fn end(&mut self) -> String {
        let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) else {
            return "its end was not seen".to_owned();
        };
        match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        }
    }

    /// Postgres does not start over processes that still use its memory, nor over a file with a stranger's id.
    fn may_start(&self) -> bool {
        let data = &self.command.folder;
        if !data.join("PG_VERSION").exists() {
            return true;
        }
        let left = usage::working_in(data);
        if left.is_empty() {
            let _ = std::fs::remove_file(data.join("postmaster.pid"));
            return true;
        }
        if self.died.is_some_and(|died| died.elapsed() > Duration::from_secs(2)) {
            left.into_iter().for_each(|pid| send(pid, Signal::KILL));
        }
        false
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let Launch { arguments, environment, folder, user, log } = &self.command;
        let out = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let (program, arguments) = arguments.split_first().context("a command without a program")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A signal to us from the terminal is not one to them.
            .process_group(0);
        if let Some((user, group)) = user {
            command.uid(*user).gid(*group);
        }
        let child = command.spawn().with_context(|| format!("failed to run {program}"))?;
        self.pid = Some(child.id());
        self.child = Some(child);
        self.started = Instant::now();
        self.died = None;
        self.struck = false;
        Ok(())
    }
}

/// The process and, where they must not go on without it, its children: those of a paused Postgres still answer.
fn with_children(pid: u32, signal: Signal) -> Vec<u32> {
    let mut all = vec![pid];
    if signal == Signal::STOP || signal == Signal::CONT {
        all.extend(usage::children_of(pid));
    }
    all
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that is gone already is struck enough.
        let _ = kill_process(pid, signal);
    }
}

/// How a running process was started.
fn command_of(pid: u32, log: PathBuf) -> anyhow::Result<Launch> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let texts = |file: &str| -> anyhow::Result<Vec<String>> {
        let bytes = std::fs::read(folder.join(file))?;
        let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        Ok(parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect())
    };
    let environment = texts("environ")?;
    let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
    Ok(Launch {
        arguments: texts("cmdline")?,
        environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        folder: std::fs::read_link(folder.join("cwd"))?,
        user: usage::user_of(pid)?.filter(|_| rustix::process::getuid().is_root()),
        log,
    })
}
