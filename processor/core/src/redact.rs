use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// What audit records must not show: field names, found anywhere in the payload, or dotted paths from its top. Names are
/// compared without regard to case; arrays are looked into, and are no step of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Names and paths, lowercase, split at dots.
    paths: Vec<Vec<String>>,
    placeholder: String,
}

impl Redaction {
    /// Compiles field names and the text that stands in for their values. A leading `payload.` is accepted.
    #[must_use]
    pub fn new(fields: &[String], placeholder: &str) -> Self {
        let paths = fields
            .iter()
            .map(|field| {
                let lower = field.to_lowercase();
                lower.strip_prefix("payload.").unwrap_or(&lower).split('.').map(str::to_owned).collect()
            })
            .collect();
        Self { paths, placeholder: placeholder.to_owned() }
    }

    /// The payload as an audit record may show it: as it came where nothing in it is to be hidden.
    pub(crate) fn apply<'p>(&self, raw: &'p RawValue, payload: &Value) -> Cow<'p, RawValue> {
        if self.paths.is_empty() || !self.finds(payload, &mut Vec::new()) {
            return Cow::Borrowed(raw);
        }
        let mut copy = payload.clone();
        self.hide(&mut copy, &mut Vec::new());
        match to_raw_value(&copy) {
            Ok(redacted) => Cow::Owned(redacted),
            // JSON values always serialise; if one didn't, showing nothing is the safe side.
            Err(_) => Cow::Owned(RawValue::NULL.to_owned()),
        }
    }

    fn matches(&self, path: &[String]) -> bool {
        self.paths.iter().any(|wanted| match wanted.as_slice() {
            [name] => path.last() == Some(name),
            whole => path == whole,
        })
    }

    fn finds(&self, value: &Value, path: &mut Vec<String>) -> bool {
        match value {
            Value::Object(map) => map.iter().any(|(key, inner)| {
                path.push(key.to_lowercase());
                let found = self.matches(path) || self.finds(inner, path);
                path.pop();
                found
            }),
            Value::Array(items) => items.iter().any(|item| self.finds(item, path)),
            _ => false,
        }
    }

    fn hide(&self, value: &mut Value, path: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(key.to_lowercase());
                    if self.matches(path) {
                        *inner = Value::String(self.placeholder.clone());
                    } else {
                        self.hide(inner, path);
                    }
                    path.pop();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item, path)),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hidden_anywhere_and_paths_where_they_lead() {
        let text = r#"{"Password":"a","card":{"number":"4","cvv":"1"},"list":[{"token":{"x":1}}],"number":2}"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        let fields = ["password".to_owned(), "payload.card.number".to_owned(), "TOKEN".to_owned()];
        let shown = Redaction::new(&fields, "[X]").apply(&raw, &value).into_owned();
        let shown: Value = serde_json::from_str(shown.get()).unwrap();
        let wanted = serde_json::json!(
            {"Password":"[X]","card":{"number":"[X]","cvv":"1"},"list":[{"token":"[X]"}],"number":2}
        );
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_payload_with_nothing_to_hide_is_passed_on_as_it_came() {
        let raw = RawValue::from_string(r#"{"a" : 1}"#.to_owned()).unwrap();
        let value = serde_json::json!({"a": 1});
        let shown = Redaction::new(&["password".to_owned()], "[X]");
        assert!(matches!(shown.apply(&raw, &value), Cow::Borrowed(_)));
    }
}
