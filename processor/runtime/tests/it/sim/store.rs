//! A store whose crash loses the latest writes, as RocksDB's without a write-ahead log does: what was written last is
//! gone, and with it the offsets.

use super::broker::Topic;
use super::hub::{Seam, Shared};
use super::plant::Plant;
use acteon_core::{PartitionClock, due_at, is_expired, keys};
use acteon_runtime::{ChangelogOffsets, DueTimers, Store, StoreError, Stores, Timer, Write};
use std::collections::{BTreeMap, BTreeSet};

/// A store left alone for longer is emptied, in milliseconds.
const MAX_IDLE_MS: i64 = 12 * 3600 * 1000;
/// One write in so many is followed by a flush of everything so far.
const FLUSH: u32 = 8;
/// One write in so many is followed by a compaction, which drops what has expired.
const COMPACTION: u32 = 8;

struct Batch {
    writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    spent: Vec<Timer>,
    offsets: ChangelogOffsets,
    now: i64,
}

/// What is in a process's directory of a task.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Those of the entries, and stale ones.
    pub timers: BTreeSet<Timer>,
    offsets: ChangelogOffsets,
    alive: i64,
    /// Whether a worker has it open.
    open: bool,
}

impl Disk {
    fn apply(&mut self, batch: &Batch) {
        for timer in &batch.spent {
            self.timers.remove(timer);
        }
        for (key, value) in &batch.writes {
            let Some(value) = value else {
                self.entries.remove(key);
                continue;
            };
            self.entries.insert(key.clone(), value.clone());
            self.timers.extend(due_at(key, value).map(|due| Timer { due, key: key.clone() }));
        }
        (self.offsets, self.alive) = (batch.offsets, batch.now);
    }

    /// Drops what has expired by the partition's own time, as RocksDB's compaction filter does.
    fn compact(&mut self, now: i64) {
        let expires = |key: &[u8]| keys::Store::of(key).is_some_and(keys::Store::expires);
        self.entries.retain(|key, value| !(expires(key) && is_expired(value, now)));
    }
}

pub struct SimStores(pub Seam);

impl Stores for SimStores {
    type Store = SimStore;

    fn open(&mut self, partition: i32, now: i64) -> Result<Option<SimStore>, StoreError> {
        let mut shared = self.0.hub.shared();
        let disk = shared.disks.entry((self.0.who.process, partition)).or_default();
        if disk.open {
            shared.count("store in use");
            return Ok(None);
        }
        disk.open = true;
        if now.saturating_sub(disk.alive) > MAX_IDLE_MS {
            *disk = Disk { open: true, ..Disk::default() };
        }
        let disk = disk.clone();
        let seam = self.0.clone();
        Ok(Some(SimStore { seam, partition, flushed: disk.clone(), disk, unflushed: Vec::new() }))
    }
}

pub struct SimStore {
    seam: Seam,
    partition: i32,
    disk: Disk,
    /// What a crash leaves for certain.
    flushed: Disk,
    unflushed: Vec<Batch>,
}

impl SimStore {
    /// A store stands at nothing that the log could still take back. Before it there may be the open transaction of a
    /// worker that does not know yet that the task is not its own any more.
    fn check(&self, shared: &mut Shared, offsets: ChangelogOffsets) {
        let places = [(Topic::Changelog, offsets.compacted), (Topic::Expiring, offsets.expiring)];
        if places.iter().any(|(topic, offset)| !shared.broker.is_decided(*topic, self.partition, *offset)) {
            shared.violations.push(format!("store of task {} is ahead of the log: {offsets:?}", self.partition));
        }
        if offsets.max(self.disk.offsets) != offsets {
            shared.violations.push(format!("store of task {} goes backwards: {offsets:?}", self.partition));
        }
    }
}

impl Store for SimStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, StoreError> {
        let value = self.disk.entries.get(key);
        out.extend_from_slice(value.map_or(&[], Vec::as_slice));
        Ok(value.is_some())
    }

    fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let from = self.disk.entries.range(prefix.to_vec()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).take(limit).cloned().collect())
    }

    fn due(&self, from: &Timer, until: i64, limit: usize) -> Result<DueTimers, StoreError> {
        let all = || self.disk.timers.range(from..);
        let timers: Vec<Timer> = all().take_while(|timer| timer.due <= until).take(limit).cloned().collect();
        let next = all().nth(timers.len()).map(|timer| timer.due);
        Ok(DueTimers { timers, next })
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        spent: &[Timer],
        offsets: ChangelogOffsets,
        now: i64,
    ) -> Result<(), StoreError> {
        let plant = self.seam.hub.shared().broker.plant;
        let writes = writes
            .filter(|(key, value)| !plant.is_some_and(|plant| plant.forgets(key, *value)))
            .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
            .collect();
        let seam = self.seam.clone();
        let applied = seam.call("apply", false, |shared| {
            self.check(shared, offsets);
            let batch = Batch { writes, spent: spent.to_vec(), offsets, now };
            self.disk.apply(&batch);
            self.unflushed.push(batch);
            if shared.rng.u32(0..FLUSH) == 0 {
                self.flushed.clone_from(&self.disk);
                self.unflushed.clear();
            }
            if shared.rng.u32(0..COMPACTION) == 0 {
                let clock = self.disk.entries.iter().find_map(|(key, value)| PartitionClock::read(key, value));
                self.flushed.compact(clock.unwrap_or(0));
                self.disk.compact(clock.unwrap_or(0));
            }
            Ok(())
        });
        applied.map_err(|error| failed(&error.to_string()))
    }

    fn offsets(&self) -> ChangelogOffsets {
        self.disk.offsets
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.disk = Disk { open: true, ..Disk::default() };
        self.flush()
    }

    fn size_bytes(&self) -> u64 {
        self.disk.entries.len() as u64
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.seam.is_dead() {
            return Err(failed("the process is dead"));
        }
        self.flushed.clone_from(&self.disk);
        self.unflushed.clear();
        Ok(())
    }
}

impl Drop for SimStore {
    fn drop(&mut self) {
        let mut shared = self.seam.hub.shared();
        if shared.dead.contains(&self.seam.who.incarnation) {
            let offsets = self.disk.offsets;
            let kept = shared.rng.usize(0..=self.unflushed.len());
            self.disk.clone_from(&self.flushed);
            for batch in &self.unflushed[..kept] {
                self.disk.apply(batch);
            }
            if shared.is_planted(Plant::TornStore) {
                self.disk.offsets = offsets;
            }
        }
        self.disk.open = false;
        let place = (self.seam.who.process, self.partition);
        shared.disks.insert(place, std::mem::take(&mut self.disk));
    }
}

fn failed(problem: &str) -> StoreError {
    StoreError { place: "simulated".to_owned(), problem: problem.to_owned() }
}
