//! Server-sent events, read from bytes as they come.

use bytes::{Buf as _, BytesMut};

/// Largest event, in bytes.
pub const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// An event as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The last id that was sent until now, which is this event's where it has one.
    pub(crate) id: Option<String>,
    /// Its type; `message` where it has none.
    pub(crate) event: String,
    pub(crate) data: String,
}

/// An event has more than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes bytes and gives events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    rest: BytesMut,
    event: String,
    data: String,
    /// Whether there was a line of data: an event without any is none.
    has_data: bool,
    id: Option<String>,
    /// How long to wait before connecting again, in milliseconds, where the server says so.
    pub(crate) retry_ms: Option<u64>,
}

impl Reader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next event, once all of it has come.
    pub(crate) fn next(&mut self) -> Result<Option<Sent>, TooLong> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(sent) = self.dispatch() {
                    return Ok(Some(sent));
                }
            } else {
                self.field(&line);
            }
            if self.data.len() > MAX_EVENT_BYTES {
                return Err(TooLong);
            }
        }
        if self.rest.len() > MAX_EVENT_BYTES { Err(TooLong) } else { Ok(None) }
    }

    /// A line without its end, which is `\n`, `\r\n` or `\r`.
    fn line(&mut self) -> Option<String> {
        let at = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let end = if self.rest[at] == b'\r' {
            // What comes behind it tells whether the line ends there.
            match self.rest.get(at + 1)? {
                b'\n' => at + 2,
                _ => at + 1,
            }
        } else {
            at + 1
        };
        let line = String::from_utf8_lossy(&self.rest[..at]).into_owned();
        self.rest.advance(end);
        Some(line)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            // A comment, or a field of another version.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Sent> {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        let event = if event.is_empty() { "message".to_owned() } else { event };
        std::mem::take(&mut self.has_data).then(|| Sent { id: self.id.clone(), event, data })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The events of a text that comes in pieces of `size` bytes.
    fn read(text: &str, size: usize) -> Vec<Sent> {
        let mut reader = Reader::default();
        let mut sent = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            reader.push(piece);
            while let Some(event) = reader.next().unwrap() {
                sent.push(event);
            }
        }
        sent
    }

    fn sent(id: Option<&str>, event: &str, data: &str) -> Sent {
        Sent { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_come_however_the_bytes_do() {
        let text = ": ping\n\nevent: a\nid: 1\ndata: {\"x\": \"ü\"}\n\nid: 2\r\ndata:one\r\ndata:  two\r\n\r\nevent: none\n\n\
                    data\n\nevent: c\rdata: 3\r\rretry: 50\nother: x\ndata: 4\n\ndata: cut off";
        let expected = [
            sent(Some("1"), "a", "{\"x\": \"ü\"}"),
            sent(Some("2"), "message", "one\n two"),
            sent(Some("2"), "message", ""),
            sent(Some("2"), "c", "3"),
            sent(Some("2"), "message", "4"),
        ];
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(read(text, size), expected, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = Reader::default();
        reader.push(b"data: ");
        reader.push(&vec![b'x'; MAX_EVENT_BYTES]);
        assert_eq!(reader.next(), Err(TooLong));
        let mut reader = Reader::default();
        for _ in 0..5 {
            reader.push(format!("data: {}\n", "x".repeat(1024 * 1024)).as_bytes());
        }
        assert_eq!(reader.next(), Err(TooLong));
    }
}
