//! Events of a watch: one line each, which may come late, not at all, twice, or once more when it is old.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use futures::stream::{BoxStream, StreamExt, unfold};

use super::{Cut, Shared};

/// How many events are kept to be repeated when they are old.
const KEPT: usize = 16;

/// What happens to events of watches, of a thousand of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFaults {
    /// So many never arrive, and the watch goes on as if nothing had been.
    pub dropped: u32,
    /// So many arrive twice.
    pub repeated: u32,
    /// After so many an old one arrives once more: the object as it was.
    pub replayed: u32,
    /// So many hold up the watch.
    pub delayed: u32,
    /// For how long.
    pub delay: Duration,
}

struct Lines {
    chunks: BoxStream<'static, Result<Bytes, Cut>>,
    buffer: BytesMut,
    waiting: VecDeque<Bytes>,
    old: VecDeque<Bytes>,
    shared: Arc<Shared>,
}

/// The lines of `chunks`, disturbed as the faults of the moment say.
pub(super) fn disturbed(
    chunks: BoxStream<'static, Result<Bytes, Cut>>,
    shared: Arc<Shared>,
) -> impl Stream<Item = Result<Bytes, Cut>> + Send + 'static {
    let lines =
        Lines { chunks, buffer: BytesMut::new(), waiting: VecDeque::new(), old: VecDeque::new(), shared };
    unfold(lines, |mut lines| async move {
        loop {
            if let Some(line) = lines.waiting.pop_front() {
                return Some((Ok(line), lines));
            }
            if let Some(line) = take_line(&mut lines.buffer) {
                lines.pass(line).await;
                continue;
            }
            match lines.chunks.next().await {
                Some(Ok(chunk)) => lines.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => return Some((Err(error), lines)),
                None => return None,
            }
        }
    })
    .boxed()
}

impl Lines {
    async fn pass(&mut self, line: Bytes) {
        let faults = self.shared.faults.borrow().events.clone();
        if faults == EventFaults::default() || is_bookmark(&line) {
            self.waiting.push_back(line);
            return;
        }
        let shared = self.shared.clone();
        let disturb = || shared.disturbed_events.fetch_add(1, Ordering::Relaxed);
        if shared.happens(faults.delayed) {
            disturb();
            tokio::time::sleep(faults.delay).await;
        }
        self.old.push_back(line.clone());
        if self.old.len() > KEPT {
            self.old.pop_front();
        }
        if shared.happens(faults.dropped) {
            disturb();
            return;
        }
        if shared.happens(faults.repeated) {
            disturb();
            self.waiting.push_back(line.clone());
        }
        self.waiting.push_back(line);
        if shared.happens(faults.replayed)
            && let Some(old) = self.old.get(shared.any_below(self.old.len()))
        {
            disturb();
            self.waiting.push_back(old.clone());
        }
    }
}

/// Takes a whole line, with its end, off the front.
fn take_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    Some(buffer.split_to(end + 1).freeze())
}

/// How far the watch has come, without an object: it is what a watch is resumed from.
fn is_bookmark(line: &[u8]) -> bool {
    line.get(..40).unwrap_or(line).windows(8).any(|part| part == b"BOOKMARK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_however_they_arrive() {
        let mut buffer = BytesMut::from(&b"{\"a\""[..]);
        assert_eq!(take_line(&mut buffer), None);
        buffer.extend_from_slice(b":1}\n{\"b\":2}\n{");
        assert_eq!(take_line(&mut buffer).unwrap(), "{\"a\":1}\n");
        assert_eq!(take_line(&mut buffer).unwrap(), "{\"b\":2}\n");
        assert_eq!(take_line(&mut buffer), None);
        assert_eq!(buffer, "{");
    }

    #[test]
    fn bookmarks_pass_as_they_are() {
        assert!(is_bookmark(b"{\"type\":\"BOOKMARK\",\"object\":{}}\n"));
        assert!(!is_bookmark(b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n"));
    }
}
