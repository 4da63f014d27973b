use crate::keys::Store;
use crate::state::{State, StateError};

/// A partition's clock: wall time that never goes backwards, not even when the partition moves to a machine whose clock
/// is behind. Its value is part of the state.
///
/// A wall clock that was ahead and is put right holds the partition's time still until the wall has caught up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionClock {
    now: i64,
    stored: i64,
}

impl PartitionClock {
    const KEY: [u8; 1] = [Store::Clock as u8];

    /// Reads the clock as the last committed transaction left it.
    ///
    /// # Errors
    /// The store can't be read, or the value is not a clock's.
    pub fn restore(state: &mut impl State) -> Result<Self, StateError> {
        let Some(value) = state.get(&Self::KEY)? else { return Ok(Self::default()) };
        let bytes = value
            .try_into()
            .map_err(|_| StateError::Corrupt { store: Store::Clock.name(), problem: "not eight bytes" })?;
        let now = i64::from_be_bytes(bytes);
        Ok(Self { now, stored: now })
    }

    /// The time that an entry of a state holds, where the entry is the partition's clock. What has expired by a time that
    /// was committed has expired for good; by the wall's it has not, since that can be put back.
    #[must_use]
    pub fn read(key: &[u8], value: &[u8]) -> Option<i64> {
        let bytes = value.try_into().ok().filter(|_| key == Self::KEY)?;
        Some(i64::from_be_bytes(bytes))
    }

    /// Takes the wall's time (milliseconds since 1970) and returns the partition's.
    pub fn advance(&mut self, wall: i64) -> i64 {
        self.now = self.now.max(wall);
        self.now
    }

    /// Writes the clock into the state, where it has moved since the last time.
    pub fn store(&mut self, state: &mut impl State) {
        if self.now != self.stored {
            state.put(&Self::KEY, &self.now.to_be_bytes());
            self.stored = self.now;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    #[test]
    fn time_does_not_go_backwards_across_a_restore() {
        let mut state = MemoryState::default();
        let mut clock = PartitionClock::restore(&mut state).unwrap();
        assert_eq!(clock.advance(5000), 5000);
        assert_eq!(clock.advance(4000), 5000);
        clock.store(&mut state);
        assert_eq!(state.0.iter().find_map(|(key, value)| PartitionClock::read(key, value)), Some(5000));
        assert_eq!(PartitionClock::read(b"\x10other___", &5000_i64.to_be_bytes()), None);
        let mut moved = PartitionClock::restore(&mut state).unwrap();
        assert_eq!(moved.advance(1), 5000);
        let before = state.clone();
        moved.store(&mut state);
        assert_eq!(state, before);
    }

    #[test]
    fn a_corrupt_clock_is_an_error() {
        let mut state = MemoryState::default();
        state.put(&[Store::Clock as u8], b"x");
        assert!(PartitionClock::restore(&mut state).is_err());
    }
}
