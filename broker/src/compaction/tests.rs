#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::log::batch::tests::{TestRecord, batch_of, plain, records_section};
use crate::log::batch::{TRANSACTIONAL, marker, marker_commits};
use crate::topic_config::TopicConfig;
use std::sync::Arc;

/// Each batch gets a segment of its own; merging is off, as no two fit into one.
fn log(dir: &Path, more: &[(&str, &str)]) -> Log {
    let base = [("cleanup.policy", "compact"), ("segment.bytes", "14"), ("min.cleanable.dirty.ratio", "0")];
    let settings = base.iter().chain(more).map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Log::open(dir, 0, Arc::new(TopicConfig::new(settings).unwrap()), 0).unwrap()
}

fn append(log: &mut Log, batch: &[u8]) {
    let header = Header::parse(batch).unwrap();
    let commits = if header.is_control() { marker_commits(batch) } else { None };
    log.append(&header, batch, commits, 0).unwrap();
}

fn put(log: &mut Log, records: &[TestRecord<'_>]) {
    append(log, &plain(records, 0));
}

fn put_in_transaction(log: &mut Log, producer: i64, key: &str, value: &str) {
    let section = records_section(&[(key, Some(value))]);
    append(log, &batch_of(&section, 1, TRANSACTIONAL, (producer, 0, 0), 0));
}

/// Compacts at `now`.
fn compact(log: &mut Log, now: i64) -> bool {
    compact_remembering(log, now, MAX_KEYS)
}

/// Compacts at `now`, with room for so many keys.
fn compact_remembering(log: &mut Log, now: i64, max_keys: usize) -> bool {
    let Some(pass) = Pass::plan(log, now) else { return false };
    let pass = Pass { max_keys, ..pass };
    let latest = pass.latest().unwrap();
    pass.run(&latest, now, |done| log.replace_closed(&done.replaced, done.by, &done.scratch)).unwrap();
    log.note_compacted(latest.upto()).unwrap();
    true
}

/// Offset, key and whether it is a tombstone, of every record that is left.
fn left(log: &mut Log) -> Vec<(i64, String, bool)> {
    let (mut at, mut left) = (log.start(), Vec::new());
    while let Some(stretch) = log.stretch(at, i64::MAX).unwrap() {
        let mut bytes = stretch.read(1 << 20, true).unwrap();
        while let Some(header) = Header::parse(&bytes) {
            let batch = bytes.split_to(header.length);
            at = header.last_offset() + 1;
            if header.is_control() {
                continue;
            }
            let section = records::section(&header, &batch).unwrap();
            for record in records::records(&header, &section).unwrap() {
                let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                left.push((record.offset, key, record.is_tombstone));
            }
        }
    }
    left
}

fn is(offset: i64, key: &str) -> (i64, String, bool) {
    (offset, key.into(), false)
}

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    put(&mut log, &[("a", Some("1")), ("b", Some("1")), ("a", Some("2"))]);
    put(&mut log, &[("b", Some("2")), ("c", Some("1"))]);
    put(&mut log, &[("a", Some("3"))]); // the active segment: not touched, not looked at
    assert!(compact(&mut log, 0));
    assert_eq!(left(&mut log), [is(2, "a"), is(3, "b"), is(4, "c"), is(5, "a")]);
    assert!(!compact(&mut log, 0), "nothing new");
    put(&mut log, &[("z", Some("1"))]);
    assert!(compact(&mut log, 0));
    assert_eq!(left(&mut log), [is(3, "b"), is(4, "c"), is(5, "a"), is(6, "z")]);
    assert_eq!((log.start(), log.end()), (0, 7));
}

/// Long after the records of the tests were written (wall clock, ms).
const LATE: i64 = 10_000_000_000_000;

#[test]
fn a_tombstone_however_old_outlives_its_first_compaction_by_the_retention() {
    for restart in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let retention = [("delete.retention.ms", "5000")];
        let mut log = log(dir.path(), &retention);
        let reopened = |log: Log| {
            if !restart {
                return log;
            }
            drop(log);
            // Without the checkpoint the segments alone must tell.
            std::fs::remove_file(dir.path().join("checkpoint.json")).unwrap();
            self::log(dir.path(), &retention)
        };
        put(&mut log, &[("a", Some("1")), ("b", Some("1")), ("a", None)]);
        put(&mut log, &[("end", Some("1"))]);
        assert!(compact(&mut log, LATE));
        let kept = [is(1, "b"), (2, "a".into(), true), is(3, "end")];
        assert_eq!(left(&mut log), kept, "restart: {restart}");
        log = reopened(log);
        put(&mut log, &[("x", Some("1"))]);
        assert!(compact(&mut log, LATE + 4_999));
        assert_eq!(left(&mut log)[..3], kept, "restart: {restart}; the retention is not over");
        log = reopened(log);
        put(&mut log, &[("x", Some("2"))]);
        assert!(compact(&mut log, LATE + 5_000), "a second pass does not put the horizon off");
        assert_eq!(left(&mut log), [is(1, "b"), is(3, "end"), is(4, "x"), is(5, "x")], "restart: {restart}");
    }
}

#[test]
fn a_tombstone_of_a_transaction_or_a_merged_segment_has_its_own_horizon() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[("delete.retention.ms", "5000")]);
    let section = records_section(&[("a", None)]);
    append(&mut log, &batch_of(&section, 1, TRANSACTIONAL, (1, 0, 0), 0));
    append(&mut log, &marker(1, 0, true, 0));
    put(&mut log, &[("end", Some("1"))]);
    assert!(compact(&mut log, LATE));
    put(&mut log, &[("b", None)]);
    put(&mut log, &[("end", Some("2"))]);
    Arc::make_mut(&mut log.config).segment_bytes = 1 << 20;
    assert!(compact(&mut log, LATE + 3_000));
    assert_eq!(log.closed().len(), 1, "merged");
    let (old, new) = ([(0, "a".into(), true), is(2, "end")], [(3, "b".into(), true), is(4, "end")]);
    assert_eq!(left(&mut log), [old, new.clone()].concat(), "what supersedes the first end is in the active segment");
    log.roll(0).unwrap();
    assert!(compact(&mut log, LATE + 5_000));
    assert_eq!(left(&mut log), new);
    assert!(!compact(&mut log, LATE + 7_999), "nothing new, and no tombstone's time is over");
    assert!(compact(&mut log, LATE + 8_000));
    assert_eq!(left(&mut log), new[1..]);
}

#[test]
fn a_partition_that_nobody_writes_to_loses_its_tombstones() {
    for restart in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path(), &[("delete.retention.ms", "5000"), ("segment.bytes", "1000000")]);
        put(&mut log, &[("a", Some("1")), ("b", Some("1")), ("a", None)]);
        log.roll(0).unwrap();
        assert!(compact(&mut log, LATE));
        if restart {
            drop(log);
            log = self::log(dir.path(), &[("delete.retention.ms", "5000")]);
            log.compacted_to = 3; // the horizon is to bring about the pass, not the restart
        }
        assert!(!compact(&mut log, LATE + 4_999), "restart: {restart}");
        assert!(compact(&mut log, LATE + 5_000), "restart: {restart}");
        assert_eq!(left(&mut log), [is(1, "b")], "restart: {restart}");
        assert!(!compact(&mut log, LATE + 9_999), "restart: {restart}; the batch without tombstones has no horizon");
    }
}

#[test]
fn what_lags_too_far_behind_is_compacted_however_little_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let lag = ("max.compaction.lag.ms", "1000");
    let mut log = log(dir.path(), &[lag, ("segment.bytes", "1000000"), ("min.cleanable.dirty.ratio", "0.9")]);
    for timestamp in [10, 500] {
        append(&mut log, &plain(&[("a", Some("1")), ("b", Some("1"))], timestamp));
    }
    log.roll(0).unwrap();
    assert!(compact(&mut log, 600));
    append(&mut log, &plain(&[("a", None)], 700));
    log.roll_if_old(999).unwrap();
    assert!(!compact(&mut log, 1_701), "the record is in the active segment");
    log.roll_if_old(1_000).unwrap();
    assert!(!compact(&mut log, 1_700), "a second after it was written");
    assert!(compact(&mut log, 1_701));
    assert_eq!(left(&mut log), [is(3, "b"), (4, "a".into(), true)]);
    assert!(!compact(&mut log, 9_999), "it lags no more");
}

#[test]
fn a_key_beyond_those_that_a_pass_remembers_does_not_come_back() {
    for (segment_bytes, restart) in [("14", false), ("14", true), ("1000000", false), ("1000000", true)] {
        let dir = tempfile::tempdir().unwrap();
        let settings = [("segment.bytes", segment_bytes), ("delete.retention.ms", "5000")];
        let mut log = log(dir.path(), &settings);
        for (key, value) in [("a", Some("1")), ("b", Some("1")), ("c", Some("1")), ("d", Some("1")), ("c", None)] {
            put(&mut log, &[(key, value)]);
        }
        put(&mut log, &[("a", None), ("e", Some("1")), ("f", Some("1"))]);
        log.roll(0).unwrap();
        for now in [LATE, LATE + 5_000] {
            let mut passes = 0;
            while compact_remembering(&mut log, now, 2) {
                passes += 1;
                assert!(passes < 9, "each pass comes farther");
                let left = left(&mut log);
                let is_there = |key: &str, tombstone| left.iter().any(|(_, k, t)| k == key && *t == tombstone);
                for key in ["a", "c"] {
                    assert!(is_there(key, true) || !is_there(key, false), "{key} came back: {left:?}");
                }
            }
            assert!(passes > 0, "{now}");
            if restart && now == LATE {
                drop(log);
                log = self::log(dir.path(), &settings);
            }
        }
        assert_eq!(left(&mut log), [is(1, "b"), is(3, "d"), is(6, "e"), is(7, "f")], "{segment_bytes} {restart}");
    }
}

#[test]
fn aborted_records_and_markers_go_and_committed_ones_become_plain() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    put(&mut log, &[("a", Some("old"))]);
    put_in_transaction(&mut log, 1, "a", "aborted");
    append(&mut log, &marker(1, 0, false, 0));
    put_in_transaction(&mut log, 2, "b", "committed");
    append(&mut log, &marker(2, 0, true, 0));
    put(&mut log, &[("end", Some("1"))]);
    assert!(compact(&mut log, 0));
    assert_eq!(left(&mut log), [is(0, "a"), is(3, "b"), is(5, "end")], "an aborted record supersedes nothing");
    assert_eq!(log.producers.aborted_between(0, 9).count(), 0);
    drop(log);
    std::fs::remove_file(dir.path().join("checkpoint.json")).unwrap();
    let log = self::log(dir.path(), &[]);
    assert_eq!((log.stable_end(), log.end()), (6, 6), "no transaction is taken for open without its marker");
}

#[test]
fn nothing_from_the_stable_offset_on_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    put(&mut log, &[("a", Some("1"))]);
    put_in_transaction(&mut log, 1, "x", "open");
    put(&mut log, &[("a", Some("2"))]);
    put(&mut log, &[("end", Some("1"))]);
    compact(&mut log, 0);
    assert_eq!(left(&mut log), [is(0, "a"), is(1, "x"), is(2, "a"), is(3, "end")]);
    append(&mut log, &marker(1, 0, true, 0));
    put(&mut log, &[("end", Some("2"))]);
    assert!(compact(&mut log, 0));
    assert_eq!(left(&mut log), [is(1, "x"), is(2, "a"), is(3, "end"), is(5, "end")]);
}

#[test]
fn an_abort_whose_marker_is_not_compacted_yet_still_hides_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    put_in_transaction(&mut log, 1, "a", "aborted");
    put_in_transaction(&mut log, 2, "x", "open"); // the stable offset stays here: 1
    put_in_transaction(&mut log, 3, "y", "open");
    append(&mut log, &marker(1, 0, false, 0));
    put(&mut log, &[("end", Some("1"))]);
    compact(&mut log, 0);
    assert_eq!(log.producers.aborted_between(0, 9).count(), 1, "its marker stands at 3");
    assert_eq!(left(&mut log), [is(1, "x"), is(2, "y"), is(4, "end")]);
}

#[test]
fn small_segments_are_merged_and_the_log_reopens_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    for n in 0..20 {
        put(&mut log, &[(&format!("k{}", n % 3), Some("v"))]);
    }
    Arc::make_mut(&mut log.config).segment_bytes = 1 << 20;
    assert_eq!(log.closed().len(), 19);
    assert!(compact(&mut log, 0));
    assert_eq!(log.closed().len(), 1);
    let expected = [is(16, "k1"), is(17, "k2"), is(18, "k0"), is(19, "k1")];
    assert_eq!(left(&mut log), expected);
    drop(log);
    let mut log = self::log(dir.path(), &[]);
    assert_eq!(left(&mut log), expected);
    assert_eq!((log.start(), log.end()), (0, 20));
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 3, "two segments and the checkpoint");
}

#[test]
fn a_pass_that_stops_anywhere_loses_nothing() {
    // The merged file stands in place, and the first `removed` of the segments that it replaces are gone.
    for removed in 0..=2 {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path(), &[("delete.retention.ms", "0")]);
        put(&mut log, &[("a", Some("1"))]);
        put(&mut log, &[("a", Some("2")), ("b", Some("1"))]);
        put(&mut log, &[("a", None)]);
        put(&mut log, &[("end", Some("1"))]);
        Arc::make_mut(&mut log.config).segment_bytes = 1 << 20;
        let paths: Vec<PathBuf> = log.closed().iter().map(|s| s.path.clone()).collect();
        let now = i64::MAX / 2;
        let pass = Pass::plan(&log, now).unwrap();
        let latest = pass.latest().unwrap();
        pass.run(&latest, now, |done| {
            std::fs::rename(&done.scratch, &paths[0]).unwrap();
            Ok(())
        })
        .unwrap();
        drop(log);
        paths[1..=removed].iter().for_each(|p| std::fs::remove_file(p).unwrap());
        let mut log = self::log(dir.path(), &[]);
        let left = left(&mut log);
        let last = |key: &str| left.iter().rfind(|(_, k, _)| k == key).map(|(_, _, tombstone)| *tombstone);
        assert_eq!((last("b"), last("end")), (Some(false), Some(false)), "{removed} removed: {left:?}");
        assert_ne!(last("a"), Some(false), "{removed} removed: a deleted key came back: {left:?}");
    }
}

#[test]
fn the_dirty_ratio_and_the_lag_are_honoured() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[]);
    (0..4).for_each(|_| put(&mut log, &[("a", Some("1"))]));
    Arc::make_mut(&mut log.config).min_compaction_lag_ms = 1_000;
    assert!(Pass::plan(&log, 999).is_none(), "too young");
    assert!(Pass::plan(&log, 1_000).is_some());
    log.compacted_to = 2;
    Arc::make_mut(&mut log.config).min_dirty_ratio = 0.5;
    assert!(Pass::plan(&log, 1_000).is_none(), "one of three is dirty");
    log.compacted_to = 1;
    assert!(Pass::plan(&log, 1_000).is_some());
}
