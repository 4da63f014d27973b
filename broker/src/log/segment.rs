//! One file of a partition's log, with a sparse index that is kept in memory only.

use super::batch::{HEADER_BYTES, Header};
use super::reader::BatchReader;
use crate::Error;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes between two index entries of the segment that is appended to.
const ACTIVE_INDEX_INTERVAL: u64 = 8 * 1024;
/// Bytes between two index entries of a closed segment.
const CLOSED_INDEX_INTERVAL: u64 = 64 * 1024;

/// A place to start reading from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexEntry {
    offset: i64,
    position: u64,
    /// Largest timestamp of the batches before this place.
    max_timestamp_before: i64,
}

/// One log file: `<base offset>.log`.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) path: PathBuf,
    /// Bytes of whole batches.
    pub(crate) size: u64,
    /// Offset of the last record; below `base_offset` when the segment is empty.
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    /// Largest timestamp of the first batch; below 1 where there is none.
    pub(crate) first_timestamp: i64,
    /// The earliest delete horizon of the batches (wall clock, ms).
    pub(crate) delete_horizon: Option<i64>,
    /// When the first batch was appended (wall clock, ms); for rolling by age.
    pub(crate) began_at: i64,
    /// Open while the segment is the active one; a closed one is opened when it is read.
    active: Option<Arc<File>>,
    /// `None`: not built yet.
    index: Option<Vec<IndexEntry>>,
}

/// The file name of a segment.
pub(crate) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

impl Segment {
    /// Creates or opens the file for appending.
    pub(crate) fn open_active(dir: &Path, base_offset: i64, now: i64) -> Result<Self, Error> {
        let path = dir.join(file_name(base_offset));
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let size = file.metadata().map_err(Error::io("read the size of", &path))?.len();
        Ok(Self { size, active: Some(Arc::new(file)), began_at: now, ..Self::closed(dir, base_offset, 0, -1, -1) })
    }

    /// A closed segment of which no more is known.
    pub(crate) fn closed(dir: &Path, base_offset: i64, size: u64, last_offset: i64, max_timestamp: i64) -> Self {
        let path = dir.join(file_name(base_offset));
        let last_offset = last_offset.max(base_offset - 1);
        Self {
            base_offset,
            path,
            size,
            last_offset,
            max_timestamp,
            first_timestamp: -1,
            delete_horizon: None,
            began_at: 0,
            active: None,
            index: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The file, opened anew unless this is the active segment.
    pub(crate) fn file(&self) -> Result<Arc<File>, Error> {
        match &self.active {
            Some(file) => Ok(file.clone()),
            None => File::open(&self.path).map(Arc::new).map_err(Error::io("open", &self.path)),
        }
    }

    /// Appends a batch whose first bytes are replaced by `prefix`; on an error the file is as it was.
    pub(crate) fn append(&mut self, prefix: &[u8], rest: &[u8], header: &Header) -> Result<(), Error> {
        let file = self.file()?;
        if let Err(source) = write_both(&file, prefix, rest) {
            // Half a batch must not stay before the next one.
            file.set_len(self.size).map_err(Error::io("truncate", &self.path))?;
            return Err(Error::Io { action: "append to", path: self.path.clone(), source });
        }
        let position = self.size;
        self.note(header, position);
        Ok(())
    }

    /// Takes note of a batch that stands at `position`.
    pub(crate) fn note(&mut self, header: &Header, position: u64) {
        let index = self.index.get_or_insert_with(Vec::new);
        note_in(index, ACTIVE_INDEX_INTERVAL, header, position, self.max_timestamp);
        if position == 0 {
            self.first_timestamp = header.max_timestamp;
        }
        let horizons = self.delete_horizon.into_iter().chain(header.delete_horizon());
        self.delete_horizon = horizons.min();
        self.size = position + header.length as u64;
        self.last_offset = header.last_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Makes the segment read-only: flushes it to the disk, closes the file, thins the index.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        if let Some(file) = self.active.take() {
            file.sync_data().map_err(Error::io("flush", &self.path))?;
        }
        if let Some(index) = &mut self.index {
            let mut next = 0;
            index.retain(|entry| {
                let keep = entry.position >= next;
                if keep {
                    next = entry.position + CLOSED_INDEX_INTERVAL;
                }
                keep
            });
            index.shrink_to_fit();
        }
        Ok(())
    }

    /// Flushes the active segment to the disk.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.active.as_ref().map_or(Ok(()), |file| file.sync_data().map_err(Error::io("flush", &self.path)))
    }

    /// Appends go to `file` from now on.
    #[cfg(test)]
    pub(crate) fn replace_file_for_test(&mut self, file: File) {
        self.active = Some(Arc::new(file));
    }

    fn index(&mut self) -> Result<&[IndexEntry], Error> {
        if self.index.is_none() {
            let file = self.file()?;
            let read = Error::io("read", &self.path);
            let build = || {
                let mut index = Vec::new();
                let mut reader = BatchReader::new(&file, 0, self.size)?;
                let (mut position, mut max_timestamp) = (0, -1);
                while let Some(header) = reader.next_header()? {
                    note_in(&mut index, CLOSED_INDEX_INTERVAL, &header, position, max_timestamp);
                    position = reader.position();
                    max_timestamp = max_timestamp.max(header.max_timestamp);
                }
                io::Result::Ok(index)
            };
            self.index = Some(build().map_err(read)?);
        }
        Ok(self.index.as_deref().unwrap_or_default())
    }

    /// A place at or before the batch that holds `offset`.
    pub(crate) fn position_before(&mut self, offset: i64) -> Result<u64, Error> {
        let index = self.index()?;
        let after = index.partition_point(|entry| entry.offset <= offset);
        Ok(after.checked_sub(1).map_or(0, |at| index[at].position))
    }

    /// A place at or before the first batch with a timestamp of at least `timestamp`.
    pub(crate) fn position_before_time(&mut self, timestamp: i64) -> Result<u64, Error> {
        let index = self.index()?;
        let after = index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        Ok(after.checked_sub(1).map_or(0, |at| index[at].position))
    }
}

fn note_in(index: &mut Vec<IndexEntry>, interval: u64, header: &Header, position: u64, max_timestamp_before: i64) {
    if index.last().is_none_or(|last| position >= last.position + interval) {
        index.push(IndexEntry { offset: header.base_offset, position, max_timestamp_before });
    }
}

/// One write for both parts where the system allows it.
fn write_both(mut file: &File, prefix: &[u8], rest: &[u8]) -> io::Result<()> {
    let written = file.write_vectored(&[IoSlice::new(prefix), IoSlice::new(rest)])?;
    if written < prefix.len() {
        file.write_all(&prefix[written..])?;
        return file.write_all(rest);
    }
    file.write_all(&rest[written - prefix.len()..])
}

/// A stretch of a segment that may be read without holding the partition's lock.
pub(crate) struct Stretch {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    /// Where to start looking.
    pub(crate) position: u64,
    /// Where the segment ends.
    pub(crate) end: u64,
    /// The first offset wanted.
    pub(crate) from: i64,
    /// The first offset not to be given out.
    pub(crate) upto: i64,
}

impl Stretch {
    /// Whole batches of at most `max` bytes together; with `at_least_one`, the first one even if it is larger.
    pub(crate) fn read(&self, max: usize, at_least_one: bool) -> Result<Bytes, Error> {
        self.read_batches(max, at_least_one).map_err(Error::io("read", &self.path))
    }

    fn read_batches(&self, max: usize, at_least_one: bool) -> io::Result<Bytes> {
        let mut position = self.position;
        let mut room = max.saturating_add(ACTIVE_INDEX_INTERVAL as usize);
        loop {
            let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
            let mut buffer = vec![0; left.min(room.max(HEADER_BYTES))];
            self.file.read_exact_at(&mut buffer, position)?;
            match self.choose(&buffer, max, at_least_one) {
                Choice::Found(start, end) => return Ok(Bytes::from(buffer).slice(start..end)),
                Choice::Nothing => return Ok(Bytes::new()),
                Choice::SkipTo(at) if position + at as u64 >= self.end => return Ok(Bytes::new()),
                Choice::SkipTo(at) => position += at as u64,
                Choice::TooShort(at, length) => {
                    position += at as u64;
                    room = length;
                }
            }
        }
    }

    fn choose(&self, buffer: &[u8], max: usize, at_least_one: bool) -> Choice {
        let (mut at, mut start) = (0, None);
        while let Some(header) = buffer.get(at..).and_then(Header::parse) {
            let next = at + header.length;
            if start.is_none() && header.last_offset() < self.from {
                at = next;
                continue;
            }
            let first = start.is_none();
            if header.base_offset >= self.upto || (next - start.unwrap_or(at) > max && !(first && at_least_one)) {
                break;
            }
            if next > buffer.len() {
                if first {
                    return Choice::TooShort(at, header.length);
                }
                break;
            }
            start = start.or(Some(at));
            at = next;
        }
        match start {
            Some(start) => Choice::Found(start, at),
            // A whole header was seen and refused, or the header itself lies behind the buffer's end.
            None if buffer.len().saturating_sub(at) >= HEADER_BYTES => Choice::Nothing,
            None if at == 0 => Choice::Nothing,
            None => Choice::SkipTo(at),
        }
    }
}

enum Choice {
    Found(usize, usize),
    Nothing,
    /// The batches before this place are not wanted, and the buffer ends here.
    SkipTo(usize),
    /// The first wanted batch, at this place and of this length, is longer than the buffer.
    TooShort(usize, usize),
}
