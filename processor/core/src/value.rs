use crate::keys::Store;
use crate::state::StateError;
use serde::{Deserialize, Serialize};

/// The version that values are written with.
const VERSION: u8 = 1;
/// Bytes before the body of an expiring value: the version, and the time of expiry (milliseconds since 1970, big-endian).
const HEADER_BYTES: usize = 9;

/// The time of a value that never ends, or whose timer is not set.
pub(crate) const NEVER: i64 = i64::MAX;

/// When an expiring value ends, or a timed one is due, in milliseconds since 1970; `None` where it has no such header.
#[must_use]
pub fn expires_at(value: &[u8]) -> Option<i64> {
    let bytes = value.get(1..HEADER_BYTES)?;
    (value[0] == VERSION).then(|| i64::from_be_bytes(bytes.try_into().unwrap_or_default()))
}

/// Whether an expiring value is over at `now`: a step treats it as absent, and a store may drop it.
#[must_use]
pub fn is_expired(value: &[u8], now: i64) -> bool {
    expires_at(value).is_some_and(|at| at <= now)
}

/// Begins an expiring value.
pub(crate) fn begin(out: &mut Vec<u8>, expires_at: i64) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&expires_at.to_be_bytes());
}

/// Whether a store holds a value that is not over at `now`.
pub(crate) fn is_set(stored: Option<&[u8]>, store: Store, now: i64) -> Result<bool, StateError> {
    match stored {
        None => Ok(false),
        Some(bytes) => Ok(split(bytes, store)?.0 > now),
    }
}

/// Splits an expiring value into its time of expiry and its body.
pub(crate) fn split(value: &[u8], store: Store) -> Result<(i64, &[u8]), StateError> {
    match expires_at(value) {
        Some(at) => Ok((at, &value[HEADER_BYTES..])),
        None => Err(StateError::Corrupt { store: store.name(), problem: "unknown version or cut short" }),
    }
}

/// A value of JSON behind its time.
pub(crate) fn encode(at: i64, body: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    begin(&mut out, at);
    // State holds strings, numbers and JSON text alone, which always serialise, and a vector takes all that is written.
    if serde_json::to_writer(&mut out, body).is_err() {
        out.truncate(HEADER_BYTES);
    }
    out
}

/// Reads a value that [`encode`] wrote: its time and its body.
pub(crate) fn decode<'v, T: Deserialize<'v>>(value: &'v [u8], store: Store) -> Result<(i64, T), StateError> {
    let (at, body) = split(value, store)?;
    let body = serde_json::from_slice(body)
        .map_err(|_| StateError::Corrupt { store: store.name(), problem: "its JSON is not of the expected shape" })?;
    Ok((at, body))
}

/// Appends an unsigned number, seven bits a byte, the lowest first.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number that [`push_varint`] wrote off the front.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_varint(&mut out, number);
            assert_eq!(take_varint(&mut out.as_slice()), Some(number));
            out.pop();
            assert_eq!(take_varint(&mut out.as_slice()), None);
        }
    }

    #[test]
    fn the_header_tells_the_end() {
        let mut value = Vec::new();
        begin(&mut value, 1000);
        assert!(!is_expired(&value, 999));
        assert!(is_expired(&value, 1000));
        assert_eq!(expires_at(b"\x02________"), None);
        assert!(split(b"\x01short", Store::Dedup).is_err());
    }
}
