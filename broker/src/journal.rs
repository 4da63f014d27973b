//! The journal: the metadata of the broker as a file of checksummed entries, rewritten as a snapshot when it has
//! grown, so that neither the file nor the time to replay it grows without bound.
//!
//! Frame: length (u32, big-endian), CRC-32C (u32, big-endian), entry (JSON).

use crate::Error;
use crate::log::checkpoint::sync_dir;
use crate::meta::Entry;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "journal";
const FRAME_HEADER: usize = 8;
/// Bytes of the largest entry.
const MAX_ENTRY_BYTES: usize = 16 * 1024 * 1024;
/// The journal is not rewritten before it has this many bytes.
const SNAPSHOT_MIN_BYTES: u64 = 2 * 1024 * 1024;
/// The journal is rewritten when it is this many times as large as its last snapshot.
const SNAPSHOT_GROWTH: u64 = 4;

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Bytes when it was last rewritten.
    snapshot_size: u64,
    frame: Vec<u8>,
}

fn put_frame(frame: &mut Vec<u8>, entry: &Entry, path: &Path) -> Result<(), Error> {
    frame.clear();
    frame.resize(FRAME_HEADER, 0);
    let encoded = serde_json::to_writer(&mut *frame, entry);
    encoded.map_err(|e| Error::Io { action: "encode an entry of", path: path.to_path_buf(), source: e.into() })?;
    let body = frame.len() - FRAME_HEADER;
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_ENTRY_BYTES).ok_or_else(|| Error::Io {
        action: "append an entry this large to",
        path: path.to_path_buf(),
        source: std::io::ErrorKind::FileTooLarge.into(),
    })?;
    let crc = crc32c::crc32c(&frame[FRAME_HEADER..]);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame[4..8].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

impl Journal {
    /// Opens the journal in `dir`, hands every entry to `apply`, and cuts off a torn tail.
    pub(crate) fn open(dir: &Path, mut apply: impl FnMut(Entry)) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let length = file.metadata().map_err(Error::io("read the size of", &path))?.len();
        let mut reader = BufReader::new(&file);
        let (mut size, mut body) = (0, Vec::new());
        while next_frame(&mut reader, length - size, &mut body).map_err(Error::io("read", &path))? {
            let entry = serde_json::from_slice(&body).map_err(|e| Error::Damaged {
                path: path.clone(),
                reason: format!("the entry at byte {size} was written by another version ({e})"),
            })?;
            apply(entry);
            size += (FRAME_HEADER + body.len()) as u64;
        }
        if size < length {
            tracing::warn!(kept = size, cut = length - size, "torn journal tail cut off");
            file.set_len(size).map_err(Error::io("truncate", &path))?;
        }
        Ok(Self { path, file, size, snapshot_size: 0, frame: Vec::new() })
    }

    /// Appends an entry; on an error the journal is as it was.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        put_frame(&mut self.frame, entry, &self.path)?;
        if let Err(source) = self.file.write_all(&self.frame) {
            self.file.set_len(self.size).map_err(Error::io("truncate", &self.path))?;
            return Err(Error::Io { action: "append to", path: self.path.clone(), source });
        }
        self.size += self.frame.len() as u64;
        Ok(())
    }

    /// Whether the journal has grown enough to be rewritten.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.size > SNAPSHOT_MIN_BYTES.max(self.snapshot_size.saturating_mul(SNAPSHOT_GROWTH))
    }

    /// Replaces the journal by `entries`, wholly or not at all.
    pub(crate) fn rewrite(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), Error> {
        let scratch = self.path.with_extension("tmp");
        let error = || Error::io("write", &scratch);
        let mut out = BufWriter::new(File::create(&scratch).map_err(error())?);
        let mut size = 0;
        for entry in entries {
            put_frame(&mut self.frame, &entry, &self.path)?;
            out.write_all(&self.frame).map_err(error())?;
            size += self.frame.len() as u64;
        }
        let file = out.into_inner().map_err(|e| error()(e.into_error()))?;
        file.sync_all().map_err(error())?;
        std::fs::rename(&scratch, &self.path).map_err(Error::io("replace", &self.path))?;
        if let Some(dir) = self.path.parent() {
            sync_dir(dir)?;
        }
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        self.file = file.map_err(Error::io("open", &self.path))?;
        (self.size, self.snapshot_size) = (size, size);
        Ok(())
    }

    /// Flushes the journal to the disk.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("flush", &self.path))
    }
}

/// Reads one frame into `body`; `false` at the end or where a torn or damaged frame begins.
fn next_frame(reader: &mut impl Read, left: u64, body: &mut Vec<u8>) -> std::io::Result<bool> {
    if left < FRAME_HEADER as u64 {
        return Ok(false);
    }
    let mut word = [0; 4];
    reader.read_exact(&mut word)?;
    let length = u32::from_be_bytes(word) as usize;
    reader.read_exact(&mut word)?;
    let crc = u32::from_be_bytes(word);
    if length > MAX_ENTRY_BYTES || (FRAME_HEADER + length) as u64 > left {
        return Ok(false);
    }
    body.resize(length, 0);
    reader.read_exact(body)?;
    Ok(crc32c::crc32c(body) == crc)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn entry(next: i64) -> Entry {
        Entry::ProducerIds { next }
    }

    fn read(dir: &Path) -> Vec<Entry> {
        let mut entries = Vec::new();
        Journal::open(dir, |e| entries.push(e)).unwrap();
        entries
    }

    #[test]
    fn entries_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), |_| panic!("empty")).unwrap();
        (0..3).for_each(|n| journal.append(&entry(n)).unwrap());
        assert_eq!(read(dir.path()), [entry(0), entry(1), entry(2)]);
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_length_and_the_journal_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), |_| {}).unwrap();
        (0..2).for_each(|n| journal.append(&entry(n)).unwrap());
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        let one = whole.len() / 2;
        for length in one..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut journal = Journal::open(dir.path(), |_| {}).unwrap();
            journal.append(&entry(9)).unwrap();
            assert_eq!(read(dir.path()), [entry(0), entry(9)], "cut at {length}");
        }
        let mut flipped = whole;
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(read(dir.path()), [entry(0)]);
    }

    #[test]
    fn rewriting_bounds_the_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), |_| {}).unwrap();
        let mut rewrites = 0;
        for n in 0..200_000 {
            journal.append(&entry(n)).unwrap();
            if journal.wants_snapshot() {
                journal.rewrite([entry(n)].into_iter()).unwrap();
                rewrites += 1;
            }
        }
        assert!(rewrites > 0 && journal.size <= SNAPSHOT_MIN_BYTES + 64, "{rewrites} {}", journal.size);
        assert_eq!(read(dir.path()).last(), Some(&entry(199_999)));
    }
}
