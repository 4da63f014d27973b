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

/// Compacts now; a file written `age_ms` ago.
fn compact(log: &mut Log, age_ms: i64) -> bool {
    let now = since_epoch_ms(log.segments()[0].path.metadata().unwrap().modified().unwrap()) + age_ms;
    let Some(pass) = Pass::plan(log, now) else { return false };
    let latest = pass.latest().unwrap();
    pass.run(&latest, now, |done| log.replace_closed(&done.replaced, done.by, &done.scratch)).unwrap();
    log.note_compacted(pass.upto()).unwrap();
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

#[test]
fn tombstones_outlive_their_values_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[("delete.retention.ms", "5000")]);
    put(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    put(&mut log, &[("a", None)]);
    put(&mut log, &[("end", Some("1"))]);
    assert!(compact(&mut log, 5_000));
    assert_eq!(left(&mut log), [is(1, "b"), (2, "a".into(), true), is(3, "end")]);
    put(&mut log, &[("end", Some("2"))]);
    assert!(compact(&mut log, 60_000));
    assert_eq!(left(&mut log), [is(1, "b"), is(3, "end"), is(4, "end")]);
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
