//! Counts of a quota by sender: an entry each, under the quota's own key. Nobody tells when a sender is not heard of any
//! more, so whoever comes new takes away what is over of those beside it.

use super::usage;
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::value;

/// Bytes of a sender's hash in its key: those with the same are looked at together.
const BUCKET_BYTES: usize = 2;
/// Most entries that a new sender looks at.
const MAX_SWEPT: usize = 16;
/// Most entries that go with their quota.
const MAX_FORGOTTEN: usize = 10_000;
/// Most entries that are looked at to tell of the one that has used most.
const MAX_SHOWN: usize = 1_000;

/// Appends a sender to the quota's key; returns how much of it those have in common that are looked at together.
pub(super) fn push(key: &mut Vec<u8>, caller: &str) -> usize {
    // FNV-1a, which is kept in keys: it must not change.
    let hash = caller.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    key.extend(hash.to_be_bytes().into_iter().take(BUCKET_BYTES));
    let bucket = key.len();
    keys::push_text(key, caller);
    bucket
}

/// Takes away what is over of those whose keys begin as a new sender's does.
pub(super) fn sweep<S: State>(state: &mut S, now: i64, bucket: &[u8]) -> Result<(), StateError> {
    for other in state.scan(bucket, MAX_SWEPT)? {
        if !value::is_set(state.get(&other)?, Store::Usage, now)? {
            state.delete(&other);
        }
    }
    Ok(())
}

/// Forgets what a quota has counted, of all senders.
pub(super) fn forget<S: State>(state: &mut S, quota: &[u8]) -> Result<(), StateError> {
    for key in state.scan(quota, MAX_FORGOTTEN)? {
        state.delete(&key);
    }
    Ok(())
}

/// The key of the count to tell of: the quota's own, or that of the sender that has used most.
pub(super) fn most_used<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    quota: &[u8],
    per_principal: bool,
    window_ms: u64,
) -> Result<Vec<u8>, StateError> {
    let mut most = (0, quota.to_vec());
    if per_principal {
        for key in turn.state.scan(quota, MAX_SHOWN)? {
            let used = usage(turn, &key, window_ms)?.window.total();
            if used > most.0 {
                most = (used, key);
            }
        }
    }
    Ok(most.1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rig::{Rig, parts};
    use serde_json::json;
    use std::collections::BTreeMap;

    /// Two senders whose hashes begin alike: the same two for ever.
    fn neighbours() -> (String, String) {
        let mut known: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        let found = (0..).find_map(|index| {
            let (name, mut key) = (format!("s{index}"), Vec::new());
            let bucket = push(&mut key, &name);
            key.truncate(bucket);
            known.insert(key, name.clone()).map(|other| (other, name))
        });
        found.unwrap()
    }

    #[test]
    fn counts_of_senders_that_are_gone_are_taken_away_by_others() {
        let mut rig = Rig::new(parts("rules: []\n"));
        let quota = json!({"id": "each", "max_actions": 9, "window": "60", "per_principal": true});
        rig.command(&json!({"set_quota": {"quota": quota}}));
        let send = |rig: &mut Rig, caller: &str| {
            rig.send(&json!({
                "namespace": "n", "tenant": "t", "provider": "webhook", "action_type": "a", "payload": {},
                "caller_id": caller,
            }));
        };
        let kept = |rig: &Rig| rig.state.0.keys().filter(|key| Store::of(key) == Some(Store::Usage)).count();
        let (first, second) = neighbours();
        send(&mut rig, &first);
        rig.now += 61_000;
        send(&mut rig, "another");
        assert_eq!(kept(&rig), 2, "nobody has looked");
        send(&mut rig, &second);
        assert_eq!(kept(&rig), 2, "one came, and one went");
        rig.command(&json!({"delete_quota": {"quota_id": "each"}}));
        assert_eq!(kept(&rig), 0);
    }
}
