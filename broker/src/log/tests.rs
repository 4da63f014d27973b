#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::batch::tests::{batch_of, plain, records_section};
use super::batch::{TRANSACTIONAL, marker};
use super::*;

fn config(pairs: &[(&str, &str)]) -> Arc<TopicConfig> {
    Arc::new(TopicConfig::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()).unwrap())
}

/// Segments hold one test batch of a hundred bytes or so each.
fn tiny() -> Arc<TopicConfig> {
    config(&[("segment.bytes", "100")])
}

fn open(dir: &Path, config: &Arc<TopicConfig>) -> Log {
    Log::open(dir, 0, config.clone(), 0).unwrap()
}

fn append(log: &mut Log, batch: &[u8]) -> i64 {
    let header = Header::parse(batch).unwrap();
    let commits = if header.is_control() { batch::marker_commits(batch) } else { None };
    log.append(&header, batch, commits, 0).unwrap()
}

fn transactional(producer: i64, sequence: i32) -> bytes::Bytes {
    batch_of(&records_section(&[("k", Some("v"))]), 1, TRANSACTIONAL, (producer, 0, sequence), 0)
}

/// Base offsets of the batches from `from` on, all that are to be had with reads of `max` bytes.
fn offsets(log: &mut Log, from: i64, upto: i64, max: usize) -> Vec<i64> {
    let (mut at, mut seen) = (from, Vec::new());
    while let Some(stretch) = log.stretch(at, upto).unwrap() {
        let mut bytes = stretch.read(max, true).unwrap();
        if bytes.is_empty() {
            break;
        }
        while let Some(header) = Header::parse(&bytes) {
            assert!(batch::checksum_holds(&header, &bytes));
            seen.push(header.base_offset);
            at = header.last_offset() + 1;
            bytes = bytes.split_off(header.length);
        }
    }
    seen
}

#[test]
fn batches_get_offsets_and_are_read_from_any_place_in_any_portion() {
    for config in [tiny(), config(&[])] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), &config);
        let batch = plain(&[("a", Some("1")), ("b", Some("2"))], 5);
        let bases: Vec<i64> = (0..50).map(|_| append(&mut log, &batch)).collect();
        assert_eq!(bases, (0..50).map(|n| n * 2).collect::<Vec<_>>());
        for max in [1, 150, 1_000, 1 << 20] {
            assert_eq!(offsets(&mut log, 0, i64::MAX, max), bases, "max {max}");
            assert_eq!(offsets(&mut log, 31, i64::MAX, max), bases[15..], "the batch that holds 31, max {max}");
            assert_eq!(offsets(&mut log, 0, 40, max), bases[..20], "up to 40, max {max}");
        }
        assert!(log.stretch(100, i64::MAX).unwrap().is_none(), "nothing at the end");
    }
}

#[test]
fn a_batch_larger_than_the_index_interval_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &config(&[]));
    let large = "x".repeat(200_000);
    append(&mut log, &plain(&[("a", Some("1"))], 0));
    append(&mut log, &plain(&[("b", Some(&large))], 0));
    append(&mut log, &plain(&[("c", Some("1"))], 0));
    assert_eq!(offsets(&mut log, 0, i64::MAX, 100), [0, 1, 2]);
    let stretch = log.stretch(1, i64::MAX).unwrap().unwrap();
    assert_eq!(stretch.read(100, false).unwrap().len(), 0, "too large and not to be forced");
}

#[test]
fn everything_is_back_after_reopening_with_and_without_checkpoint() {
    for keep_checkpoint in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), &tiny());
        append(&mut log, &transactional(7, 0));
        append(&mut log, &marker(7, 0, false, 0));
        append(&mut log, &transactional(8, 0));
        append(&mut log, &plain(&[("a", Some("1"))], 9));
        let (producers, size) = (log.producers.clone(), log.size());
        assert_eq!((log.end(), log.stable_end(), log.segments().len()), (4, 2, 4));
        drop(log);
        if !keep_checkpoint {
            std::fs::remove_file(dir.path().join("checkpoint.json")).unwrap();
        }
        let mut log = open(dir.path(), &tiny());
        assert_eq!((log.end(), log.stable_end(), log.size()), (4, 2, size), "checkpoint {keep_checkpoint}");
        assert_eq!(log.producers, producers);
        assert_eq!(offsets(&mut log, 0, i64::MAX, 1 << 20), [0, 1, 2, 3]);
        assert_eq!(append(&mut log, &marker(8, 0, true, 0)), 4);
        assert_eq!(log.stable_end(), 5);
    }
}

#[test]
fn a_torn_tail_is_cut_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &config(&[]));
    let batch = plain(&[("a", Some("1"))], 5);
    append(&mut log, &batch);
    append(&mut log, &batch);
    let path = log.segments()[0].path.clone();
    drop(log);
    let whole = std::fs::read(&path).unwrap();
    for length in batch.len()..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut log = open(dir.path(), &config(&[]));
        assert_eq!((log.end(), log.size()), (1, batch.len() as u64), "cut at {length}");
        assert_eq!(append(&mut log, &batch), 1);
        assert_eq!(offsets(&mut log, 0, i64::MAX, 1 << 20), [0, 1]);
    }
    let mut flipped = whole;
    flipped[batch.len() + 65] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert_eq!(open(dir.path(), &config(&[])).end(), 1, "a damaged batch");
}

#[test]
fn a_failed_append_is_an_error_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &config(&[]));
    let batch = plain(&[("a", Some("1"))], 5);
    append(&mut log, &batch);
    // Where the file can be neither written nor cut, as on a failing disk, nothing more is taken.
    log.fail_appends_for_test();
    let header = Header::parse(&batch).unwrap();
    for _ in 0..2 {
        assert!(log.append(&header, &batch, None, 0).is_err());
        assert_eq!((log.end(), log.size()), (1, batch.len() as u64));
    }
    assert_eq!(offsets(&mut log, 0, i64::MAX, 1 << 20), [0], "what is there can still be read");
    drop(log);
    assert_eq!(open(dir.path(), &config(&[])).end(), 1);
}

#[test]
fn the_start_moves_and_whole_segments_below_it_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &tiny());
    let batch = plain(&[("a", Some("1")), ("b", Some("2"))], 5);
    for _ in 0..5 {
        append(&mut log, &batch);
    }
    log.advance_start(5).unwrap();
    assert_eq!((log.start(), log.segments().len()), (5, 3), "the batch 4..=5 is still needed");
    drop(log);
    let log = Log::open(dir.path(), 5, tiny(), 0).unwrap();
    assert_eq!((log.start(), log.end()), (5, 10));
}

#[test]
fn segments_roll_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &config(&[("segment.ms", "1000")]));
    append(&mut log, &plain(&[("a", Some("1"))], 5));
    log.roll_if_old(999).unwrap();
    assert_eq!(log.segments().len(), 1);
    log.roll_if_old(1_000).unwrap();
    assert_eq!(log.segments().len(), 2);
    log.roll_if_old(9_000).unwrap();
    assert_eq!(log.segments().len(), 2, "an empty segment does not roll");
}

#[test]
fn a_segment_left_by_a_stopped_merge_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &tiny());
    let batch = plain(&[("a", Some("1"))], 5);
    for _ in 0..4 {
        append(&mut log, &batch);
    }
    let paths: Vec<PathBuf> = log.segments().iter().map(|s| s.path.clone()).collect();
    drop(log);
    // As if segments 0 and 1 had been merged into the first, and the second had not been removed yet.
    let merged = [std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap()].concat();
    std::fs::write(&paths[0], merged).unwrap();
    let mut log = open(dir.path(), &tiny());
    assert!(!paths[1].exists());
    assert_eq!(offsets(&mut log, 0, i64::MAX, 1 << 20), [0, 1, 2, 3]);
}
