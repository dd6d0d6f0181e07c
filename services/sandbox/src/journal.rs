//! An append-only journal of key → value, durable and rebuilt at start: the one store of every server here.
//!
//! A line is a JSON object; all of a line's puts count or none (a torn last line is dropped). The last put of a key
//! holds, `null` means gone. Lines are enqueued under the caller's lock, so that the order on disk is the order of
//! state; a thread writes and syncs them in groups.
//!
//! Guarantee: once [`Journal::durable`] has answered, every line appended before it survives `kill -9` and power loss.
//! A failed write fails every later `durable`: the server then stops rather than answer for what it cannot keep.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::Context;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// A journal is rewritten at start when it is larger than this and mostly superseded.
const COMPACT_ABOVE_BYTES: u64 = 8 * 1024 * 1024;
/// How many bytes one write and sync may gather.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Where a line lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    offset: u64,
    length: u32,
}

/// The puts of one line, built before it is appended.
#[derive(Debug, Default)]
pub(crate) struct Batch(String);

impl Batch {
    /// Adds a put. The last one of a key counts.
    pub fn put(&mut self, kind: &str, id: &str, value: &impl Serialize) -> serde_json::Result<()> {
        let key = serde_json::to_string(&format!("{kind}/{id}"))?;
        let value = serde_json::to_string(value)?;
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&key);
        self.0.push(':');
        self.0.push_str(&value);
        Ok(())
    }

    fn into_line(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push_str("}\n");
        Some(self.0)
    }
}

/// One live put, read at start.
#[derive(Debug)]
pub(crate) struct Put {
    pub kind: String,
    pub id: String,
    pub value: Value,
    pub span: Span,
}

impl Put {
    /// The value as what it was.
    pub fn read<T: DeserializeOwned>(self) -> anyhow::Result<T> {
        serde_json::from_value(self.value)
            .with_context(|| format!("failed to read {}/{} from the journal", self.kind, self.id))
    }
}

#[derive(Clone, Debug, Default)]
struct Progress {
    durable: u64,
    failed: Option<Arc<str>>,
}

#[derive(Debug)]
struct Tail {
    sender: Option<mpsc::Sender<(u64, String)>>,
    offset: u64,
    lines: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    reader: File,
    tail: Mutex<Tail>,
    progress: watch::Receiver<Progress>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Journal {
    /// Lets the writer finish what it holds, so that nothing is written once the journal is closed.
    fn drop(&mut self) {
        self.tail.get_mut().unwrap_or_else(PoisonError::into_inner).sender = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!(journal = %self.path.display(), "the journal's writer broke down");
        }
    }
}

impl Journal {
    /// Opens or makes the journal and visits what it holds, oldest line first. `keep` says what may stay when it is
    /// rewritten (old answers need not).
    pub fn open(
        path: &Path,
        keep: impl Fn(&str, &Value) -> bool,
        visit: impl FnMut(Put) -> anyhow::Result<()>,
    ) -> anyhow::Result<Journal> {
        let context = || format!("failed to open the journal {}", path.display());
        let mut loaded = index(path).with_context(context)?;
        if loaded.worth_compacting() {
            compact(path, &loaded, keep).with_context(|| format!("failed to compact {}", path.display()))?;
            loaded = index(path).with_context(context)?;
        }
        each_live(path, &loaded, visit).with_context(context)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(context)?;
        file.set_len(loaded.bytes).with_context(context)?;
        file.sync_all().with_context(context)?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).with_context(context)?;
        }
        let reader = File::open(path).with_context(context)?;
        let (sender, receiver) = mpsc::channel::<(u64, String)>();
        let (publish, progress) = watch::channel(Progress::default());
        let shown = path.display().to_string();
        let writer = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write_groups(&mut file, &receiver, &publish, &shown))
            .with_context(context)?;
        let tail = Mutex::new(Tail { sender: Some(sender), offset: loaded.bytes, lines: 0 });
        Ok(Journal { path: path.to_owned(), reader, tail, progress, writer: Some(writer) })
    }

    /// Enqueues the batch as one line and says where it will lie. Call it under the lock that guards the state.
    pub fn append(&self, batch: Batch) -> Span {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = batch.into_line() else { return Span { offset: tail.offset, length: 0 } };
        let span = Span { offset: tail.offset, length: u32::try_from(line.len()).unwrap_or(u32::MAX) };
        tail.offset += line.len() as u64;
        tail.lines += 1;
        let number = tail.lines;
        // A writer that is gone has published its failure, which `durable` tells.
        if let Some(sender) = &tail.sender {
            let _ = sender.send((number, line));
        }
        span
    }

    /// Waits until everything appended so far is on disk.
    pub async fn durable(&self) -> anyhow::Result<()> {
        let wanted = self.tail.lock().unwrap_or_else(PoisonError::into_inner).lines;
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|now| now.durable >= wanted || now.failed.is_some()).await;
        match reached.map(|now| now.clone()) {
            Ok(Progress { failed: None, .. }) => Ok(()),
            Ok(Progress { failed: Some(fault), .. }) => {
                anyhow::bail!("failed to write the journal {}: {fault}", self.path.display())
            }
            Err(_) => anyhow::bail!("the journal {} is closed", self.path.display()),
        }
    }

    /// Ends, with the fault, once the journal cannot be written any more.
    pub async fn broken(&self) -> anyhow::Error {
        let mut progress = self.progress.clone();
        let fault = match progress.wait_for(|now| now.failed.is_some()).await {
            Ok(now) => now.failed.clone().unwrap_or_default(),
            Err(_) => "its writer has ended".into(),
        };
        anyhow::anyhow!("failed to write the journal {}: {fault}", self.path.display())
    }

    /// Reads one value back from a durable line. It blocks: keep it off the runtime's threads where many are read.
    pub fn read<T: DeserializeOwned>(&self, span: Span, kind: &str, id: &str) -> anyhow::Result<T> {
        let context = || format!("failed to read {kind}/{id} from {}", self.path.display());
        let mut bytes = vec![0; span.length as usize];
        self.reader.read_exact_at(&mut bytes, span.offset).with_context(context)?;
        let mut line: Map<String, Value> = serde_json::from_slice(&bytes).with_context(context)?;
        let value = line.remove(&format!("{kind}/{id}")).with_context(context)?;
        serde_json::from_value(value).with_context(context)
    }
}

fn write_groups(
    file: &mut File,
    receiver: &mpsc::Receiver<(u64, String)>,
    publish: &watch::Sender<Progress>,
    path: &str,
) {
    while let Ok((mut last, mut group)) = receiver.recv() {
        while group.len() < GROUP_BYTES {
            let Ok((number, line)) = receiver.try_recv() else { break };
            group.push_str(&line);
            last = number;
        }
        let written = file.write_all(group.as_bytes()).and_then(|()| file.sync_data());
        if let Err(fault) = written {
            tracing::error!(journal = path, %fault, "failed to write the journal: stopping");
            publish.send_modify(|progress| progress.failed = Some(fault.to_string().into()));
            return;
        }
        publish.send_modify(|progress| progress.durable = last);
    }
}

/// What a journal holds, by key only: values are read when they are visited, so that a long journal fits into memory.
#[derive(Debug, Default)]
struct Index {
    /// The last line of each key, and whether it says that the key is gone.
    last: HashMap<String, (u64, bool)>,
    puts: usize,
    /// Where the good part ends.
    bytes: u64,
}

impl Index {
    fn worth_compacting(&self) -> bool {
        let live = self.last.values().filter(|(_, gone)| !gone).count();
        self.bytes > COMPACT_ABOVE_BYTES && live * 2 < self.puts
    }

    fn is_live(&self, key: &str, line: u64) -> bool {
        self.last.get(key) == Some(&(line, false))
    }
}

/// Calls with each line's number, place and puts, up to where the good part ends.
fn each_line<T: DeserializeOwned>(
    path: &Path,
    mut visit: impl FnMut(u64, Span, T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(fault.into()),
    };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut offset = 0;
    for number in 1_u64.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice(&line) {
            Ok(puts) if whole => visit(number, Span { offset, length: u32::try_from(length)? }, puts)?,
            // Only what was never acknowledged can be torn, and that is at the end.
            Ok(_) | Err(_) if !whole || reader.fill_buf()?.is_empty() => {
                tracing::warn!(journal = %path.display(), line = number, "dropped a torn last line");
                break;
            }
            Ok(_) => {}
            Err(fault) => return Err(fault).with_context(|| format!("line {number} is damaged")),
        }
        offset += length as u64;
    }
    Ok(())
}

fn index(path: &Path) -> anyhow::Result<Index> {
    let mut index = Index::default();
    each_line(path, |number, span, keys: HashMap<String, Option<IgnoredAny>>| {
        index.puts += keys.len();
        index.bytes = span.offset + u64::from(span.length);
        index.last.extend(keys.into_iter().map(|(key, value)| (key, (number, value.is_none()))));
        Ok(())
    })?;
    Ok(index)
}

fn each_live(
    path: &Path,
    index: &Index,
    mut visit: impl FnMut(Put) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    each_line(path, |number, span, puts: Map<String, Value>| {
        for (key, value) in puts {
            if index.is_live(&key, number) {
                let (kind, id) =
                    key.split_once('/').with_context(|| format!("line {number}: bad key {key:?}"))?;
                visit(Put { kind: kind.to_owned(), id: id.to_owned(), value, span })?;
            }
        }
        Ok(())
    })
}

fn compact(path: &Path, index: &Index, keep: impl Fn(&str, &Value) -> bool) -> anyhow::Result<()> {
    let fresh = path.with_extension("compacting");
    let mut writer = BufWriter::new(File::create(&fresh)?);
    each_live(path, index, |put| {
        if keep(&put.kind, &put.value) {
            let mut batch = Batch::default();
            batch.put(&put.kind, &put.id, &put.value)?;
            writer.write_all(batch.into_line().unwrap_or_default().as_bytes())?;
        }
        Ok(())
    })?;
    writer.into_inner().map_err(|fault| fault.into_error())?.sync_all()?;
    std::fs::rename(&fresh, path)?;
    tracing::info!(journal = %path.display(), "compacted the journal");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(puts: &[(&str, Value)]) -> Batch {
        let mut batch = Batch::default();
        for (id, value) in puts {
            batch.put("thing", id, value).unwrap();
        }
        batch
    }

    fn open(path: &Path) -> anyhow::Result<(Journal, Vec<(String, Value)>)> {
        let mut held = Vec::new();
        let journal = Journal::open(
            path,
            |_, _| true,
            |put| {
                held.push((put.id, put.value));
                Ok(())
            },
        )?;
        Ok((journal, held))
    }

    fn held(path: &Path) -> Vec<(String, Value)> {
        open(path).unwrap().1
    }

    #[tokio::test]
    async fn what_was_durable_is_there_after_a_restart_and_the_last_put_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.journal");
        let (journal, puts) = open(&path).unwrap();
        assert!(puts.is_empty());
        journal.append(batch(&[("a", 1.into()), ("b", 2.into())]));
        let span = journal.append(batch(&[("a", 3.into())]));
        journal.append(batch(&[("b", Value::Null)]));
        journal.durable().await.unwrap();
        assert_eq!(journal.read::<i64>(span, "thing", "a").unwrap(), 3);
        assert_eq!(held(&path), [("a".to_owned(), Value::from(3))]);
    }

    #[tokio::test]
    async fn a_torn_last_line_is_dropped_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.journal");
        let (journal, _) = open(&path).unwrap();
        journal.append(batch(&[("a", 1.into())]));
        journal.durable().await.unwrap();
        drop(journal);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"thing/b\":").unwrap();
        let (journal, puts) = open(&path).unwrap();
        assert_eq!(puts.len(), 1);
        journal.append(batch(&[("c", 3.into())]));
        journal.durable().await.unwrap();
        assert_eq!(held(&path), [("a".to_owned(), Value::from(1)), ("c".to_owned(), Value::from(3))]);
    }

    #[test]
    fn damage_in_the_middle_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.journal");
        std::fs::write(&path, "{\"thing/a\":1}\n{\"thing\n{\"thing/b\":2}\n").unwrap();
        let error = open(&path).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("line 2"), "{error:#}");
    }

    #[test]
    fn compaction_keeps_what_is_live_and_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.journal");
        std::fs::write(&path, "{\"old/x\":1,\"thing/a\":1}\n{\"thing/a\":2}\n{\"thing/b\":null}\n").unwrap();
        let loaded = index(&path).unwrap();
        compact(&path, &loaded, |kind, _| kind != "old").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"thing/a\":2}\n");
    }
}
