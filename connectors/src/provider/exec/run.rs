//! One run of a program: what it is given, what it writes, how it ends.

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// Longest standard output that is kept as the response; of a longer one the rest is read and dropped, and there is no
/// response.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;
/// What is kept of the end of standard error.
const MAX_COMPLAINT_BYTES: usize = 4 * 1024;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 8 * 1024;

/// How a program has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its exit code, unless a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Standard output; `None` where it was too long.
    pub(super) output: Option<Bytes>,
    /// The last line of standard error, cut to its last 4 KiB.
    pub(super) last_complaint: Option<String>,
}

/// A running program. Dropping it kills its process group.
pub(super) struct Run {
    // Before `child`: the group is killed while the child, even as a zombie, still holds the group's number.
    group: Group,
    child: Child,
}

impl Run {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { group: Group(id.and_then(Pid::from_raw)), child })
    }

    /// Gives it its input and waits until it has closed its output and ended.
    pub(super) async fn end(mut self, input: &[u8]) -> io::Result<Ended> {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // One that reads less than everything has read what it wants.
                stdin.write_all(input).await.ok();
            }
        };
        let ((), output, complaint) = tokio::join!(feed, read_whole(stdout), read_tail(stderr));
        let status = self.child.wait().await?;
        // From here on the number may be another group's.
        self.group.0 = None;
        Ok(Ended {
            code: status.code(),
            signal: status.signal(),
            output: output?,
            last_complaint: last_line(&complaint?),
        })
    }
}

/// The process group of a program that has not been waited for.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // Fails only where nothing is left to kill.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Reads to the end; `None` where that is longer than [`MAX_OUTPUT_BYTES`].
async fn read_whole(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Option<Bytes>> {
    let mut kept = Some(Vec::new());
    each_chunk(stream, |chunk| {
        kept = kept.take().filter(|kept| kept.len() + chunk.len() <= MAX_OUTPUT_BYTES);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(chunk);
        }
    })
    .await?;
    Ok(kept.map(Bytes::from))
}

/// Reads to the end and keeps the last [`MAX_COMPLAINT_BYTES`].
async fn read_tail(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    each_chunk(stream, |chunk| {
        kept.extend_from_slice(chunk);
        let surplus = kept.len().saturating_sub(MAX_COMPLAINT_BYTES);
        kept.drain(..surplus);
    })
    .await?;
    Ok(kept)
}

async fn each_chunk(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut chunk).await? {
            0 => return Ok(()),
            count => take(&chunk[..count]),
        }
    }
}

fn last_line(complaint: &[u8]) -> Option<String> {
    String::from_utf8_lossy(complaint).lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        for (text, line) in [
            ("", None),
            ("\n \n", None),
            ("one", Some("one")),
            ("one\ntwo\n\n", Some("two")),
            ("\u{fffd}\n", Some("\u{fffd}")),
        ] {
            assert_eq!(last_line(text.as_bytes()).as_deref(), line, "{text:?}");
        }
    }
}
