//! State as the changelogs hold it, decoded, and compared with the model's.

use super::decide::{State, Tenant, slots};
use super::{LIMITS, SEEN_TTL_MS};
use std::collections::BTreeMap;

/// A tenant's state in a form that both the model's and the changelogs' can be brought into: a readable name, and what it
/// holds.
pub(super) type Readable = BTreeMap<String, String>;

/// The model's state at a time; `seen` tells when each dispatch's result came in.
pub(super) fn of_model(state: &State, seen: Option<&BTreeMap<String, i64>>, now: i64) -> Readable {
    let mut readable = Readable::new();
    for (key, end) in state.dedup.iter().filter(|(_, end)| **end > now) {
        readable.insert(format!("dedup {key}"), end.to_string());
    }
    for ((rule, by), times) in &state.counters {
        let window_ms = LIMITS.iter().find(|limit| limit.name == *rule).map_or(0, |limit| limit.window_ms);
        let left: Vec<_> = slots(rule, times).into_iter().filter(|(last, _)| last + window_ms > now).collect();
        if !left.is_empty() {
            readable.insert(format!("throttle {rule} {}", by.as_deref().unwrap_or_default()), format!("{left:?}"));
        }
    }
    for (dispatch_id, at) in seen.into_iter().flatten().filter(|(_, at)| **at + SEEN_TTL_MS > now) {
        readable.insert(format!("seen {dispatch_id}"), (at + SEEN_TTL_MS).to_string());
    }
    readable
}

/// The partition's clock, as its changelog holds it.
pub(super) fn clock(state: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<i64> {
    Some(i64::from_be_bytes(state.get(&[0x01_u8][..])?.as_slice().try_into().ok()?))
}

/// The changelogs' state at a time, by tenant; what can't be decoded shows as an entry of a tenant without a name.
pub(super) fn of_changelog(state: &BTreeMap<Vec<u8>, Vec<u8>>, now: i64) -> BTreeMap<Tenant, Readable> {
    let mut readable: BTreeMap<Tenant, Readable> = BTreeMap::new();
    for (key, value) in state.iter().filter(|(key, _)| key.as_slice() != [0x01]) {
        let undecodable = || (Tenant::default(), format!("undecodable {key:02x?}"), format!("{value:02x?}"));
        if let Some((tenant, name, held)) = entry(key, value, now).unwrap_or_else(|| Some(undecodable())) {
            readable.entry(tenant).or_default().insert(name, held);
        }
    }
    readable
}

/// An entry's tenant, name, and what it holds.
type Entry = (Tenant, String, String);

/// Decodes an entry: `None` where it can't be, `Some(None)` where it is over.
fn entry(key: &[u8], value: &[u8], now: i64) -> Option<Option<Entry>> {
    let (tag, mut rest) = key.split_first()?;
    let tenant = (take_text(&mut rest)?, take_text(&mut rest)?);
    let (version, value) = value.split_first()?;
    let (end, mut body) = value.split_at_checked(8)?;
    let end = i64::from_be_bytes(end.try_into().ok()?);
    if *version != 1 {
        return None;
    }
    if end <= now {
        return Some(None);
    }
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let (name, held) = match tag {
        // A 0 says that the key was given rather than made from fields.
        0x10 => (format!("dedup {}", utf8(rest.strip_prefix(&[0])?)?), end.to_string()),
        0x11 => {
            let rule = take_text(&mut rest)?;
            let by = match rest.strip_prefix(b"s") {
                Some(mut field) => take_text(&mut field)?,
                None => String::new(),
            };
            let window_ms = LIMITS.iter().find(|limit| limit.name == rule)?.window_ms;
            let left: Vec<_> = take_window(&mut body)?.into_iter().filter(|(last, _)| last + window_ms > now).collect();
            (format!("throttle {rule} {by}"), format!("{left:?}"))
        }
        0x12 => (format!("seen {}", utf8(rest)?), end.to_string()),
        _ => return None,
    };
    Some(Some((tenant, name, held)))
}

/// A text behind its length in two bytes.
fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// A window's slots: the time of each since the one before, and its count.
fn take_window(bytes: &mut &[u8]) -> Option<Vec<(i64, usize)>> {
    let (mut last, mut window) = (0, Vec::new());
    while !bytes.is_empty() {
        last += i64::try_from(take_number(bytes)?).ok()?;
        window.push((last, usize::try_from(take_number(bytes)?).ok()?));
    }
    Some(window)
}

/// Seven bits a byte, the lowest first.
fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    number.iter().rev().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(128)? + u64::from(byte & 0x7f)))
}
