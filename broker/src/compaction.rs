//! Compaction: of the records with one key, only the last committed one is kept.
//!
//! Works on closed segments below the last stable offset only, so every transaction in them has been decided: aborted
//! records and markers go, committed records become plain ones. Offsets stay.
//!
//! As in Apache Kafka (KIP-534) a tombstone outlives the first compaction that meets it by `delete.retention.ms`,
//! however old it is: a reader may have got the value before that compaction and must still find the deletion. When
//! it may go is written into the header of its batch (the delete horizon), so a restart does not forget it.
//!
//! A partition gets a pass when enough of it is uncompacted, and, as in Kafka, when something uncompacted is older than
//! `max.compaction.lag.ms`; beyond Kafka, when a delete horizon is over, so a partition that nobody writes to any more
//! loses its tombstones as well.

use crate::Error;
use crate::log::Log;
use crate::log::batch::Header;
use crate::log::producers::Aborted;
use crate::log::reader::BatchReader;
use crate::log::segment::Segment;
use crate::records;
use bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Keys remembered in one pass (about 32 bytes each). A pass ends at the batch at which there are as many; what stands
/// behind it is left to a later pass.
const MAX_KEYS: usize = 1_000_000;

/// The last committed offset of each key.
#[derive(Debug)]
pub(crate) struct Latest {
    keys: HashMap<u128, i64>,
    upto: i64,
}

/// A key's 128-bit hash: a collision would lose a record, so 64 bits are too few.
fn fingerprint(key: &[u8]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, key).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

impl Latest {
    /// The offset up to which every key is known: the partition is compacted below it after this pass, and not touched
    /// from it on.
    pub(crate) fn upto(&self) -> i64 {
        self.upto
    }

    fn supersedes(&self, key: &[u8], offset: i64) -> bool {
        self.keys.get(&fingerprint(key)).is_some_and(|latest| *latest > offset)
    }
}

fn is_aborted(header: &Header, aborted: &[Aborted]) -> bool {
    header.is_transactional()
        && aborted.iter().any(|a| {
            a.producer_id == header.producer_id && (a.first_offset..=a.last_offset).contains(&header.base_offset)
        })
}

/// A closed segment as it was when the pass began.
#[derive(Debug, Clone)]
struct Source {
    base_offset: i64,
    path: PathBuf,
    size: u64,
    dirty: bool,
}

impl Source {
    fn new(segment: &Segment, compacted_to: i64) -> Self {
        Self {
            base_offset: segment.base_offset,
            path: segment.path.clone(),
            size: segment.size,
            dirty: segment.last_offset >= compacted_to,
        }
    }
}

/// One pass over one partition.
#[derive(Debug)]
pub(crate) struct Pass {
    sources: Vec<Source>,
    aborted: Vec<Aborted>,
    /// The first offset that no pass has been over.
    from: i64,
    /// The offset behind the last source.
    upto: i64,
    /// Keys remembered.
    max_keys: usize,
    segment_bytes: u64,
    delete_retention_ms: i64,
}

/// A compacted file and the segments that it is to replace.
pub(crate) struct Compacted {
    pub(crate) replaced: Vec<i64>,
    pub(crate) by: Segment,
    pub(crate) scratch: PathBuf,
}

impl Pass {
    /// Decides whether the partition is worth a pass, and over what.
    pub(crate) fn plan(log: &Log, now: i64) -> Option<Self> {
        let config = &log.config;
        let ripe = |s: &&Segment| {
            s.last_offset < log.stable_end()
                && (config.min_compaction_lag_ms == 0
                    || now.saturating_sub(s.max_timestamp) >= config.min_compaction_lag_ms)
        };
        let closed: Vec<&Segment> = log.closed().iter().take_while(ripe).collect();
        let sources: Vec<Source> = closed.iter().map(|s| Source::new(s, log.compacted_to)).collect();
        let total: u64 = sources.iter().map(|s| s.size).sum();
        let dirty: u64 = sources.iter().filter(|s| s.dirty).map(|s| s.size).sum();
        let is_dirty = dirty > 0 && (dirty as f64) >= total as f64 * config.min_dirty_ratio;
        let lags = closed.iter().zip(&sources).any(|(segment, source)| {
            let age = now.saturating_sub(segment.first_timestamp);
            source.dirty && segment.first_timestamp > 0 && age > config.max_compaction_lag_ms
        });
        let is_over = closed.iter().any(|s| s.delete_horizon.is_some_and(|horizon| now >= horizon));
        if !(is_dirty || lags || is_over) {
            return None;
        }
        let upto = closed.last()?.last_offset + 1;
        Some(Self {
            aborted: log.producers.aborted_between(0, upto).copied().collect(),
            sources,
            from: log.compacted_to,
            upto,
            max_keys: MAX_KEYS,
            segment_bytes: config.segment_bytes,
            delete_retention_ms: config.delete_retention_ms,
        })
    }

    /// Reads what is uncompacted and remembers the last offset of each key, as far as the keys have room.
    pub(crate) fn latest(&self) -> Result<Latest, Error> {
        let mut latest = Latest { keys: HashMap::new(), upto: self.upto };
        for source in self.sources.iter().filter(|s| s.dirty) {
            each_batch(source, |header, batch| {
                if header.last_offset() < self.from || header.base_offset >= latest.upto {
                    return Ok(());
                }
                if latest.keys.len() >= self.max_keys {
                    latest.upto = header.base_offset;
                    tracing::info!(limit = self.max_keys, upto = latest.upto, "compaction goes on in a later pass");
                    return Ok(());
                }
                self.note_keys(&mut latest, header, batch)
            })?;
            if latest.upto < self.upto {
                break;
            }
        }
        Ok(latest)
    }

    fn note_keys(&self, latest: &mut Latest, header: &Header, batch: &[u8]) -> Result<(), Error> {
        if header.is_control() || is_aborted(header, &self.aborted) {
            return Ok(());
        }
        let section = records::section(header, batch)?;
        for record in records::records(header, &section)? {
            if let Some(key) = record.key {
                latest.keys.insert(fingerprint(key), record.offset);
            }
        }
        Ok(())
    }

    /// What compaction at `now` leaves of a batch.
    fn compact(&self, latest: &Latest, header: &Header, batch: &[u8], now: i64) -> Result<Option<Bytes>, Error> {
        if header.base_offset >= latest.upto {
            return Ok(Some(Bytes::copy_from_slice(batch)));
        }
        if header.is_control() || is_aborted(header, &self.aborted) {
            return Ok(None);
        }
        let drop_tombstones = header.delete_horizon().is_some_and(|horizon| now >= horizon);
        records::filter(header, batch, now.saturating_add(self.delete_retention_ms), |record| {
            let current = record.key.is_some_and(|key| !latest.supersedes(key, record.offset));
            current && !(record.is_tombstone && drop_tombstones)
        })
    }

    /// The segments below `upto` that become one file each: neighbours, as long as they fit into `segment.bytes`
    /// together.
    fn groups(&self, upto: i64) -> Vec<&[Source]> {
        let mut groups = Vec::new();
        let (mut from, mut size) = (0, 0);
        let sources = &self.sources[..self.sources.partition_point(|s| s.base_offset < upto)];
        for (at, source) in sources.iter().enumerate() {
            if at > from && size + source.size > self.segment_bytes {
                groups.push(&sources[from..at]);
                (from, size) = (at, 0);
            }
            size += source.size;
        }
        groups.push(&sources[from..]);
        groups
    }

    /// Writes the compacted files at `now` (wall clock, ms), each flushed to the disk, and hands them to `install` one by one.
    pub(crate) fn run(
        &self,
        latest: &Latest,
        now: i64,
        mut install: impl FnMut(Compacted) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let groups = self.groups(latest.upto).into_iter().filter(|group| !group.is_empty());
        groups.into_iter().try_for_each(|group| install(self.write_group(group, latest, now)?))
    }

    fn write_group(&self, group: &[Source], latest: &Latest, now: i64) -> Result<Compacted, Error> {
        let first = &group[0];
        let dir = first.path.parent().unwrap_or_else(|| Path::new("."));
        let scratch = first.path.with_extension("log.cleaned");
        let write_error = || Error::io("write", &scratch);
        let mut file = BufWriter::new(File::create(&scratch).map_err(write_error())?);
        let mut by = Segment::closed(dir, first.base_offset, 0, -1, -1);
        for source in group {
            each_batch(source, |header, batch| {
                let Some(left) = self.compact(latest, header, batch, now)? else { return Ok(()) };
                file.write_all(&left).map_err(write_error())?;
                if let Some(header) = Header::parse(&left) {
                    by.note(&header, by.size);
                }
                Ok(())
            })?;
        }
        let file = file.into_inner().map_err(|e| write_error()(e.into_error()))?;
        file.sync_all().map_err(write_error())?;
        by.close()?;
        Ok(Compacted { replaced: group.iter().map(|s| s.base_offset).collect(), by, scratch })
    }
}

fn each_batch(source: &Source, mut visit: impl FnMut(&Header, &[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let file = File::open(&source.path).map_err(Error::io("open", &source.path))?;
    let mut reader = BatchReader::new(&file, 0, source.size).map_err(Error::io("read", &source.path))?;
    while let Some((header, batch)) = reader.next().map_err(Error::io("read", &source.path))? {
        visit(&header, batch)?;
    }
    if reader.position() < source.size {
        let reason = format!("the batch at byte {} fails its checksum", reader.position());
        return Err(Error::Damaged { path: source.path.clone(), reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
