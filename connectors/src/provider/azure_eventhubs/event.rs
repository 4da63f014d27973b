use crate::provider::payload::{Invalid, Keys};
use acteon_schemas::Dispatch;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most events of one dispatch.
pub(super) const MAX_EVENTS: usize = 1_000;
/// Longest partition key, in bytes, as Event Hubs has it.
const MAX_PARTITION_KEY_BYTES: usize = 128;
/// Most properties of an event.
const MAX_PROPERTIES: usize = 64;
/// Property with the dispatch's id; in a batch, `-` and the event's number come behind it.
pub(super) const DISPATCH_ID: &str = "acteon-dispatch-id";

/// What is sent in one request.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) partition_key: Option<String>,
    /// In Event Hubs' own form.
    pub(super) events: Vec<Value>,
}

impl Batch {
    /// The request's body.
    pub(super) fn body(&self) -> String {
        Value::from(self.events.clone()).to_string()
    }
}

/// The events of a dispatch. Pure.
pub(super) fn batch(dispatch: &Dispatch<'_>) -> Result<Batch, Invalid> {
    let id = &*dispatch.dispatch_id;
    let Some(keys) = Keys::of(&dispatch.payload) else { return Ok(Batch::one(&text(&dispatch.payload), id)) };
    let is_batch = keys.has("events") && keys.are_among(&["events", "partition_key"]);
    let is_event = keys.has("body") && keys.are_among(&["body", "properties", "partition_key"]);
    if !is_batch && !is_event {
        return Ok(Batch::one(dispatch.payload.get(), id));
    }
    let partition_key = partition_key(&keys)?;
    if is_event {
        let mut event = json!({});
        fill(&mut event, &keys, "", id.to_owned())?;
        return Ok(Batch { partition_key, events: vec![event] });
    }
    let list: Vec<&RawValue> = keys
        .raw("events")
        .and_then(|list| serde_json::from_str(list.get()).ok())
        .ok_or_else(|| Invalid::new("events", "must be a list of events"))?;
    if list.is_empty() || list.len() > MAX_EVENTS {
        return Err(Invalid::new("events", format!("must have 1 to {MAX_EVENTS} entries")));
    }
    let mut events = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let place = format!("events[{index}]");
        let keys = Keys::of(raw).filter(|keys| keys.has("body") && keys.are_among(&["body", "properties"]));
        let keys = keys.ok_or_else(|| Invalid::new(&place, "must have `body`, and beside it at most `properties`"))?;
        let mut event = json!({});
        fill(&mut event, &keys, &format!("{place}."), format!("{id}-{index}"))?;
        events.push(event);
    }
    Ok(Batch { partition_key, events })
}

impl Batch {
    fn one(body: &str, id: &str) -> Self {
        let event = json!({"Body": body, "UserProperties": {DISPATCH_ID: id}});
        Self { partition_key: None, events: vec![event] }
    }
}

/// Writes body and properties of an event; `place` stands before its keys in errors.
fn fill(event: &mut Value, keys: &Keys<'_>, place: &str, id: String) -> Result<(), Invalid> {
    let name = format!("{place}properties");
    let problem = "must be an object whose values are strings";
    let properties: BTreeMap<String, String> =
        keys.map("properties").map_err(|_| Invalid::new(&name, problem))?.unwrap_or_default();
    if properties.len() > MAX_PROPERTIES {
        return Err(Invalid::new(&name, format!("must have at most {MAX_PROPERTIES} entries")));
    }
    let mut properties: Map<String, Value> =
        properties.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
    properties.insert(DISPATCH_ID.to_owned(), Value::from(id));
    event["Body"] = Value::from(keys.raw("body").map(text).unwrap_or_default());
    event["UserProperties"] = Value::from(properties);
    Ok(())
}

/// The partition key, which becomes a part of a header.
fn partition_key(keys: &Keys<'_>) -> Result<Option<String>, Invalid> {
    let key = keys.text("partition_key")?;
    let is_good =
        |key: &String| key.len() <= MAX_PARTITION_KEY_BYTES && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match key {
        Some(key) if !is_good(&key) => {
            let problem = format!("must have at most {MAX_PARTITION_KEY_BYTES} characters, all of them visible ASCII");
            Err(Invalid::new("partition_key", problem))
        }
        key => Ok(key),
    }
}

/// A string's text, and any other value as JSON.
fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
