//! From a line to a record.

use acteon_schemas::{Action, DecodeError, tenant_key};
use uuid::Uuid;

/// A record of the actions topic, ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The action's id, where it has one.
    pub(super) id: Option<String>,
    /// `namespace:tenant`, where the line is a valid action.
    pub(super) key: Option<String>,
    pub(super) value: Vec<u8>,
}

/// Makes a record of a line; `None` for an empty one. `raw` sends it as it is, whatever it is.
pub(super) fn prepare(line: &[u8], raw: bool) -> Result<Option<Prepared>, DecodeError> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let mut action = match Action::decode(line) {
        Ok(action) => action,
        Err(_) if raw => return Ok(Some(Prepared { id: None, key: None, value: line.to_vec() })),
        Err(error) => return Err(error),
    };
    let key = Some(tenant_key(&action.namespace, &action.tenant));
    if let Some(id) = &action.id {
        return Ok(Some(Prepared { id: Some(id.to_string()), key, value: line.to_vec() }));
    }
    if raw {
        return Ok(Some(Prepared { id: None, key, value: line.to_vec() }));
    }
    let id = Uuid::new_v4().to_string();
    action.id = Some(id.as_str().into());
    let value = serde_json::to_vec(&action)?;
    Ok(Some(Prepared { id: Some(id), key, value }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ACTION: &str = r#"{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{"x": 1}}"#;

    #[test]
    fn an_action_without_id_gets_one_and_keeps_the_rest() {
        let prepared = prepare(ACTION.as_bytes(), false).unwrap().unwrap();
        assert_eq!(prepared.key.as_deref(), Some("n:t"));
        let sent = Action::decode(&prepared.value).unwrap();
        assert_eq!(sent.id.as_deref(), prepared.id.as_deref());
        assert_eq!(sent.payload.get(), r#"{"x": 1}"#);
    }

    #[test]
    fn an_action_with_id_is_sent_as_it_is() {
        let text = ACTION.replacen('{', r#"{ "id":"mine", "#, 1);
        let prepared = prepare(text.as_bytes(), false).unwrap().unwrap();
        assert_eq!(prepared.id.as_deref(), Some("mine"));
        assert_eq!(prepared.value, text.as_bytes());
    }

    #[test]
    fn raw_sends_anything_else_is_refused() {
        assert_eq!(prepare(b"not json", true).unwrap().unwrap().value, b"not json");
        assert_eq!(prepare(ACTION.as_bytes(), true).unwrap().unwrap().value, ACTION.as_bytes());
        assert!(prepare(b"not json", false).unwrap_err().to_string().contains("line 1"));
        assert!(prepare(b"  ", false).unwrap().is_none());
    }
}
