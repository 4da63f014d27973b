//! Lists of state, a part at a time.

use crate::keys;
use crate::reply::Reply;
use crate::state::{State, StateError};
use acteon_schemas::Page;
use serde_json::{Map, Value, json};

/// Entries of a part where the command does not say.
const DEFAULT_LIMIT: u32 = 100;
/// Most entries of a part.
const MAX_LIMIT: u32 = 1_000;
/// Most bytes of a part's JSON: it travels in one record.
const MAX_PART_BYTES: usize = 512 * 1024;

/// Lists the entries under `prefix`, in the order of their keys, under `name`: those that `show` makes something of.
///
/// `next`, where there are more, is what the next part begins after.
pub(crate) fn list<S: State>(
    state: &mut S,
    prefix: &[u8],
    page: &Page,
    name: &str,
    mut show: impl FnMut(&[u8], &[u8]) -> Result<Option<Value>, StateError>,
) -> Result<Reply, StateError> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let after = match page.after.as_deref().map(unhex) {
        None => None,
        Some(Some(key)) if key.starts_with(prefix) => Some(key),
        Some(_) => return Ok(Reply::invalid("`after` is not the `next` of a part of this list")),
    };
    let (mut entries, mut next, mut bytes) = (Vec::new(), None, 0);
    for key in state.scan(prefix, keys::MAX_SCAN)? {
        if after.as_ref().is_some_and(|after| key <= *after) {
            continue;
        }
        let Some(entry) = state.get(&key)? else { continue };
        if let Some(shown) = show(&key, entry)? {
            if entries.len() == limit || bytes > MAX_PART_BYTES {
                next = entries.last().map(|(last, _): &(Vec<u8>, Value)| hex(last));
                break;
            }
            bytes += shown.to_string().len();
            entries.push((key, shown));
        }
    }
    let entries: Vec<Value> = entries.into_iter().map(|(_, shown)| shown).collect();
    let mut part = Map::new();
    part.insert("count".to_owned(), json!(entries.len()));
    part.insert(name.to_owned(), Value::Array(entries));
    if let Some(next) = next {
        part.insert("next".to_owned(), Value::String(next));
    }
    Ok(Reply::done(Value::Object(part)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    fn part(state: &mut MemoryState, limit: u32, after: Option<String>) -> Reply {
        list(state, b"p", &Page { limit: Some(limit), after }, "items", |_, entry| Ok(Some(json!(entry)))).unwrap()
    }

    #[test]
    fn parts_follow_each_other_and_end() {
        let mut state = MemoryState::default();
        for n in 0..5_u8 {
            state.put(&[b'p', n], &[n]);
        }
        state.put(b"q", b"other");
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let Reply::Done(found) = part(&mut state, 2, after) else { panic!("refused") };
            seen.extend(found["items"].as_array().unwrap().iter().map(|item| item[0].as_u64().unwrap()));
            match found.get("next") {
                Some(next) => after = next.as_str().map(str::to_owned),
                None => break,
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        for bad in ["zz", "abc", "71"] {
            assert!(
                matches!(part(&mut state, 2, Some(bad.to_owned())), Reply::Refused { code: "INVALID", .. }),
                "{bad}"
            );
        }
    }
}
