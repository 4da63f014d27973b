mod timers;

use crate::log::ChangelogOffsets;
use crate::store::{DueTimers, Store, StoreError, Stores, Timer, Write};
use acteon_core::{PartitionClock, due_at, is_expired, keys};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB,
    DEFAULT_COLUMN_FAMILY_NAME, Direction, ErrorKind, FlushOptions, IteratorMode, Options, ReadOptions, WriteBatch,
    WriteBufferManager, WriteOptions, compaction_filter::Decision,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the keys of a store's own records begin with; no state key does.
const OWN: u8 = 0;
/// Key of a store's record of itself.
const META_KEY: &[u8] = b"\0meta";
/// The version that the record is written with. Since 2 there are timers beside the state, since 3 two column families.
const META_VERSION: u8 = 3;
/// The column family of what the expiring changelog backs; the default one has the rest, timers and the store's own record.
///
/// Every action looks up the former, which is small; the latter holds what waits, however much that is. In files of their
/// own, neither is looked through nor compacted for the other's sake.
const EXPIRING: &str = "expiring";
/// Bytes of the record before the cluster's id.
const META_BYTES: usize = 25;
/// Bits a key of the bloom filters (one lookup in a hundred reads a block for nothing).
const BLOOM_BITS: f64 = 10.0;
/// Size of the parts of indexes and filters, in bytes.
const METADATA_BLOCK_BYTES: usize = 4096;
/// Part of a memtable spent on its own bloom filter: most lookups are for keys never seen.
const MEMTABLE_BLOOM_RATIO: f64 = 0.1;
/// What RocksDB says of a store that this process has open already.
const HELD: &str = "lock hold by current process";

/// Memory that all stores of a process share, and what a store may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Block cache of all stores together, in bytes.
    pub cache_bytes: usize,
    /// Memtables of all stores together, in bytes.
    pub memtables_bytes: usize,
    /// One memtable, in bytes: also about what a store has to restore after a crash.
    pub memtable_bytes: usize,
    /// Open files of one store.
    pub open_files: i32,
    /// A store that was not used for longer is emptied and restored: the changelog forgets deletions after a time
    /// (milliseconds).
    pub max_idle_ms: i64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * 1024 * 1024,
            memtables_bytes: 64 * 1024 * 1024,
            memtable_bytes: 8 * 1024 * 1024,
            open_files: 64,
            // Half of the tombstone retention that the topology gives the changelog.
            max_idle_ms: 12 * 3600 * 1000,
        }
    }
}

/// RocksDB stores under one directory, a subdirectory a task.
#[derive(Clone)]
pub struct RocksStores {
    directory: PathBuf,
    /// The Kafka cluster that the state came from: another cluster's offsets mean nothing.
    cluster_id: String,
    limits: StoreLimits,
    cache: Cache,
    memtables: WriteBufferManager,
}

impl RocksStores {
    /// Stores under `directory` for the changelogs of a cluster.
    #[must_use]
    pub fn new(directory: &Path, cluster_id: &str, limits: StoreLimits) -> Self {
        Self {
            directory: directory.to_owned(),
            cluster_id: cluster_id.to_owned(),
            limits,
            cache: Cache::new_lru_cache(limits.cache_bytes),
            memtables: WriteBufferManager::new_write_buffer_manager(limits.memtables_bytes, false),
        }
    }

    /// The options of the default column family, and of the store.
    fn options(&self) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_bloom_filter(BLOOM_BITS, false);
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        // In small parts: a whole file's index and filter is larger than a shard of the cache once there are some hundred
        // thousand keys, and would be read from the file again for every lookup.
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_metadata_block_size(METADATA_BLOCK_BYTES);
        table.set_pin_top_level_index_and_filter(true);
        // What was flushed last is looked at by every read; its filters are no larger than a memtable's.
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(self.limits.memtable_bytes);
        options.set_write_buffer_manager(&self.memtables);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
        options.set_max_open_files(self.limits.open_files);
        options.set_max_background_jobs(2);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        options.set_skip_stats_update_on_db_open(true);
        options.create_missing_column_families(true);
        // Without a write-ahead log, what a transaction wrote to both families is there after a crash in both or neither.
        options.set_atomic_flush(true);
        options
    }

    fn expiring_options(&self, clock: &Arc<AtomicI64>) -> Options {
        let mut options = self.options();
        let clock = Arc::clone(clock);
        options.set_compaction_filter("expired", move |_, key, value| {
            let expires = keys::Store::of(key).is_some_and(keys::Store::expires);
            // An expired entry means to a step what an absent one means.
            if expires && is_expired(value, clock.load(Ordering::Relaxed)) { Decision::Remove } else { Decision::Keep }
        });
        options
    }
}

impl Stores for RocksStores {
    type Store = RocksStore;

    fn open(&mut self, partition: i32, now: i64) -> Result<Option<RocksStore>, StoreError> {
        let path = self.directory.join(partition.to_string());
        let clock = Arc::new(AtomicI64::new(0));
        let options = FamilyOptions { default: self.options(), expiring: self.expiring_options(&clock) };
        let db = match options.open(&path) {
            Ok(db) => db,
            Err(error) if error.as_ref().contains(HELD) => return Ok(None),
            Err(error) if is_damaged(&error, &path) => {
                tracing::warn!(partition, %error, "local state is corrupt, restoring all of it");
                DB::destroy(&options.default, &path).map_err(|error| failed(&path, &error))?;
                options.open(&path).map_err(|error| failed(&path, &error))?
            }
            Err(error) => return Err(failed(&path, &error)),
        };
        let mut write = WriteOptions::default();
        write.disable_wal(true);
        let mut store = RocksStore {
            db: Some(db),
            path,
            options,
            write,
            read: ReadOptions::default(),
            clock,
            offsets: ChangelogOffsets::default(),
            cluster_id: self.cluster_id.clone(),
        };
        if !store.read_meta(now, self.limits.max_idle_ms)? {
            store.clear()?;
        }
        Ok(Some(store))
    }
}

/// The options of a store's column families.
struct FamilyOptions {
    default: Options,
    expiring: Options,
}

impl FamilyOptions {
    fn open(&self, path: &Path) -> Result<DB, rocksdb::Error> {
        let families = [(DEFAULT_COLUMN_FAMILY_NAME, &self.default), (EXPIRING, &self.expiring)];
        let families = families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options.clone()));
        DB::open_cf_descriptors(&self.default, path, families)
    }
}

/// An open store with its column families.
struct Families<'d> {
    db: &'d DB,
    default: &'d ColumnFamily,
    expiring: &'d ColumnFamily,
}

impl Families<'_> {
    /// The one that a key stands in.
    fn of(&self, key: &[u8]) -> &ColumnFamily {
        if is_expiring(key) { self.expiring } else { self.default }
    }
}

/// Whether a key stands in the [`EXPIRING`] column family.
fn is_expiring(key: &[u8]) -> bool {
    keys::Store::of(key).is_some_and(keys::Store::is_in_expiring_changelog)
}

/// One task's RocksDB, without a write-ahead log: the changelog is one.
pub struct RocksStore {
    /// Taken out only while the directory is being emptied.
    db: Option<DB>,
    path: PathBuf,
    options: FamilyOptions,
    write: WriteOptions,
    /// Made once: with the state in memory, making it costs a good part of a read.
    read: ReadOptions,
    /// The partition's time as last written, in milliseconds since 1970; the compaction filter reads it. The wall's would
    /// not do: entries that it had dropped would be missed when it is put back.
    clock: Arc<AtomicI64>,
    offsets: ChangelogOffsets,
    cluster_id: String,
}

impl RocksStore {
    fn families(&self) -> Result<Families<'_>, StoreError> {
        let opened = self.db.as_ref().and_then(|db| {
            let (default, expiring) = (db.cf_handle(DEFAULT_COLUMN_FAMILY_NAME)?, db.cf_handle(EXPIRING)?);
            Some(Families { db, default, expiring })
        });
        opened.ok_or_else(|| self.lost())
    }

    /// The store and the column family that a key stands in: looking up the other one too costs a part of a read.
    fn family_of(&self, key: &[u8]) -> Result<(&DB, &ColumnFamily), StoreError> {
        let name = if is_expiring(key) { EXPIRING } else { DEFAULT_COLUMN_FAMILY_NAME };
        let opened = self.db.as_ref().and_then(|db| Some((db, db.cf_handle(name)?)));
        opened.ok_or_else(|| self.lost())
    }

    fn lost(&self) -> StoreError {
        StoreError {
            place: self.path.display().to_string(),
            problem: "could not be opened again after it was emptied; restart the process".to_owned(),
        }
    }

    /// Reads the store's own record; returns whether the state may be continued from.
    fn read_meta(&mut self, now: i64, max_idle_ms: i64) -> Result<bool, StoreError> {
        let mut meta = Vec::new();
        if !self.get(META_KEY, &mut meta)? {
            return Ok(true);
        }
        let number = |at: usize| -> Option<i64> { Some(i64::from_be_bytes(meta.get(at..at + 8)?.try_into().ok()?)) };
        let (Some(compacted), Some(expiring), Some(alive)) = (number(1), number(9), number(17)) else {
            return Ok(false);
        };
        let reason = if meta[0] != META_VERSION {
            "written by another version"
        } else if &meta[META_BYTES..] != self.cluster_id.as_bytes() {
            "it belongs to another cluster"
        } else if now.saturating_sub(alive) > max_idle_ms {
            "it was not used for too long"
        } else {
            self.offsets = ChangelogOffsets { compacted, expiring };
            return Ok(true);
        };
        tracing::warn!(directory = %self.path.display(), reason, "local state dropped, restoring all of it");
        Ok(false)
    }
}

impl Store for RocksStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, StoreError> {
        let (db, family) = self.family_of(key)?;
        match db.get_pinned_cf_opt(family, key, &self.read) {
            Ok(None) => Ok(false),
            Ok(Some(value)) => {
                out.extend_from_slice(&value);
                Ok(true)
            }
            Err(error) => Err(failed(&self.path, &error)),
        }
    }

    fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let families = self.families()?;
        let scan = |family, from: &[u8]| {
            let entries = families.db.iterator_cf(family, IteratorMode::From(from, Direction::Forward));
            let keys = entries.map(|entry| entry.map(|(key, _)| key.into_vec()));
            // An error is no end of the keys.
            let keys = keys.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(prefix)));
            keys.take(limit).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&self.path, &error))
        };
        if !prefix.is_empty() {
            return scan(families.of(prefix), prefix);
        }
        let mut keys = scan(families.default, &[OWN + 1])?;
        keys.append(&mut scan(families.expiring, &[OWN + 1])?);
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    fn due(&self, from: &Timer, until: i64, limit: usize) -> Result<DueTimers, StoreError> {
        timers::due(self.families()?.db, from, until, limit).map_err(|error| failed(&self.path, &error))
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        spent: &[Timer],
        offsets: ChangelogOffsets,
        now: i64,
    ) -> Result<(), StoreError> {
        let families = self.families()?;
        let mut batch = WriteBatch::default();
        let mut clock = None;
        for timer in spent {
            batch.delete(timers::index_key(timer.due, &timer.key));
        }
        for (key, value) in writes {
            clock = clock.or_else(|| PartitionClock::read(key, value?));
            let Some(value) = value else {
                batch.delete_cf(families.of(key), key);
                continue;
            };
            batch.put_cf(families.of(key), key, value);
            if let Some(due) = due_at(key, value) {
                batch.put(timers::index_key(due, key), []);
            }
        }
        let mut meta = Vec::with_capacity(META_BYTES + self.cluster_id.len());
        meta.push(META_VERSION);
        for number in [offsets.compacted, offsets.expiring, now] {
            meta.extend_from_slice(&number.to_be_bytes());
        }
        meta.extend_from_slice(self.cluster_id.as_bytes());
        batch.put(META_KEY, &meta);
        families.db.write_opt(batch, &self.write).map_err(|error| failed(&self.path, &error))?;
        self.offsets = offsets;
        if let Some(clock) = clock {
            self.clock.store(clock, Ordering::Relaxed);
        }
        Ok(())
    }

    fn offsets(&self) -> ChangelogOffsets {
        self.offsets
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        drop(self.db.take());
        DB::destroy(&self.options.default, &self.path).map_err(|error| failed(&self.path, &error))?;
        self.db = Some(self.options.open(&self.path).map_err(|error| failed(&self.path, &error))?);
        self.offsets = ChangelogOffsets::default();
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        let Ok(Families { db, default, expiring }) = self.families() else { return 0 };
        let property = |family, name: &str| db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
        let size =
            |family| property(family, "rocksdb.total-sst-files-size") + property(family, "rocksdb.size-all-mem-tables");
        size(default) + size(expiring)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let Families { db, default, expiring } = self.families()?;
        let flushed = db.flush_cfs_opt(&[default, expiring], &FlushOptions::default());
        flushed.map_err(|error| failed(&self.path, &error))
    }
}

/// Whether a store can't be opened because of what is in its directory: a file is broken, or missing.
fn is_damaged(error: &rocksdb::Error, path: &Path) -> bool {
    let missing = error.kind() == ErrorKind::IOError && error.as_ref().contains("No such file");
    error.kind() == ErrorKind::Corruption || missing && path.is_dir()
}

fn failed(path: &Path, error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    let problem = if text.contains("No space left") {
        format!("the disk is full ({text}); free some space and start again")
    } else if text.contains("Permission denied") {
        format!("not writable ({text}); check its owner and permissions")
    } else {
        text
    };
    StoreError { place: path.display().to_string(), problem }
}

#[cfg(test)]
mod tests;
