//! Streams the batches of a segment file, holding one batch in memory at a time.

use super::batch::{HEADER_BYTES, Header, checksum_holds};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Bytes read from the file at a time.
const READ_AHEAD: usize = 64 * 1024;

/// A cursor over the batches of a segment file.
pub(crate) struct BatchReader<'a> {
    file: BufReader<&'a File>,
    position: u64,
    end: u64,
    batch: Vec<u8>,
}

impl<'a> BatchReader<'a> {
    /// Reads `file` from `position` up to `end` (bytes); both lie on batch boundaries, except that a torn batch may
    /// stand before `end`.
    pub(crate) fn new(file: &'a File, position: u64, end: u64) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(READ_AHEAD, file);
        file.seek(SeekFrom::Start(position))?;
        Ok(Self { file, position, end, batch: Vec::new() })
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch with its header; `None` at the end, or where a torn or damaged batch begins.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Header, &[u8])>> {
        let Some(header) = self.read_header()? else { return Ok(None) };
        self.batch.resize(header.length, 0);
        self.file.read_exact(&mut self.batch[HEADER_BYTES..])?;
        if !checksum_holds(&header, &self.batch) {
            return Ok(None);
        }
        self.position += header.length as u64;
        Ok(Some((header, &self.batch)))
    }

    /// The next header only: neither reads nor checks the records.
    pub(crate) fn next_header(&mut self) -> io::Result<Option<Header>> {
        let Some(header) = self.read_header()? else { return Ok(None) };
        self.file.seek_relative((header.length - HEADER_BYTES) as i64)?;
        self.position += header.length as u64;
        Ok(Some(header))
    }

    fn read_header(&mut self) -> io::Result<Option<Header>> {
        let left = self.end.saturating_sub(self.position);
        if left < HEADER_BYTES as u64 || self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.batch.resize(HEADER_BYTES, 0);
        self.file.read_exact(&mut self.batch)?;
        Ok(Header::parse(&self.batch).filter(|header| header.length as u64 <= left))
    }
}
