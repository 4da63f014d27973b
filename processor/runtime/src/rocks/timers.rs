//! The index of timers: keys `\0timer ‖ time ‖ key of the entry`, without values, beside the state.

use super::OWN;
use crate::store::{DueTimers, Timer};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions};

/// What the index's keys begin with.
const PREFIX: [u8; 6] = [OWN, b't', b'i', b'm', b'e', b'r'];
/// The first key behind them.
const END: [u8; 6] = [OWN, b't', b'i', b'm', b'e', b's'];
/// Bytes before the key of the entry.
const HEADER_BYTES: usize = PREFIX.len() + 8;

/// The key of a timer: in the order of times, those before 1970 included.
pub(super) fn index_key(due: i64, entry: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(HEADER_BYTES + entry.len());
    key.extend_from_slice(&PREFIX);
    key.extend_from_slice(&(due.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    key.extend_from_slice(entry);
    key
}

fn due_of(key: &[u8]) -> Option<i64> {
    let bytes = key.get(PREFIX.len()..HEADER_BYTES)?.try_into().ok()?;
    Some((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed())
}

/// The timers from `from` on that are due at `until`.
pub(super) fn due(db: &DB, from: &Timer, until: i64, limit: usize) -> Result<DueTimers, rocksdb::Error> {
    let start = index_key(from.due, &from.key);
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(start.clone());
    options.set_iterate_upper_bound(END);
    let mut found = DueTimers::default();
    for entry in db.iterator_opt(IteratorMode::From(&start, Direction::Forward), options) {
        let (key, _) = entry?;
        let Some(due) = due_of(&key) else { continue };
        if due > until || found.timers.len() >= limit {
            found.next = Some(due);
            break;
        }
        found.timers.push(Timer { due, key: key[HEADER_BYTES..].to_vec() });
    }
    Ok(found)
}
