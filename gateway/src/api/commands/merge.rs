//! Entries of lists, found and changed in part.

use crate::api::ApiError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The entry of a list's answer that has an id; `what` names its kind.
///
/// # Errors
/// 404 where there is none.
pub(super) fn find(mut answer: Value, list: &str, what: &str, id: &str) -> Result<Value, ApiError> {
    let entries = answer[list].as_array_mut().map(std::mem::take).unwrap_or_default();
    let found = entries.into_iter().find(|entry| entry["id"] == id);
    found.ok_or_else(|| ApiError::refused("NOT_FOUND", &format!("there is no {what} `{id}`")))
}

/// What is there, with a change over it: of `found` the scope and `fields`, of `change` everything.
///
/// # Errors
/// 422 where the whole is not what it must be.
pub(super) fn merged<T: DeserializeOwned>(
    found: &Value,
    fields: &[&str],
    change: Map<String, Value>,
) -> Result<T, ApiError> {
    let mut whole = Map::new();
    for field in ["namespace", "tenant"].iter().chain(fields) {
        if let Some(value) = found.get(*field) {
            whole.insert((*field).to_owned(), value.clone());
        }
    }
    for (field, value) in change {
        if ["namespace", "tenant"].contains(&field.as_str()) && whole.get(&field) != Some(&value) {
            let message = format!("field `{field}`: can't be changed");
            return Err(ApiError::unprocessable("INVALID_FIELD", message));
        }
        whole.insert(field, value);
    }
    let read = serde_json::from_value(Value::Object(whole));
    read.map_err(|error| ApiError::unprocessable("INVALID_BODY", error.to_string()))
}
