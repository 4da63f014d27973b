//! Compaction: of the records with one key, only the last committed one is kept.
//!
//! Works on closed segments below the last stable offset only, so every transaction in them has been decided: aborted
//! records and markers go, committed records become plain ones. Offsets stay. A tombstone goes when its segment has
//! not been written for `delete.retention.ms`.

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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Keys remembered in one pass (about 32 bytes each). Further keys keep all their records until a later pass.
const MAX_KEYS: usize = 1_000_000;

/// The last committed offset of each key.
#[derive(Debug, Default)]
pub(crate) struct Latest(HashMap<u128, i64>);

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
    fn note(&mut self, key: &[u8], offset: i64) {
        let full = self.0.len() >= MAX_KEYS;
        let key = fingerprint(key);
        match self.0.get_mut(&key) {
            Some(latest) => *latest = offset,
            None if full => {}
            None => drop(self.0.insert(key, offset)),
        }
    }

    fn supersedes(&self, key: &[u8], offset: i64) -> bool {
        self.0.get(&fingerprint(key)).is_some_and(|latest| *latest > offset)
    }
}

fn is_aborted(header: &Header, aborted: &[Aborted]) -> bool {
    header.is_transactional()
        && aborted.iter().any(|a| {
            a.producer_id == header.producer_id && (a.first_offset..=a.last_offset).contains(&header.base_offset)
        })
}

/// Takes note of the keys of a batch.
pub(crate) fn note_keys(latest: &mut Latest, header: &Header, batch: &[u8], aborted: &[Aborted]) -> Result<(), Error> {
    if header.is_control() || is_aborted(header, aborted) {
        return Ok(());
    }
    let section = records::section(header, batch)?;
    for record in records::records(header, &section)? {
        if let Some(key) = record.key {
            latest.note(key, record.offset);
        }
    }
    Ok(())
}

/// What compaction leaves of a batch.
pub(crate) fn compact_batch(
    latest: &Latest,
    header: &Header,
    batch: &[u8],
    aborted: &[Aborted],
    drop_tombstones: bool,
) -> Result<Option<Bytes>, Error> {
    if header.is_control() || is_aborted(header, aborted) {
        return Ok(None);
    }
    records::filter(header, batch, |record| {
        let current = record.key.is_some_and(|key| !latest.supersedes(key, record.offset));
        current && !(record.is_tombstone && drop_tombstones)
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

/// One pass over one partition.
#[derive(Debug)]
pub(crate) struct Pass {
    sources: Vec<Source>,
    aborted: Vec<Aborted>,
    /// The offset behind the last source.
    upto: i64,
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
        let source = |s: &Segment| Source {
            base_offset: s.base_offset,
            path: s.path.clone(),
            size: s.size,
            dirty: s.last_offset >= log.compacted_to,
        };
        let sources: Vec<Source> = closed.iter().map(|s| source(s)).collect();
        let total: u64 = sources.iter().map(|s| s.size).sum();
        let dirty: u64 = sources.iter().filter(|s| s.dirty).map(|s| s.size).sum();
        if dirty == 0 || (dirty as f64) < total as f64 * config.min_dirty_ratio {
            return None;
        }
        let upto = closed.last()?.last_offset + 1;
        Some(Self {
            aborted: log.producers.aborted_between(0, upto).copied().collect(),
            sources,
            upto,
            segment_bytes: config.segment_bytes,
            delete_retention_ms: config.delete_retention_ms,
        })
    }

    /// The offset below which the partition is compacted after this pass.
    pub(crate) fn upto(&self) -> i64 {
        self.upto
    }

    /// Reads the uncompacted segments and remembers the last offset of each key.
    pub(crate) fn latest(&self) -> Result<Latest, Error> {
        let mut latest = Latest::default();
        for source in self.sources.iter().filter(|s| s.dirty) {
            each_batch(source, |header, batch| note_keys(&mut latest, header, batch, &self.aborted))?;
        }
        if latest.0.len() >= MAX_KEYS {
            tracing::warn!(limit = MAX_KEYS, "more keys than one compaction pass remembers");
        }
        Ok(latest)
    }

    /// The segments that become one file each: neighbours, as long as they fit into `segment.bytes` together.
    fn groups(&self) -> Vec<&[Source]> {
        let mut groups = Vec::new();
        let (mut from, mut size) = (0, 0);
        for (at, source) in self.sources.iter().enumerate() {
            if at > from && size + source.size > self.segment_bytes {
                groups.push(&self.sources[from..at]);
                (from, size) = (at, 0);
            }
            size += source.size;
        }
        groups.push(&self.sources[from..]);
        groups
    }

    /// Writes the compacted files, each flushed to the disk, and hands them to `install` one by one.
    pub(crate) fn run(
        &self,
        latest: &Latest,
        now: i64,
        mut install: impl FnMut(Compacted) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.groups().into_iter().try_for_each(|group| install(self.write_group(group, latest, now)?))
    }

    fn write_group(&self, group: &[Source], latest: &Latest, now: i64) -> Result<Compacted, Error> {
        let first = &group[0];
        let dir = first.path.parent().unwrap_or_else(|| Path::new("."));
        let scratch = first.path.with_extension("log.cleaned");
        let write_error = || Error::io("write", &scratch);
        let mut file = BufWriter::new(File::create(&scratch).map_err(write_error())?);
        let mut by = Segment::closed(dir, first.base_offset, 0, -1, -1);
        let mut youngest = 0;
        for source in group {
            let written_at = modified_ms(&source.path)?;
            youngest = youngest.max(written_at);
            let drop_tombstones = now.saturating_sub(written_at) > self.delete_retention_ms;
            each_batch(source, |header, batch| {
                let Some(left) = compact_batch(latest, header, batch, &self.aborted, drop_tombstones)? else {
                    return Ok(());
                };
                file.write_all(&left).map_err(write_error())?;
                if let Some(header) = Header::parse(&left) {
                    by.note(&header, by.size);
                }
                Ok(())
            })?;
        }
        let file = file.into_inner().map_err(|e| write_error()(e.into_error()))?;
        // The age of a segment is the age of its last append, not of its compaction.
        let written_at = UNIX_EPOCH + Duration::from_millis(u64::try_from(youngest).unwrap_or(0));
        file.set_modified(written_at).and_then(|()| file.sync_all()).map_err(write_error())?;
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

fn modified_ms(path: &Path) -> Result<i64, Error> {
    let modified = path.metadata().and_then(|m| m.modified()).map_err(Error::io("read the age of", path))?;
    Ok(since_epoch_ms(modified))
}

fn since_epoch_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
