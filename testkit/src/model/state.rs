//! State as the changelogs hold it, decoded, and compared with the model's.

use super::decide::{State, slots};
use super::{LIMITS, SEEN_TTL_MS};
use std::collections::BTreeMap;

/// A partition's state in a form that both the model's and the changelogs' can be brought into: a readable name, and
/// what it holds.
pub(super) type Readable = BTreeMap<String, String>;

/// The model's state at a time.
pub(super) fn of_model(state: &State, seen: &BTreeMap<String, i64>, now: i64) -> Readable {
    let mut readable = Readable::new();
    for ((namespace, tenant, key), end) in state.dedup.iter().filter(|(_, end)| **end > now) {
        readable.insert(format!("dedup {namespace} {tenant} {key}"), end.to_string());
    }
    for ((namespace, tenant, rule, by), times) in &state.counters {
        let window_ms = LIMITS.iter().find(|limit| limit.name == *rule).map_or(0, |limit| limit.window_ms);
        let left: Vec<_> = slots(rule, times).into_iter().filter(|(last, _)| last + window_ms > now).collect();
        if !left.is_empty() {
            let by = by.as_deref().unwrap_or_default();
            readable.insert(format!("throttle {namespace} {tenant} {rule} {by}"), format!("{left:?}"));
        }
    }
    for (name, told_at) in seen.iter().filter(|(_, at)| **at + SEEN_TTL_MS > now) {
        readable.insert(name.clone(), (told_at + SEEN_TTL_MS).to_string());
    }
    readable
}

/// The name of a dispatch whose result has come in.
pub(super) fn seen_name(namespace: &str, tenant: &str, dispatch_id: &str) -> String {
    format!("seen {namespace} {tenant} {dispatch_id}")
}

/// The partition's clock, as its changelog holds it.
pub(super) fn clock(state: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<i64> {
    Some(i64::from_be_bytes(state.get(&[0x01_u8][..])?.as_slice().try_into().ok()?))
}

/// The changelogs' state at a time; what can't be decoded shows as an entry of its own.
pub(super) fn of_changelog(state: &BTreeMap<Vec<u8>, Vec<u8>>, now: i64) -> Readable {
    let mut readable = Readable::new();
    for (key, value) in state.iter().filter(|(key, _)| key.as_slice() != [0x01]) {
        match entry(key, value, now) {
            Some(Some((name, held))) => _ = readable.insert(name, held),
            Some(None) => {}
            None => _ = readable.insert(format!("undecodable {key:02x?}"), format!("{value:02x?}")),
        }
    }
    readable
}

/// Decodes an entry: `None` where it can't be, `Some(None)` where it is over.
fn entry(key: &[u8], value: &[u8], now: i64) -> Option<Option<(String, String)>> {
    let (tag, mut rest) = key.split_first()?;
    let namespace = take_text(&mut rest)?;
    let tenant = take_text(&mut rest)?;
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
    let readable = match tag {
        // A 0 says that the key was given rather than made from fields.
        0x10 => (format!("dedup {namespace} {tenant} {}", utf8(rest.strip_prefix(&[0])?)?), end.to_string()),
        0x11 => {
            let rule = take_text(&mut rest)?;
            let by = match rest.strip_prefix(b"s") {
                Some(mut field) => take_text(&mut field)?,
                None => String::new(),
            };
            let window_ms = LIMITS.iter().find(|limit| limit.name == rule)?.window_ms;
            let left: Vec<_> = take_window(&mut body)?.into_iter().filter(|(last, _)| last + window_ms > now).collect();
            (format!("throttle {namespace} {tenant} {rule} {by}"), format!("{left:?}"))
        }
        0x12 => (seen_name(&namespace, &tenant, &utf8(rest)?), end.to_string()),
        _ => return None,
    };
    Some(Some(readable))
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
