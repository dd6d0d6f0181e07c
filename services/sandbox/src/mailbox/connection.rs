//! One SMTP connection: bytes in, bytes out.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Mailbox;
use super::smtp::{Action, Incoming, Session};
use crate::faults::Fate;
use crate::server::HOLD;

/// The longest line, in bytes; longer than the protocol asks for.
const LONGEST_LINE: u64 = 64 * 1024;
/// How long a silent client is kept.
const PATIENCE: Duration = Duration::from_secs(300);

/// Takes connections until told to stop.
pub(crate) async fn listen(
    listener: TcpListener,
    mailbox: Arc<Mailbox>,
    stop: CancellationToken,
    tasks: TaskTracker,
) -> anyhow::Result<()> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (mailbox, stop) = (mailbox.clone(), stop.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = talk(stream, &mailbox) => {
                            if let Err(fault) = ended {
                                tracing::debug!(fault = format!("{fault:#}"), "an SMTP connection broke off");
                            }
                        }
                    }
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "failed to accept an SMTP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn talk(stream: TcpStream, mailbox: &Mailbox) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    if mailbox.faults.is_down() {
        writer.write_all(b"421 4.3.2 The server is down\r\n").await?;
        return Ok(());
    }
    let (mut session, greeting) = Session::open();
    writer.write_all(greeting.as_bytes()).await?;
    let mut line = Vec::new();
    loop {
        if !read_line(&mut reader, &mut line).await? {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            writer.write_all(b"500 5.5.6 The line is too long\r\n").await?;
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        let is_mail = text.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case("MAIL"));
        let (latency, fate, after) = match is_mail {
            true => mailbox.faults.judge("SMTP MAIL"),
            false => (Duration::ZERO, Fate::Serve, false),
        };
        tokio::time::sleep(latency).await;
        match fate {
            Fate::Serve => {}
            Fate::Close => {
                writer.write_all(b"421 4.3.2 The server is down\r\n").await?;
                return Ok(());
            }
            Fate::Refuse(_) if !after => {
                writer.write_all(b"451 4.3.0 A fault that was asked for: try again\r\n").await?;
                continue;
            }
            Fate::Lose if !after => {
                tokio::time::sleep(HOLD).await;
                return Ok(());
            }
            // The message is taken, and its answer lost.
            Fate::Refuse(_) | Fate::Lose => session.lose_answer(),
        }
        match session.line(text) {
            Action::Reply(answer) => writer.write_all(answer.as_bytes()).await?,
            Action::Quit(answer) => {
                writer.write_all(answer.as_bytes()).await?;
                return Ok(());
            }
            Action::ReadMessage(answer) => {
                writer.write_all(answer.as_bytes()).await?;
                let mut incoming = Incoming::default();
                loop {
                    if !read_line(&mut reader, &mut line).await? {
                        return Ok(());
                    }
                    if incoming.line(&line) {
                        break;
                    }
                }
                let (envelope, loses) = (session.take_envelope(), session.take_loss());
                let answer = match incoming.finish() {
                    None => "552 5.3.4 The message is too large\r\n".to_owned(),
                    Some(raw) => match mailbox.store.add(envelope, &raw).await {
                        Ok(id) => format!("250 2.0.0 Taken as {id}\r\n"),
                        Err(fault) => {
                            tracing::error!(fault = format!("{fault:#}"), "failed to keep a message");
                            "451 4.3.0 The message could not be kept: try again\r\n".to_owned()
                        }
                    },
                };
                if loses {
                    return Ok(());
                }
                writer.write_all(answer.as_bytes()).await?;
            }
        }
    }
}

/// Reads a line with its end, as far as it may go; false at the end.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = tokio::time::timeout(PATIENCE, reader.take(LONGEST_LINE).read_until(b'\n', line)).await??;
    Ok(read > 0)
}
