//! State written out and read back, as a partition that moves to another machine is.

use acteon_core::{MemoryState, is_expired, keys::Store};
use std::collections::BTreeMap;

/// The bytes of a state: each key and each value behind its length.
fn save(state: &MemoryState) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in state.0.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The next part of a state's bytes; empty where there is none.
fn take(bytes: &mut &[u8]) -> Vec<u8> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Vec::new() };
    let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
    let (part, rest) = rest.split_at(length);
    *bytes = rest;
    part.to_vec()
}

/// A fresh state with what the old one had written, without what has expired by `now`: nothing else may matter.
pub(crate) fn moved(state: &MemoryState, now: i64) -> MemoryState {
    let bytes = save(state);
    let (mut rest, mut entries) = (bytes.as_slice(), BTreeMap::new());
    while !rest.is_empty() {
        let (key, value) = (take(&mut rest), take(&mut rest));
        if !(Store::of(&key).is_some_and(Store::expires) && is_expired(&value, now)) {
            entries.insert(key, value);
        }
    }
    MemoryState(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_state_is_the_same_without_what_has_expired() {
        let mut state = MemoryState::default();
        let kept = [(vec![Store::Scheduled as u8, 1], vec![1, 2, 3]), (vec![Store::Event as u8], vec![])];
        state.0.extend(kept.clone());
        let mut value = vec![1];
        value.extend_from_slice(&100_i64.to_be_bytes());
        state.0.insert(vec![Store::Dedup as u8, 9], value);
        assert_eq!(moved(&state, 99), state);
        assert_eq!(moved(&state, 100), MemoryState(kept.into()));
    }
}
