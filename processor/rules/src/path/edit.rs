//! Changing the payload at a path.

use serde_json::{Map, Value};

use super::{FieldPath, Segment, Target};

impl FieldPath {
    /// Parses the path of a payload field; `action.payload.` and `payload.` may be left out.
    pub(crate) fn parse_payload(text: &str) -> Result<Self, super::PathError> {
        let rest = text.strip_prefix("action.").unwrap_or(text);
        if matches!(rest, "" | "payload" | "action") {
            return Err(super::PathError::new(format!("`{text}` names no field of the payload")));
        }
        let rest = rest.strip_prefix("payload.").unwrap_or(rest);
        Self::parse_rest(&format!("payload.{rest}")).map(|parsed| parsed.path)
    }

    fn payload_segments(&self) -> &[Segment] {
        match &self.target {
            Target::Payload(segments) => segments,
            _ => &[],
        }
    }

    /// Removes the field from a payload; what was there.
    pub(crate) fn take(&self, payload: &mut Value) -> Option<Value> {
        let (last, parents) = self.payload_segments().split_last()?;
        let mut at = payload;
        for segment in parents {
            at = match at {
                Value::Object(map) => map.get_mut(&*segment.key)?,
                Value::Array(items) => items.get_mut(segment.index?)?,
                _ => return None,
            };
        }
        match at {
            Value::Object(map) => map.remove(&*last.key),
            Value::Array(items) => last.index.filter(|index| *index < items.len()).map(|index| items.remove(index)),
            _ => None,
        }
    }

    /// Puts a value at the field. Maps on the way are made, in place of whatever is no map or
    /// list; the index behind a list's last appends. False where a list has no such index: then
    /// the payload stays as it was.
    pub(crate) fn put(&self, payload: &mut Value, value: Value) -> bool {
        let mut at = payload;
        for segment in self.payload_segments() {
            if let Value::Array(items) = at {
                let Some(index) = segment.index.filter(|index| *index <= items.len()) else { return false };
                if index == items.len() {
                    items.push(Value::Null);
                }
                at = &mut items[index];
                continue;
            }
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(map) = at else { return false };
            at = map.entry(&*segment.key).or_insert(Value::Null);
        }
        *at = value;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse_payload(text).unwrap()
    }

    #[test]
    fn prefixes_may_be_left_out() {
        for text in ["action.payload.a.b", "payload.a.b", "a.b"] {
            assert_eq!(path(text).to_string(), "action.payload.a.b");
        }
        assert_eq!(path("payload.payload").to_string(), "action.payload.payload");
        for text in ["", "payload", "action.payload", "action", "a..b", "a[x]"] {
            assert!(FieldPath::parse_payload(text).is_err(), "{text}");
        }
    }

    #[test]
    fn puts_and_makes_the_way() {
        for (payload, at, expected) in [
            (json!({}), "a", json!({"a": 9})),
            (json!({"a": 1}), "a", json!({"a": 9})),
            (json!({}), "a.b.c", json!({"a": {"b": {"c": 9}}})),
            (json!({"a": "text"}), "a.b", json!({"a": {"b": 9}})),
            (json!("text"), "a", json!({"a": 9})),
            (json!({"a": [1, 2]}), "a[0]", json!({"a": [9, 2]})),
            (json!({"a": [1, 2]}), "a.2.b", json!({"a": [1, 2, {"b": 9}]})),
            (json!({"a": [{"b": 1}]}), "a[0].b", json!({"a": [{"b": 9}]})),
            (json!({"0": 1}), "0", json!({"0": 9})),
        ] {
            let mut changed = payload.clone();
            assert!(path(at).put(&mut changed, json!(9)), "{payload} {at}");
            assert_eq!(changed, expected, "{payload} {at}");
        }
        for at in ["a[3]", "a.b", "a.3.b"] {
            let mut payload = json!({"a": [1, 2]});
            assert!(!path(at).put(&mut payload, json!(9)), "{at}");
            assert_eq!(payload, json!({"a": [1, 2]}), "{at}");
        }
    }

    #[test]
    fn takes_what_is_there() {
        for (at, taken, left) in [
            ("a.b", Some(json!(1)), json!({"a": {}, "l": [1, {"x": 2}]})),
            ("l[0]", Some(json!(1)), json!({"a": {"b": 1}, "l": [{"x": 2}]})),
            ("l[1].x", Some(json!(2)), json!({"a": {"b": 1}, "l": [1, {}]})),
            ("l[2]", None, json!({"a": {"b": 1}, "l": [1, {"x": 2}]})),
            ("a.b.c", None, json!({"a": {"b": 1}, "l": [1, {"x": 2}]})),
            ("z", None, json!({"a": {"b": 1}, "l": [1, {"x": 2}]})),
        ] {
            let mut payload = json!({"a": {"b": 1}, "l": [1, {"x": 2}]});
            assert_eq!(path(at).take(&mut payload), taken, "{at}");
            assert_eq!(payload, left, "{at}");
        }
    }
}
