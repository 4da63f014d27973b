//! The log of one partition: segments, producer state, the offsets that bound what readers see.

pub(crate) mod batch;
pub(crate) mod checkpoint;
pub(crate) mod producers;
pub(crate) mod reader;
mod recovery;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::topic_config::TopicConfig;
use batch::{CHECKED_FROM, Header, LENGTH_PREFIX};
use checkpoint::{Checkpoint, ClosedSegment, sync_dir};
use producers::Producers;
use segment::{Segment, Stretch};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes at the start of a batch that the broker writes over: base offset, length, leader epoch.
const PREFIX: usize = 16;
const _: () = assert!(PREFIX < CHECKED_FROM, "what is written over must not be checksummed");

/// The log of one partition.
pub(crate) struct Log {
    dir: PathBuf,
    /// At least one; the last one is the active segment.
    segments: Vec<Segment>,
    /// The first offset that may be read.
    start: i64,
    /// The offset that the next record gets: the high watermark.
    end: i64,
    pub(crate) producers: Producers,
    pub(crate) config: Arc<TopicConfig>,
    /// Everything below has been compacted.
    pub(crate) compacted_to: i64,
    /// Set when a failed append could not be undone: nothing more may be appended.
    broken: bool,
}

impl Log {
    /// Opens the log in `dir`, which is created if need be, and drops a torn tail. `start` is the log start offset
    /// that was set by DeleteRecords, 0 if none.
    pub(crate) fn open(dir: &Path, start: i64, config: Arc<TopicConfig>, now: i64) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let recovered = recovery::recover(dir, now)?;
        let first = recovered.segments.first().map_or(0, |s| s.base_offset);
        let start = start.max(first);
        let mut log = Self {
            dir: dir.to_path_buf(),
            end: recovered.end.max(start),
            segments: recovered.segments,
            start,
            producers: recovered.producers,
            config,
            compacted_to: 0,
            broken: false,
        };
        log.producers.forget_aborted_below(start);
        if log.segments.is_empty() {
            log.segments.push(Segment::open_active(dir, log.end, now)?);
        }
        Ok(log)
    }

    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The last stable offset: no record at or above it may be read by a read_committed reader.
    pub(crate) fn stable_end(&self) -> i64 {
        self.producers.first_open().unwrap_or(self.end)
    }

    /// The closed segments and the active one, in order.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The closed segments.
    pub(crate) fn closed(&self) -> &[Segment] {
        self.segments.split_last().map_or(&[], |(_, closed)| closed)
    }

    fn active(&mut self) -> Result<&mut Segment, Error> {
        let path = &self.dir;
        self.segments.last_mut().ok_or_else(|| Error::Damaged { path: path.clone(), reason: "no segment".into() })
    }

    /// Appends a batch that was checked; gives it the next offsets and returns the first of them. On an error the
    /// log is as it was. `commits` is what a marker decides, `None` for records.
    pub(crate) fn append(
        &mut self,
        header: &Header,
        batch: &[u8],
        commits: Option<bool>,
        now: i64,
    ) -> Result<i64, Error> {
        if self.broken {
            let reason = "an append failed and could not be undone".into();
            return Err(Error::Damaged { path: self.dir.clone(), reason });
        }
        self.roll_if_due(header.length as u64, now)?;
        let base_offset = self.end;
        let header = Header { base_offset, ..*header };
        let mut prefix = [0; PREFIX];
        prefix[..8].copy_from_slice(&base_offset.to_be_bytes());
        prefix[8..LENGTH_PREFIX].copy_from_slice(&batch[8..LENGTH_PREFIX]);
        let active = self.active()?;
        if active.is_empty() {
            active.began_at = now;
        }
        let appended = active.append(&prefix, &batch[PREFIX..], &header);
        if let Err(error) = appended {
            self.broken = matches!(error, Error::Io { action: "truncate", .. });
            return Err(error);
        }
        self.producers.note(&header, commits);
        self.end = header.last_offset() + 1;
        Ok(base_offset)
    }

    fn roll_if_due(&mut self, incoming: u64, now: i64) -> Result<(), Error> {
        let (segment_bytes, segment_ms) = (self.config.segment_bytes, self.config.roll_ms());
        let active = self.active()?;
        let full = active.size + incoming > segment_bytes;
        let old = now.saturating_sub(active.began_at) >= segment_ms;
        if !active.is_empty() && (full || old) { self.roll(now) } else { Ok(()) }
    }

    /// Closes the active segment if it holds anything and is old enough; for topics nobody writes to.
    pub(crate) fn roll_if_old(&mut self, now: i64) -> Result<(), Error> {
        self.roll_if_due(0, now)
    }

    /// Closes the active segment and begins a new one.
    pub(crate) fn roll(&mut self, now: i64) -> Result<(), Error> {
        let next = Segment::open_active(&self.dir, self.end, now)?;
        self.active()?.close()?;
        self.segments.push(next);
        self.write_checkpoint()
    }

    /// Writes down what is known about the closed segments; the active one is empty.
    fn write_checkpoint(&self) -> Result<(), Error> {
        let (closed, producers) = (self.closed_summaries(), self.producers.clone());
        Checkpoint { closed, active: self.end, producers }.write(&self.dir)
    }

    /// Where to read batches from `from` up to, not including, `upto`; `None` if there are none yet.
    pub(crate) fn stretch(&mut self, from: i64, upto: i64) -> Result<Option<Stretch>, Error> {
        if from >= upto.min(self.end) {
            return Ok(None);
        }
        let at = self.segments.partition_point(|s| s.last_offset < from);
        // Compaction may have left nothing of a segment.
        let Some(segment) = self.segments[at..].iter_mut().find(|s| !s.is_empty()) else { return Ok(None) };
        let position = segment.position_before(from)?;
        Ok(Some(Stretch { path: segment.path.clone(), file: segment.file()?, position, end: segment.size, from, upto }))
    }

    /// Where to look for the first record with a timestamp of at least `timestamp`.
    pub(crate) fn stretch_by_time(&mut self, timestamp: i64, upto: i64) -> Result<Option<Stretch>, Error> {
        let (from, end) = (self.start, self.end);
        let Some(segment) = self.segments.iter_mut().find(|s| s.max_timestamp >= timestamp && s.last_offset >= from)
        else {
            return Ok(None);
        };
        let position = segment.position_before_time(timestamp)?;
        Ok(Some(Stretch {
            path: segment.path.clone(),
            file: segment.file()?,
            position,
            end: segment.size,
            from,
            upto: upto.min(end),
        }))
    }

    /// Bytes of all segments.
    #[cfg(test)]
    pub(crate) fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.size).sum()
    }

    /// The disk fails from now on: the file can be neither written nor cut.
    #[cfg(test)]
    pub(crate) fn fail_appends_for_test(&mut self) {
        if let Some(active) = self.segments.last_mut()
            && let Ok(file) = std::fs::File::open(&active.path)
        {
            active.replace_file_for_test(file);
        }
    }

    /// Moves the log start offset forward and drops the closed segments that lie wholly below it.
    pub(crate) fn advance_start(&mut self, offset: i64) -> Result<(), Error> {
        self.start = self.start.max(offset.min(self.end));
        let gone = self.closed().iter().take_while(|s| s.last_offset < self.start).count();
        self.drop_first(gone)
    }

    /// Deletes the first `count` closed segments; the log start offset moves behind them.
    pub(crate) fn drop_first(&mut self, count: usize) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        for segment in self.segments.drain(..count.min(self.segments.len() - 1)) {
            std::fs::remove_file(&segment.path).map_err(Error::io("delete", &segment.path))?;
        }
        self.start = self.start.max(self.segments.first().map_or(0, |s| s.base_offset));
        self.producers.forget_aborted_below(self.start);
        self.amend_checkpoint(self.start)
    }

    /// Puts the compacted file `scratch` in the place of the closed segments that begin at `replaced`, and removes
    /// those. Does nothing if they are no longer all there.
    pub(crate) fn replace_closed(&mut self, replaced: &[i64], by: Segment, scratch: &Path) -> Result<(), Error> {
        let at = self.closed().iter().position(|s| Some(&s.base_offset) == replaced.first());
        let Some(at) = at else { return Ok(()) };
        let bases = self.closed().iter().skip(at).take(replaced.len()).map(|s| s.base_offset);
        if !bases.eq(replaced.iter().copied()) {
            return Ok(());
        }
        std::fs::rename(scratch, &by.path).map_err(Error::io("replace", &by.path))?;
        sync_dir(&self.dir)?;
        let old: Vec<Segment> = self.segments.splice(at..at + replaced.len(), [by]).collect();
        // In ascending order: were the broker to stop here, what is left is the end of the old log, never a record
        // without the one that superseded it.
        for segment in old.iter().skip(1) {
            std::fs::remove_file(&segment.path).map_err(Error::io("delete", &segment.path))?;
        }
        Ok(())
    }

    /// Takes note that everything below `offset` has been compacted.
    pub(crate) fn note_compacted(&mut self, offset: i64) -> Result<(), Error> {
        self.compacted_to = offset;
        self.producers.forget_aborted_below(offset);
        self.amend_checkpoint(offset)
    }

    /// Brings the checkpoint in line with closed segments that were replaced or deleted.
    fn amend_checkpoint(&self, forget_aborted_below: i64) -> Result<(), Error> {
        if let Some(mut checkpoint) = Checkpoint::read(&self.dir) {
            checkpoint.closed = self.closed_summaries();
            checkpoint.producers.forget_aborted_below(forget_aborted_below);
            checkpoint.write(&self.dir)?;
        }
        sync_dir(&self.dir)
    }

    fn closed_summaries(&self) -> Vec<ClosedSegment> {
        let summary = |s: &Segment| ClosedSegment {
            base_offset: s.base_offset,
            size: s.size,
            last_offset: s.last_offset,
            max_timestamp: s.max_timestamp,
            first_timestamp: s.first_timestamp,
            delete_horizon: s.delete_horizon,
        };
        self.closed().iter().map(summary).collect()
    }

    /// Flushes the log to the disk and writes the checkpoint; the broker is about to stop.
    pub(crate) fn finish(&mut self, now: i64) -> Result<(), Error> {
        if self.segments.last().is_some_and(|s| s.size >= ROLL_AT_STOP) {
            return self.roll(now);
        }
        self.segments.last().map_or(Ok(()), Segment::flush)
    }
}

/// A stopping broker closes active segments of at least this many bytes, so that the next start need not read them.
const ROLL_AT_STOP: u64 = 4 * 1024 * 1024;
