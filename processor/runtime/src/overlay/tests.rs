use super::*;
use crate::store::memory::MemoryStore;
use acteon_core::MemoryState;

/// Stores of each kind: hashed ones, ordered ones, and the one whose absent keys are remembered.
const TAGS: [u8; 5] = [0x10, 0x11, 0x20, 0x31, 0x70];

#[test]
fn what_is_read_is_the_store_under_the_transaction_under_the_step() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut overlay = Overlay::new(MemoryStore::default());
        // All that was written, all but the step, all that was sealed, and all that was applied.
        let (mut model, mut kept, mut applied) =
            (MemoryState::default(), MemoryState::default(), MemoryState::default());
        let mut sealed: Option<MemoryState> = None;
        for _ in 0..200 {
            let key = [TAGS[rng.usize(0..TAGS.len())], rng.u8(0..3), rng.u8(0..6)];
            match rng.u32(0..100) {
                0..40 => {
                    let value = [rng.u8(..)];
                    overlay.put(&key, &value);
                    model.put(&key, &value);
                }
                40..65 => {
                    overlay.delete(&key);
                    model.delete(&key);
                }
                65..75 => {
                    overlay.keep_step();
                    kept = model.clone();
                }
                75..80 => {
                    overlay.drop_step();
                    model = kept.clone();
                }
                80..84 => {
                    overlay.keep_step();
                    kept = model.clone();
                    if let Some(sealed) = sealed.take() {
                        overlay.apply(&[], ChangelogOffsets::default(), 0).unwrap();
                        applied = sealed;
                    } else {
                        let _ = overlay.seal();
                        sealed = Some(model.clone());
                    }
                }
                drawn @ 84..89 => {
                    overlay.discard();
                    sealed = None;
                    if drawn == 88 {
                        overlay.clear().unwrap();
                        applied = MemoryState::default();
                    } else if drawn >= 86 {
                        // As a task is restored, which may find what another member has written.
                        let value = rng.bool().then(|| [rng.u8(..)]);
                        let mut writes = [(key.as_slice(), value.as_ref().map(<[u8; 1]>::as_slice))].into_iter();
                        overlay.restore(&mut writes, ChangelogOffsets::default(), 0).unwrap();
                        match &value {
                            Some(value) => applied.put(&key, value),
                            None => applied.delete(&key),
                        }
                    }
                    (kept, model) = (applied.clone(), applied.clone());
                }
                _ => {}
            }
            assert_eq!(overlay.get(&key).unwrap(), model.get(&key).unwrap(), "seed {seed}");
            let (prefix, limit) = (&key[..rng.usize(0..3)], [0, 1, 2, 5, 100][rng.usize(0..5)]);
            assert_eq!(overlay.scan(prefix, limit).unwrap(), model.scan(prefix, limit).unwrap(), "seed {seed}");
        }
    }
}

#[test]
fn writes_are_the_last_of_each_key_and_tell_their_timers() {
    let timed = |due: i64| [&[1_u8][..], &due.to_be_bytes(), b"body"].concat();
    let mut overlay = Overlay::new(MemoryStore::default());
    overlay.put(b"\x20a", &timed(50));
    overlay.put(b"\x20a", &timed(300));
    overlay.put(b"\x20b", &timed(200));
    overlay.put(b"\x10k", &timed(10));
    overlay.put(b"\x20gone", &timed(20));
    overlay.delete(b"\x20gone");
    assert_eq!(overlay.largest_in_step(), 13);
    assert_eq!(overlay.keep_step(), 4 * 15 + 18 + 5);
    assert_eq!(overlay.largest_in_step(), 0);
    assert_eq!(overlay.writes().count(), 4);
    let set: Vec<Timer> = overlay.seal().collect();
    let timer = |due: i64, key: &[u8]| Timer { due, key: key.to_vec() };
    assert_eq!(set, [timer(300, b"\x20a"), timer(200, b"\x20b")]);
    assert_eq!(overlay.writes().count(), 0);
    overlay.apply(&[], ChangelogOffsets::default(), 0).unwrap();
    assert_eq!(overlay.seal().count(), 0);
}

/// A store that counts what it is asked for.
#[derive(Default)]
struct Counting(MemoryStore, std::cell::Cell<u32>);

impl Store for Counting {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.get(key, out)
    }
    fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.0.scan(prefix, limit)
    }
    fn due(&self, from: &Timer, until: i64, limit: usize) -> Result<crate::store::DueTimers, StoreError> {
        self.0.due(from, until, limit)
    }
    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = Write<'_>>,
        spent: &[Timer],
        offsets: ChangelogOffsets,
        now: i64,
    ) -> Result<(), StoreError> {
        self.0.apply(writes, spent, offsets, now)
    }
    fn offsets(&self) -> ChangelogOffsets {
        self.0.offsets()
    }
    fn clear(&mut self) -> Result<(), StoreError> {
        self.0.clear()
    }
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }
    fn flush(&mut self) -> Result<(), StoreError> {
        self.0.flush()
    }
}

#[test]
fn a_policy_that_is_not_there_is_asked_for_once_until_it_is_written() {
    let mut overlay = Overlay::new(Counting::default());
    let asked = |overlay: &mut Overlay<Counting>, key: &[u8]| {
        let before = overlay.store.1.get();
        overlay.get(key).unwrap();
        overlay.store.1.get() - before
    };
    let (policy, other) = (b"\x70tenant", b"\x31group");
    assert_eq!([asked(&mut overlay, policy), asked(&mut overlay, policy), asked(&mut overlay, policy)], [1, 0, 0]);
    assert_eq!([asked(&mut overlay, other), asked(&mut overlay, other)], [1, 1]);
    overlay.put(policy, b"quotas");
    overlay.keep_step();
    let _ = overlay.seal();
    overlay.apply(&[], ChangelogOffsets::default(), 0).unwrap();
    assert_eq!(overlay.get(policy).unwrap(), Some(&b"quotas"[..]));
    overlay.delete(policy);
    overlay.keep_step();
    let _ = overlay.seal();
    overlay.apply(&[], ChangelogOffsets::default(), 0).unwrap();
    assert_eq!([asked(&mut overlay, policy), asked(&mut overlay, policy)], [1, 0]);
}
