//! The checkpoint of a partition: what recovery would otherwise learn by reading the closed segments.
//!
//! Written when a segment is closed, after compaction and when the broker stops. It is believed only as far as the
//! files agree with it, so a missing or stale one costs time, never data.

use super::producers::Producers;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;

const FILE: &str = "checkpoint.json";

/// A closed segment, as it was when the checkpoint was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClosedSegment {
    pub(crate) base_offset: i64,
    pub(crate) size: u64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) first_timestamp: i64,
    pub(crate) delete_horizon: Option<i64>,
}

/// The state of a partition's log up to a place in its active segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) closed: Vec<ClosedSegment>,
    /// Base offset of the segment that was active.
    pub(crate) active: i64,
    /// Everything from this offset on is learnt from the segments: the active one and later ones.
    pub(crate) producers: Producers,
}

impl Checkpoint {
    /// Reads the checkpoint of the partition in `dir`; `None` if there is none that can be understood.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
    }

    /// Replaces the checkpoint of the partition in `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::Io {
            action: "encode",
            path: dir.join(FILE),
            source: e.into(),
        })?;
        replace_file(dir, FILE, &bytes)
    }
}

/// Puts `bytes` in the place of `dir/name`, wholly or not at all.
pub(crate) fn replace_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    let scratch = dir.join(format!("{name}.tmp"));
    let write = || {
        let mut file = File::create(&scratch)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&scratch, &path)
    };
    write().map_err(Error::io("replace", &path))?;
    sync_dir(dir)
}

/// Makes renames and removals in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("flush", dir))
}
