use super::*;
use std::collections::BTreeSet;
use std::ffi::OsString;

fn stores(directory: &Path, cluster: &str) -> RocksStores {
    RocksStores::new(directory, cluster, StoreLimits::default())
}

fn put(store: &mut RocksStore, key: &[u8], value: &[u8], at: i64) {
    let offsets = ChangelogOffsets { compacted: at, expiring: at };
    store.apply(&mut [(key, Some(value))].into_iter(), &[], offsets, at).unwrap();
}

/// What a kill would leave now of a store that is open: its files, all as they are at one moment. RocksDB's own threads
/// make and delete some at any time.
fn killed(directory: &Path, partition: &str) -> tempfile::TempDir {
    let names = || {
        let entries = std::fs::read_dir(directory.join(partition)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    loop {
        let (copy, before) = (tempfile::tempdir().unwrap(), names());
        std::fs::create_dir(copy.path().join(partition)).unwrap();
        let place = |name: &OsString| Path::new(partition).join(name);
        let copied =
            |name: &OsString| std::fs::copy(directory.join(place(name)), copy.path().join(place(name))).is_ok();
        if before.iter().all(copied) && names() == before {
            return copy;
        }
    }
}

#[test]
fn state_and_offsets_survive_a_reopen_together() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(3, 0).unwrap().unwrap();
    put(&mut store, b"\x10k", b"v", 7);
    store.flush().unwrap();
    put(&mut store, b"\x10lost", b"v", 8);
    // Not flushed: in what a kill would leave now, both the write and its offset are missing.
    let killed = killed(directory.path(), "3");
    let store = stores(killed.path(), "c").open(3, 9).unwrap().unwrap();
    let mut out = Vec::new();
    assert!(store.get(b"\x10k", &mut out).unwrap());
    assert_eq!(out, b"v");
    assert_eq!(store.scan(b"\x10", 10).unwrap(), [b"\x10k"]);
    assert_eq!(store.offsets(), ChangelogOffsets { compacted: 7, expiring: 7 });
}

#[test]
fn what_one_transaction_wrote_to_both_families_survives_or_is_lost_together() {
    let directory = tempfile::tempdir().unwrap();
    let limits = StoreLimits { memtable_bytes: 64 * 1024, ..StoreLimits::default() };
    let mut store = RocksStores::new(directory.path(), "c", limits).open(0, 0).unwrap().unwrap();
    // The memtables of one family fill up, and are flushed by themselves; the other family's keys are few and small.
    for at in 0..2_000_i64 {
        let (large, small) = ([&[0x20][..], &at.to_be_bytes()].concat(), [&[0x10][..], &at.to_be_bytes()].concat());
        let offsets = ChangelogOffsets { compacted: at + 1, expiring: at + 1 };
        let writes: [Write<'_>; 2] = [(&large, Some(&[7; 200])), (&small, Some(&[1]))];
        store.apply(&mut writes.into_iter(), &[], offsets, at).unwrap();
    }
    let killed = killed(directory.path(), "0");
    let store = stores(killed.path(), "c").open(0, 9).unwrap().unwrap();
    let reached = usize::try_from(store.offsets().compacted).unwrap();
    assert!(reached > 0 && reached < 2_000, "{reached}");
    assert_eq!(store.scan(&[0x20], 9_999).unwrap().len(), reached);
    assert_eq!(store.scan(&[0x10], 9_999).unwrap().len(), reached);
    assert_eq!(store.scan(&[], 9_999).unwrap().len(), 2 * reached);
    assert!(store.scan(&[], 9_999).unwrap().is_sorted());
}

#[test]
fn state_of_another_cluster_or_from_long_ago_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    for (cluster, now, kept) in
        [("a", 1_000, true), ("b", 1_000, false), ("b", 1_000 + StoreLimits::default().max_idle_ms + 1, false)]
    {
        let mut store = stores(directory.path(), "a").open(0, 1_000).unwrap().unwrap();
        put(&mut store, b"\x10k", b"v", 1_000);
        store.flush().unwrap();
        drop(store);
        let store = stores(directory.path(), cluster).open(0, now).unwrap().unwrap();
        assert_eq!(store.get(b"\x10k", &mut Vec::new()).unwrap(), kept, "{cluster} {now}");
        assert_eq!(store.offsets() == ChangelogOffsets::default(), !kept);
    }
}

#[test]
fn expired_entries_are_compacted_away() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    let value = |expires: i64| [&[1_u8][..], &expires.to_be_bytes()].concat();
    put(&mut store, b"\x10old", &value(500), 100);
    // The wall may be ahead, and put back later: the partition's own time counts.
    put(&mut store, b"\x10new", &value(5_000), 9_000);
    put(&mut store, b"\x01", &1_000_i64.to_be_bytes(), 9_000);
    store.flush().unwrap();
    let families = store.families().unwrap();
    families.db.compact_range_cf(families.expiring, None::<&[u8]>, None::<&[u8]>);
    assert_eq!(store.scan(b"\x10", 10).unwrap(), [b"\x10new".to_vec()]);
}

#[test]
fn a_corrupt_store_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    put(&mut store, b"\x10k", b"v", 5);
    store.flush().unwrap();
    drop(store);
    std::fs::write(directory.path().join("0/CURRENT"), b"MANIFEST-999999\n").unwrap();
    let store = stores(directory.path(), "c").open(0, 6).unwrap().unwrap();
    assert_eq!(store.offsets(), ChangelogOffsets::default());
}

#[test]
fn a_store_that_a_sibling_holds_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut held = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    put(&mut held, b"\x10k", b"v", 7);
    held.flush().unwrap();
    assert!(stores(directory.path(), "c").open(0, 0).unwrap().is_none());
    drop(held);
    let store = stores(directory.path(), "c").open(0, 8).unwrap().unwrap();
    assert_eq!(store.offsets(), ChangelogOffsets { compacted: 7, expiring: 7 });
}

#[test]
fn an_unwritable_directory_is_named() {
    let error = stores(Path::new("/proc/nothing"), "c").open(0, 0).err().unwrap();
    assert!(error.to_string().contains("/proc/nothing/0"), "{error}");
}

/// The least timer there can be.
const FIRST: Timer = Timer { due: i64::MIN, key: Vec::new() };

fn timer(due: i64, key: &[u8]) -> Timer {
    Timer { due, key: key.to_vec() }
}

/// A value of a store whose entries have timers.
fn timed(due: i64) -> Vec<u8> {
    [&[1_u8][..], &due.to_be_bytes(), b"body"].concat()
}

fn apply(store: &mut RocksStore, writes: &[Write<'_>], spent: &[Timer]) {
    store.apply(&mut writes.iter().copied(), spent, ChangelogOffsets::default(), 0).unwrap();
}

#[test]
fn timers_come_in_order_of_time_and_are_no_state() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    assert_eq!(store.due(&FIRST, i64::MAX, 9).unwrap(), DueTimers::default());
    let values: Vec<Vec<u8>> = [300, 100, 200, 100, -5, i64::MAX].map(timed).into();
    let keys: [&[u8]; 6] = [b"\x20c", b"\x30b", b"\x20b", b"\x20a", b"\x20z", b"\x20never"];
    let writes: Vec<Write<'_>> = keys.into_iter().zip(values.iter().map(|value| Some(value.as_slice()))).collect();
    apply(&mut store, &writes, &[]);
    // Of a store whose times are expiries.
    put(&mut store, b"\x10k", &timed(50), 0);
    let all =
        [timer(-5, b"\x20z"), timer(100, b"\x20a"), timer(100, b"\x30b"), timer(200, b"\x20b"), timer(300, b"\x20c")];
    assert_eq!(store.due(&FIRST, 300, 9).unwrap(), DueTimers { timers: all.to_vec(), next: None });
    assert_eq!(store.due(&FIRST, 299, 9).unwrap(), DueTimers { timers: all[..4].to_vec(), next: Some(300) });
    assert_eq!(store.due(&FIRST, 299, 2).unwrap(), DueTimers { timers: all[..2].to_vec(), next: Some(100) });
    assert_eq!(store.due(&all[2], 100, 9).unwrap(), DueTimers { timers: all[2..3].to_vec(), next: Some(200) });
    assert_eq!(store.scan(b"\x20", 9).unwrap().len(), 5);
    assert_eq!(store.scan(b"", 99).unwrap().len(), 7);
    store.flush().unwrap();
    drop(store);
    let mut store = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    assert_eq!(store.due(&FIRST, 300, 9).unwrap().timers, all);
    store.clear().unwrap();
    assert_eq!(store.due(&FIRST, 300, 9).unwrap(), DueTimers::default());
}

#[test]
fn a_spent_timer_goes_unless_the_same_batch_sets_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(0, 0).unwrap().unwrap();
    let (early, late) = (timed(100), timed(200));
    apply(&mut store, &[(b"\x20a", Some(&early)), (b"\x20b", Some(&early))], &[]);
    // Moved: the old one stays in the index until it is taken out.
    apply(&mut store, &[(b"\x20a", Some(&late)), (b"\x20b", None)], &[]);
    let all = [timer(100, b"\x20a"), timer(100, b"\x20b"), timer(200, b"\x20a")];
    assert_eq!(store.due(&FIRST, 200, 9).unwrap().timers, all);
    apply(&mut store, &[(b"\x20b", Some(&early))], &all);
    assert_eq!(store.due(&FIRST, 200, 9).unwrap().timers, all[1..2]);
}

#[test]
fn a_store_of_an_earlier_version_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = stores(directory.path(), "c").open(0, 1_000).unwrap().unwrap();
    put(&mut store, b"\x20k", &timed(5), 1_000);
    let mut meta = Vec::new();
    store.get(META_KEY, &mut meta).unwrap();
    meta[0] = META_VERSION - 1;
    store.families().unwrap().db.put_opt(META_KEY, &meta, &store.write).unwrap();
    store.flush().unwrap();
    drop(store);
    let store = stores(directory.path(), "c").open(0, 1_000).unwrap().unwrap();
    assert_eq!(store.offsets(), ChangelogOffsets::default());
    assert!(!store.get(b"\x20k", &mut Vec::new()).unwrap());
}
