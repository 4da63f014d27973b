//! Opening a log: believes the checkpoint about closed segments where the files agree with it, streams the rest, and
//! cuts the log at the first batch that is torn or fails its checksum.

use super::batch::marker_commits;
use super::checkpoint::Checkpoint;
use super::producers::Producers;
use super::reader::BatchReader;
use super::segment::Segment;
use crate::Error;
use std::fs::File;
use std::path::Path;

/// What a directory holds.
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Segment>,
    pub(crate) producers: Producers,
    pub(crate) end: i64,
}

/// Reads the segments in `dir`; the last one comes back open for appending.
pub(crate) fn recover(dir: &Path, now: i64) -> Result<Recovered, Error> {
    let bases = segment_bases(dir)?;
    let mut recovered = Recovered { segments: Vec::new(), producers: Producers::default(), end: 0 };
    if let Some(checkpoint) = Checkpoint::read(dir).filter(|c| agrees(dir, c, &bases)) {
        for s in &checkpoint.closed {
            let mut segment = Segment::closed(dir, s.base_offset, s.size, s.last_offset, s.max_timestamp);
            (segment.first_timestamp, segment.delete_horizon) = (s.first_timestamp, s.delete_horizon);
            recovered.segments.push(segment);
        }
        recovered.producers = checkpoint.producers;
        recovered.end = checkpoint.active;
    }
    let known = recovered.segments.len();
    for (at, base) in bases.iter().copied().enumerate().skip(known) {
        if at > known && base < recovered.end {
            // Compaction merged it into the one before and was stopped before it removed this file.
            remove(dir, base)?;
            continue;
        }
        let whole = scan(dir, base, now, &mut recovered)?;
        if !whole {
            for later in bases.iter().skip(at + 1) {
                remove(dir, *later)?;
            }
            break;
        }
    }
    let last = recovered.segments.len().saturating_sub(1);
    for segment in recovered.segments.iter_mut().take(last).skip(known) {
        segment.close()?;
    }
    if let Some(segment) = recovered.segments.last_mut().filter(|_| last < known) {
        // Every segment is closed: the active one was empty and its file is missing.
        recovered.end = recovered.end.max(segment.last_offset + 1);
        let active = Segment::open_active(dir, recovered.end, now)?;
        recovered.segments.push(active);
    }
    Ok(recovered)
}

/// The base offsets of the segment files, in order. Removes what a stopped compaction left.
fn segment_bases(dir: &Path) -> Result<Vec<i64>, Error> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        match path.extension().and_then(|e| e.to_str()) {
            Some("log") => bases.extend(path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<i64>().ok())),
            Some("cleaned" | "tmp") => std::fs::remove_file(&path).map_err(Error::io("delete", &path))?,
            _ => {}
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

fn agrees(dir: &Path, checkpoint: &Checkpoint, bases: &[i64]) -> bool {
    let closed = checkpoint.closed.len();
    let same_files = checkpoint.closed.iter().map(|s| s.base_offset).eq(bases.iter().copied().take(closed));
    let same_sizes = checkpoint.closed.iter().all(|s| {
        let file = dir.join(super::segment::file_name(s.base_offset));
        file.metadata().is_ok_and(|m| m.len() == s.size)
    });
    same_files && same_sizes && bases.get(closed).is_none_or(|base| *base == checkpoint.active)
}

fn remove(dir: &Path, base: i64) -> Result<(), Error> {
    let path = dir.join(super::segment::file_name(base));
    std::fs::remove_file(&path).map_err(Error::io("delete", &path))
}

/// Reads one segment to its end; returns whether all of it was good. What was not is cut off.
fn scan(dir: &Path, base: i64, now: i64, recovered: &mut Recovered) -> Result<bool, Error> {
    let mut segment = Segment::open_active(dir, base, now)?;
    let (path, length) = (segment.path.clone(), segment.size);
    segment.size = 0;
    recovered.end = recovered.end.max(base);
    let file = File::open(&path).map_err(Error::io("open", &path))?;
    let mut reader = BatchReader::new(&file, 0, length).map_err(Error::io("read", &path))?;
    loop {
        let position = reader.position();
        let Some((header, batch)) = reader.next().map_err(Error::io("read", &path))? else { break };
        if header.base_offset < recovered.end {
            break;
        }
        let commits = if header.is_control() { marker_commits(batch) } else { None };
        recovered.producers.note(&header, commits);
        segment.note(&header, position);
        recovered.end = header.last_offset() + 1;
    }
    let whole = segment.size == length;
    if !whole {
        tracing::warn!(file = %path.display(), kept = segment.size, cut = length - segment.size, "torn log tail cut off");
        let file = std::fs::OpenOptions::new().write(true).open(&path).map_err(Error::io("open", &path))?;
        file.set_len(segment.size).map_err(Error::io("truncate", &path))?;
    }
    recovered.segments.push(segment);
    Ok(whole)
}
