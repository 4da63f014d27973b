//! One connection to the API: requests that are bytes made beforehand, one after the other. A client library would take
//! more of the machine than what is measured.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// What ends the head of an answer.
const HEAD_END: &[u8] = b"\r\n\r\n";

pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads its answer, which must be a 200 that holds `wanted` so many times.
    pub(super) async fn ask(&mut self, request: &[u8], wanted: &[u8], times: usize) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut end = None;
        while end.is_none_or(|end| self.buffer.len() < end) {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed within an answer: {}", self.text());
            ensure!(self.buffer.len() <= MAX_ANSWER_BYTES, "an answer of more than {MAX_ANSWER_BYTES} bytes");
            if end.is_none() {
                end = answer_end(&self.buffer)?;
            }
        }
        ensure!(self.buffer.starts_with(b"HTTP/1.1 200 "), "{}", self.text());
        let found = occurrences(&self.buffer, wanted);
        ensure!(found == times, "{found} of {times} are as expected: {}", self.text());
        Ok(())
    }

    /// The beginning of what was read.
    fn text(&self) -> String {
        String::from_utf8_lossy(self.buffer.get(..2_000).unwrap_or(&self.buffer)).into_owned()
    }
}

/// Where an answer ends, once its head is there.
fn answer_end(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = places(bytes, HEAD_END).next() else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.with_context(|| format!("an answer without a length: {text}"))?.parse()?;
    Ok(Some(head + HEAD_END.len() + length))
}

fn occurrences(bytes: &[u8], wanted: &[u8]) -> usize {
    places(bytes, wanted).count()
}

/// Where something stands. Its first byte is compared by itself: a comparison of slices is a call, for each byte of each
/// answer, on the processor that is measured.
fn places(bytes: &[u8], wanted: &[u8]) -> impl Iterator<Item = usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    let found = windows.filter(move |(_, window)| window.first() == wanted.first() && *window == wanted);
    found.map(|(place, _)| place)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_behind_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[1]\n";
        assert_eq!(answer_end(&answer[..20]).unwrap(), None);
        assert_eq!(answer_end(answer).unwrap(), Some(answer.len()));
        assert!(answer_end(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "of unknown length");
        assert_eq!(occurrences(b"[\"A\",\"A\",\"B\"]", b"\"A\""), 2);
    }
}
