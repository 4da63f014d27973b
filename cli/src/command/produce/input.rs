//! Lines of a file or of standard input, read by a thread of their own: a pipe may be silent for long.

use acteon_schemas::MAX_RECORD_BYTES;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Longest line, in bytes: the largest record and some space around it.
pub(super) const MAX_LINE_BYTES: usize = MAX_RECORD_BYTES + 4096;
/// Most lines that are read ahead.
const READ_AHEAD_LINES: usize = 256;

/// What comes next.
#[derive(Debug)]
pub(super) enum Line {
    /// A line without its end; numbers count from 1.
    Text { number: u64, bytes: Vec<u8> },
    /// A line over [`MAX_LINE_BYTES`]; it was passed over.
    TooLong { number: u64 },
    /// The input can't be read any further.
    Failed(anyhow::Error),
    /// No more.
    End,
    /// Nothing within the time.
    NoneYet,
}

/// A file being read.
pub(super) struct Input(Receiver<Line>);

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(name: &str) -> Result<Self> {
        let reader: Box<dyn BufRead + Send> = match name {
            "-" => Box::new(BufReader::new(io::stdin())),
            _ => Box::new(BufReader::new(File::open(name).with_context(|| format!("can't read {name}"))?)),
        };
        let name = name.to_owned();
        let (sender, receiver) = sync_channel(READ_AHEAD_LINES);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            if let Err(error) = read_lines(reader, &sender) {
                // Nobody listens if the command has ended already.
                sender.send(Line::Failed(anyhow::Error::new(error).context(format!("can't read {name}")))).ok();
            }
        })?;
        Ok(Self(receiver))
    }

    /// The next line, if there is one within `timeout`.
    pub(super) fn next(&mut self, timeout: Duration) -> Line {
        match self.0.recv_timeout(timeout) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => Line::NoneYet,
            Err(RecvTimeoutError::Disconnected) => Line::End,
        }
    }
}

fn read_lines(mut reader: impl BufRead, lines: &SyncSender<Line>) -> io::Result<()> {
    let mut number = 0;
    loop {
        number += 1;
        let mut bytes = Vec::new();
        let mut too_long = false;
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                if !bytes.is_empty() || too_long {
                    send(lines, number, bytes, too_long);
                }
                return Ok(());
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            too_long |= bytes.len() + part.len() > MAX_LINE_BYTES;
            if too_long {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !send(lines, number, bytes, too_long) {
            return Ok(());
        }
    }
}

/// Returns whether someone still listens.
fn send(lines: &SyncSender<Line>, number: u64, bytes: Vec<u8>, too_long: bool) -> bool {
    lines.send(if too_long { Line::TooLong { number } } else { Line::Text { number, bytes } }).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_too_long_ones_passed_over() {
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        let text = format!("one\n\n{long}\nlast");
        let (sender, receiver) = sync_channel(8);
        // A small buffer, so that lines span several.
        read_lines(BufReader::with_capacity(7, text.as_bytes()), &sender).unwrap();
        drop(sender);
        let lines: Vec<String> = receiver
            .iter()
            .map(|line| match line {
                Line::Text { number, bytes } => format!("{number} {}", String::from_utf8(bytes).unwrap()),
                Line::TooLong { number } => format!("{number} too long"),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lines, ["1 one", "2 ", "3 too long", "4 last"]);
    }
}
