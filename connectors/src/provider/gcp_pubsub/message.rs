use crate::provider::payload::{Invalid, Keys};
use acteon_schemas::Dispatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Most messages of one request, as Pub/Sub has it.
const MAX_MESSAGES: usize = 1_000;
/// Most attributes of a message, as Pub/Sub has it; one is Acteon's.
const MAX_ATTRIBUTES: usize = 100;
/// Attribute with the dispatch's id; where there are several messages, `-` and the message's number come behind it.
const DISPATCH_ID: &str = "acteon-dispatch-id";
/// The keys of a payload that says by itself what the message is.
const KEYS: [&str; 3] = ["data", "attributes", "ordering_key"];

/// The messages of a dispatch, in Pub/Sub's own form. Pure.
pub(super) fn messages(dispatch: &Dispatch<'_>) -> Result<Vec<Value>, Invalid> {
    let id = &*dispatch.dispatch_id;
    let keys = Keys::of(&dispatch.payload);
    if let Some(keys) = keys.as_ref().filter(|keys| keys.has("data") && keys.are_among(&KEYS)) {
        return Ok(vec![message(keys, "", id.to_owned())?]);
    }
    let Some(list) = keys.filter(|keys| keys.are_among(&["messages"])).and_then(|keys| keys.raw("messages")) else {
        return Ok(vec![json!({"data": data(&dispatch.payload), "attributes": {DISPATCH_ID: id}})]);
    };
    let list: Vec<&RawValue> =
        serde_json::from_str(list.get()).map_err(|_| Invalid::new("messages", "must be a list of messages"))?;
    if list.is_empty() || list.len() > MAX_MESSAGES {
        return Err(Invalid::new("messages", format!("must have 1 to {MAX_MESSAGES} entries")));
    }
    let mut messages = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let place = format!("messages[{index}]");
        let keys = Keys::of(raw).filter(|keys| keys.has("data") && keys.are_among(&KEYS)).ok_or_else(|| {
            Invalid::new(&place, "must have `data`, and beside it at most `attributes` and `ordering_key`")
        })?;
        messages.push(message(&keys, &format!("{place}."), format!("{id}-{index}"))?);
    }
    Ok(messages)
}

/// One message; `place` stands before its keys in errors.
fn message(keys: &Keys<'_>, place: &str, id: String) -> Result<Value, Invalid> {
    let invalid = |key: &str, problem: &str| Invalid::new(&format!("{place}{key}"), problem);
    let mut attributes = keys
        .map("attributes")
        .map_err(|_| invalid("attributes", "must be an object whose values are strings"))?
        .unwrap_or_default();
    attributes.insert(DISPATCH_ID.to_owned(), id);
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(invalid("attributes", "has more entries than the 99 that Pub/Sub leaves beside Acteon's own"));
    }
    let ordering_key = keys.text("ordering_key").map_err(|_| invalid("ordering_key", "must be a string"))?;
    let mut message = json!({"data": keys.raw("data").map(data), "attributes": attributes});
    if let Some(key) = ordering_key {
        message["orderingKey"] = Value::from(key);
    }
    Ok(message)
}

/// A string's text, and any other value as JSON, in base64.
fn data(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => STANDARD.encode(text),
        Err(_) => STANDARD.encode(value.get()),
    }
}
