//! `throttle`: so many actions in any window of time.
//!
//! A window is kept as a list of (time, count). Events within a 32nd of the window share an entry, which ends when the
//! *last* of them does: so no window ever holds more than the limit, a burst is forgotten all at once after exactly the
//! window's length, and the `retry_after` of a refusal is the moment at which the same action passes.

use crate::keys::{self, Store};
use crate::state::StateError;
use crate::value;
use acteon_rules::{FieldPath, Subject};
use smallvec::SmallVec;

/// Parts that a window is divided into: the bound of the state kept, and of how much too strict a throttle may be.
const SLOTS: u64 = 32;

/// Events that share one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// When the last of them was, in milliseconds since 1970.
    last: i64,
    count: u64,
}

/// The events of one counter that still count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    entries: SmallVec<[Entry; SLOTS as usize + 2]>,
}

impl Window {
    pub(crate) fn decode(stored: Option<&[u8]>, store: Store) -> Result<Self, StateError> {
        let mut window = Self::default();
        let Some(bytes) = stored else { return Ok(window) };
        let (_, body) = value::split(bytes, store)?;
        window.extend(body).ok_or_else(|| StateError::Corrupt { store: store.name(), problem: "cut short" })?;
        Ok(window)
    }

    /// Reads the entries that [`Self::push`] wrote.
    pub(crate) fn extend(&mut self, mut body: &[u8]) -> Option<()> {
        let mut last = 0_i64;
        while !body.is_empty() {
            let delta = value::take_varint(&mut body)?;
            let count = value::take_varint(&mut body)?;
            last = last.saturating_add_unsigned(delta);
            self.entries.push(Entry { last, count });
        }
        Some(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>, window_ms: u64) {
        value::begin(out, self.ends_at(window_ms));
        self.push(out);
    }

    /// When the last of its events counts no more.
    pub(crate) fn ends_at(&self, window_ms: u64) -> i64 {
        self.entries.last().map_or(0, |entry| entry.last).saturating_add_unsigned(window_ms)
    }

    /// When the first of its events count no more, if it has any.
    pub(crate) fn eases_at(&self, window_ms: u64) -> Option<i64> {
        self.entries.first().map(|entry| entry.last.saturating_add_unsigned(window_ms))
    }

    /// Appends its entries.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        let mut last = 0_i64;
        for entry in &self.entries {
            // Times ascend and are not negative: the partition's clock sees to it.
            value::push_varint(out, u64::try_from(entry.last - last).unwrap_or(0));
            value::push_varint(out, entry.count);
            last = entry.last;
        }
    }

    /// Counts an event at `now`, or says in how many milliseconds one would pass.
    pub(crate) fn admit(&mut self, now: i64, max_count: u64, window_ms: u64) -> Result<(), u64> {
        self.forget(now, window_ms);
        let mut total = self.total();
        if total < max_count {
            self.count(now, window_ms);
            return Ok(());
        }
        // The limit may have been lowered since: then more than the oldest entry has to end.
        for entry in &self.entries {
            total -= entry.count;
            if total < max_count {
                let end = entry.last.saturating_add_unsigned(window_ms);
                return Err(u64::try_from(end - now).unwrap_or(window_ms));
            }
        }
        Err(window_ms)
    }

    /// Drops events that count no more.
    pub(crate) fn forget(&mut self, now: i64, window_ms: u64) {
        self.entries.retain(|entry| entry.last.saturating_add_unsigned(window_ms) > now);
    }

    /// How many events it holds.
    pub(crate) fn total(&self) -> u64 {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    /// Counts an event at `now`.
    pub(crate) fn count(&mut self, now: i64, window_ms: u64) {
        let width = i64::try_from((window_ms / SLOTS).max(1)).unwrap_or(i64::MAX);
        match self.entries.last_mut() {
            Some(entry) if entry.last / width == now / width => {
                entry.last = now;
                entry.count += 1;
            }
            _ => self.entries.push(Entry { last: now, count: 1 }),
        }
    }
}

/// Builds the state key: the rule, and its `key_fields` where it has any.
pub(crate) fn key(out: &mut Vec<u8>, rule: &str, key_fields: &[FieldPath], subject: &Subject<'_>) {
    let start = rule_prefix(out, subject.namespace, subject.tenant, rule);
    crate::gates::push_fields(out, key_fields, subject);
    keys::limit_rest(out, start);
}

/// Builds the state key of a rule's counter for a tenant; where the rule has `key_fields`, what its keys begin with.
/// Returns where the part that may be replaced by a digest begins.
pub(crate) fn rule_prefix(out: &mut Vec<u8>, namespace: &str, tenant: &str, rule: &str) -> usize {
    keys::scoped(out, Store::Throttle, namespace, tenant);
    keys::push_text(out, rule);
    out.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const WINDOW: u64 = 60_000;

    #[test]
    fn a_burst_passes_and_is_forgotten_after_exactly_the_window() {
        let mut window = Window::default();
        for _ in 0..30 {
            assert_eq!(window.admit(1_000, 30, WINDOW), Ok(()));
        }
        assert_eq!(window.admit(1_000, 30, WINDOW), Err(60_000));
        assert_eq!(window.admit(60_999, 30, WINDOW), Err(1));
        assert_eq!(window.admit(61_000, 30, WINDOW), Ok(()));
    }

    #[test]
    fn retry_after_is_true_and_no_window_holds_more_than_the_limit() {
        // A fixed sequence of uneven steps: a linear congruential generator.
        let (mut now, mut seed) = (1_700_000_000_000_i64, 7_u64);
        let (mut window, mut admitted) = (Window::default(), Vec::new());
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += i64::try_from((seed >> 33) % 900).unwrap();
            match window.clone().admit(now, 40, WINDOW) {
                Ok(()) => {
                    window.admit(now, 40, WINDOW).unwrap();
                    admitted.push(now);
                }
                Err(wait) => {
                    let wait = i64::try_from(wait).unwrap();
                    assert!(wait > 0 && window.clone().admit(now + wait, 40, WINDOW).is_ok());
                    assert!(window.clone().admit(now + wait - 1, 40, WINDOW).is_err());
                }
            }
            assert!(window.entries.len() <= SLOTS as usize + 2, "{}", window.entries.len());
        }
        for (i, end) in admitted.iter().enumerate().skip(40) {
            assert!(end - admitted[i - 40] >= 60_000);
        }
        assert!(admitted.len() > 5_000, "the throttle is not much too strict: {}", admitted.len());
    }

    #[test]
    fn a_lowered_limit_waits_for_as_many_as_it_takes() {
        let mut window = Window::default();
        for at in [0, 10_000, 20_000] {
            window.admit(at, 3, WINDOW).unwrap();
        }
        assert_eq!(window.admit(20_000, 1, WINDOW), Err(60_000));
    }

    #[test]
    fn values_round_trip_and_bad_ones_are_refused() {
        let mut window = Window::default();
        for at in [1_700_000_000_000, 1_700_000_000_001, 1_700_000_030_000] {
            window.admit(at, 10, WINDOW).unwrap();
        }
        let mut bytes = Vec::new();
        window.encode(&mut bytes, WINDOW);
        assert_eq!(value::expires_at(&bytes), Some(1_700_000_090_000));
        assert_eq!(Window::decode(Some(&bytes), Store::Throttle).unwrap(), window);
        bytes.pop();
        assert!(Window::decode(Some(&bytes), Store::Throttle).is_err());
        assert!(Window::decode(Some(b"nonsense"), Store::Throttle).is_err());
    }
}
