//! The messages: each as it came, on disk; memory holds what lists are filtered by.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailparse::{MailHeader, MailHeaderMap, ParsedMail};
use serde::{Deserialize, Serialize};

use super::smtp::Envelope;
use crate::common::{lock, now_millis, rfc3339};
use crate::journal::{Batch, Journal, Put, Span};

/// A message as it is journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    received_at: i64,
    from: String,
    to: Vec<String>,
    /// Base64, as a message need not be text.
    raw: String,
}

/// What memory holds of a message.
#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    span: Span,
    to: String,
    subject: String,
    order: Option<String>,
}

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub id: String,
    pub received_at: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: Option<String>,
    pub order: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub size: usize,
    pub raw: String,
}

/// What a list is narrowed by.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Filter {
    pub to: Option<String>,
    pub subject: Option<String>,
    pub order: Option<String>,
    pub limit: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Store {
    journal: Journal,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    list: Vec<Entry>,
}

impl Store {
    /// Opens the mailbox's journal.
    pub fn open(path: &Path) -> anyhow::Result<Store> {
        let mut entries = Entries::default();
        let visit = |put: Put| {
            let id: u64 = put.id.parse().with_context(|| format!("{:?} is no message number", put.id))?;
            let span = put.span;
            entries.last = entries.last.max(id);
            // `mark/N` keeps the last number when the box was emptied: ids are never used again.
            if put.kind == "message" {
                let stored: Stored = put.read()?;
                let raw = STANDARD.decode(&stored.raw).context("failed to read a message")?;
                entries.list.push(entry(id, span, &stored.to, &raw));
            }
            Ok(())
        };
        let journal = Journal::open(path, |_, _| true, visit)?;
        entries.list.sort_by_key(|entry| entry.id);
        Ok(Store { journal, entries: Mutex::new(entries) })
    }

    /// Keeps a message; its number once it is on disk.
    pub async fn add(&self, envelope: Envelope, raw: &[u8]) -> anyhow::Result<u64> {
        let Envelope { from, to } = envelope;
        let stored = Stored { received_at: now_millis(), from, to, raw: STANDARD.encode(raw) };
        let id = {
            let mut entries = lock(&self.entries);
            let id = entries.last + 1;
            let mut batch = Batch::default();
            batch.put("message", &id.to_string(), &stored)?;
            let span = self.journal.append(batch);
            entries.last = id;
            entries.list.push(entry(id, span, &stored.to, raw));
            id
        };
        self.journal.durable().await?;
        Ok(id)
    }

    /// The messages that fit, newest first.
    pub async fn list(&self, filter: &Filter) -> anyhow::Result<Vec<Message>> {
        let part = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase()).unwrap_or_default();
        let (to, subject) = (part(&filter.to), part(&filter.subject));
        let found: Vec<Entry> = lock(&self.entries)
            .list
            .iter()
            .rev()
            .filter(|entry| entry.to.contains(&to) && entry.subject.to_lowercase().contains(&subject))
            .filter(|entry| filter.order.is_none() || entry.order == filter.order)
            .take(filter.limit.unwrap_or(usize::MAX))
            .cloned()
            .collect();
        self.journal.durable().await?;
        let mut messages = Vec::with_capacity(found.len());
        for entry in found {
            let (stored, raw) = self.read(&entry)?;
            messages.push(message(entry.id, &stored, &raw));
            // A long list must not keep others from their turn.
            tokio::task::yield_now().await;
        }
        Ok(messages)
    }

    /// One message and its source.
    pub async fn get(&self, id: u64) -> anyhow::Result<Option<(Message, Vec<u8>)>> {
        let found = lock(&self.entries).list.iter().find(|entry| entry.id == id).cloned();
        let Some(entry) = found else { return Ok(None) };
        self.journal.durable().await?;
        let (stored, raw) = self.read(&entry)?;
        Ok(Some((message(id, &stored, &raw), raw)))
    }

    /// Empties the mailbox.
    pub async fn clear(&self) -> anyhow::Result<()> {
        {
            let mut entries = lock(&self.entries);
            let mut batch = Batch::default();
            for entry in &entries.list {
                batch.put("message", &entry.id.to_string(), &())?;
            }
            batch.put("mark", &entries.last.to_string(), &true)?;
            self.journal.append(batch);
            entries.list.clear();
        }
        self.journal.durable().await
    }

    /// Ends when the journal cannot be written any more.
    pub async fn broken(&self) -> anyhow::Error {
        self.journal.broken().await
    }

    fn read(&self, entry: &Entry) -> anyhow::Result<(Stored, Vec<u8>)> {
        let stored: Stored = self.journal.read(entry.span, "message", &entry.id.to_string())?;
        let raw = STANDARD.decode(&stored.raw).context("failed to read a message")?;
        Ok((stored, raw))
    }
}

fn entry(id: u64, span: Span, to: &[String], raw: &[u8]) -> Entry {
    let headers = mailparse::parse_headers(raw).map(|(headers, _)| headers).unwrap_or_default();
    Entry {
        id,
        span,
        to: to.join(" ").to_lowercase(),
        subject: headers.get_first_value("Subject").unwrap_or_default(),
        order: headers.get_first_value("X-Order-Id"),
    }
}

fn message(id: u64, stored: &Stored, raw: &[u8]) -> Message {
    let parsed = mailparse::parse_mail(raw).ok();
    let headers = parsed.as_ref().map(|mail| mail.headers.as_slice()).unwrap_or_default();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for header in headers {
        shown
            .entry(header.get_key())
            .and_modify(|value| {
                value.push('\n');
                value.push_str(&header.get_value());
            })
            .or_insert_with(|| header.get_value());
    }
    let (mut text, mut html) = (None, None);
    match &parsed {
        Some(mail) => parts(mail, &mut text, &mut html),
        None => text = Some(String::from_utf8_lossy(raw).into_owned()),
    }
    Message {
        id: id.to_string(),
        received_at: rfc3339(stored.received_at),
        from: sender(headers).unwrap_or_else(|| stored.from.clone()),
        to: stored.to.clone(),
        subject: headers.get_first_value("Subject").unwrap_or_default(),
        message_id: headers.get_first_value("Message-ID"),
        order: headers.get_first_value("X-Order-Id"),
        headers: shown,
        text,
        html,
        size: raw.len(),
        raw: format!("/messages/{id}/raw"),
    }
}

fn sender(headers: &[MailHeader<'_>]) -> Option<String> {
    let list = mailparse::addrparse_header(headers.get_first_header("From")?).ok()?;
    list.extract_single_info().map(|info| info.addr)
}

fn parts(mail: &ParsedMail<'_>, text: &mut Option<String>, html: &mut Option<String>) {
    if !mail.subparts.is_empty() {
        return mail.subparts.iter().for_each(|part| parts(part, text, html));
    }
    let place = match mail.ctype.mimetype.as_str() {
        "text/html" => html,
        "text/plain" => text,
        _ => return,
    };
    if place.is_none() {
        *place = mail.get_body().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "From: The Shop <shop@example.com>\r\nTo: a@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
        Message-ID: <1@shop>\r\nX-Order-Id: o-1\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>H=C3=A4llo</p>\r\n\
        --b--\r\n";

    fn envelope() -> Envelope {
        Envelope { from: "bounce@example.com".into(), to: vec!["a@example.com".into()] }
    }

    #[tokio::test]
    async fn a_message_is_shown_by_its_parts_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailbox.journal");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.add(envelope(), RAW.as_bytes()).await.unwrap(), 1);
        let before = store.list(&Filter::default()).await.unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        let after = store.list(&Filter::default()).await.unwrap();
        assert_eq!(before, after);
        let message = &after[0];
        assert_eq!((message.from.as_str(), message.subject.as_str()), ("shop@example.com", "Grüße"));
        assert_eq!(message.text.as_deref().map(str::trim), Some("Hello"));
        assert_eq!(message.html.as_deref().map(str::trim), Some("<p>Hällo</p>"));
        assert_eq!(message.order.as_deref(), Some("o-1"));
        assert_eq!(store.get(1).await.unwrap().unwrap().1, RAW.as_bytes());
    }

    #[tokio::test]
    async fn lists_are_narrowed_and_repeats_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mailbox.journal")).unwrap();
        store.add(envelope(), RAW.as_bytes()).await.unwrap();
        store.add(envelope(), RAW.as_bytes()).await.unwrap();
        let count = async |filter: Filter| store.list(&filter).await.unwrap().len();
        assert_eq!(count(Filter { to: Some("A@EXAMPLE".into()), ..Filter::default() }).await, 2);
        assert_eq!(count(Filter { subject: Some("grüße".into()), ..Filter::default() }).await, 2);
        assert_eq!(count(Filter { order: Some("o".into()), ..Filter::default() }).await, 0);
        assert_eq!(count(Filter { limit: Some(1), ..Filter::default() }).await, 1);
    }

    #[tokio::test]
    async fn an_emptied_mailbox_stays_empty_and_gives_no_number_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailbox.journal");
        let store = Store::open(&path).unwrap();
        store.add(envelope(), b"Subject: x\r\n\r\nbody").await.unwrap();
        store.clear().await.unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        assert!(store.list(&Filter::default()).await.unwrap().is_empty());
        assert_eq!(store.add(envelope(), b"\xff not mail").await.unwrap(), 2);
        assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 1);
    }
}
