//! Fingerprints: which event an action belongs to.

use acteon_rules::{FieldPath, FieldValue, Subject};
use std::borrow::Cow;

/// Longest fingerprint that is kept as it is, in bytes; a longer one is replaced by its digest.
const MAX_FINGERPRINT_BYTES: usize = 256;

/// A fingerprint as events are kept by it. Commands and rules may name an event by the long text as well.
pub(crate) fn limited(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_FINGERPRINT_BYTES {
        return Cow::Borrowed(text);
    }
    Cow::Owned(hex(&crate::ids::digest(text.as_bytes())))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprint that a rule's or a machine's fields make: their values between colons, in the order of the fields.
///
/// The value of a single field stands there as it is. A field that is missing counts as empty.
pub(crate) fn of_fields(fields: &[FieldPath], subject: &Subject<'_>) -> String {
    let text = match fields {
        [field] => text(&field.read(subject)).into_owned(),
        fields => {
            let values: Vec<String> = fields.iter().map(|field| escaped(&text(&field.read(subject)))).collect();
            values.join(":")
        }
    };
    limited(&text).into_owned()
}

/// The fingerprint of an action that has none and belongs to no machine: its type and its labels.
pub(crate) fn of_labels(subject: &Subject<'_>) -> String {
    let label = |(name, value): (&String, &String)| format!("{}={}", escaped(name), escaped(value));
    let labels: Vec<String> = subject.metadata.iter().map(label).collect();
    let text = format!("{}:{}", escaped(subject.action_type), labels.join(","));
    limited(&text).into_owned()
}

/// Whether any of the fields has a value.
pub(crate) fn has_value(fields: &[FieldPath], subject: &Subject<'_>) -> bool {
    fields.iter().any(|field| !text(&field.read(subject)).is_empty())
}

/// A field's value as text, as labels have it: a number is its digits.
pub(crate) fn text<'v>(value: &FieldValue<'v>) -> Cow<'v, str> {
    match value {
        FieldValue::Null => Cow::Borrowed(""),
        FieldValue::Str(text) => Cow::Borrowed(*text),
        other => Cow::Owned(other.to_value().to_string()),
    }
}

/// The text with a backslash before what sets parts of a fingerprint apart, so that no two lists of values are one text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ':' | ',' | '=' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn fingerprint(fields: &[&str], payload: &Value, labels: &[(&str, &str)]) -> String {
        let metadata: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let extra = serde_json::Map::new();
        let subject = Subject {
            id: "1",
            namespace: "n",
            tenant: "t",
            provider: "p".into(),
            action_type: "alert",
            payload: Cow::Borrowed(payload),
            metadata: &metadata,
            dedup_key: None,
            status: None,
            fingerprint: None,
            extra: &extra,
        };
        if fields.is_empty() {
            return of_labels(&subject);
        }
        let fields: Vec<FieldPath> = fields.iter().map(|field| FieldPath::key_field(field).unwrap()).collect();
        of_fields(&fields, &subject)
    }

    #[test]
    fn fields_make_a_text_that_people_can_read() {
        let payload = json!({"id": "order-1", "n": 7, "colon": "a:b", "long": "x".repeat(300)});
        assert_eq!(fingerprint(&["payload.id"], &payload, &[]), "order-1");
        assert_eq!(fingerprint(&["payload.colon"], &payload, &[]), "a:b");
        assert_eq!(
            fingerprint(&["action_type", "metadata.c", "payload.n"], &payload, &[("c", "prod")]),
            "alert:prod:7"
        );
        assert_eq!(fingerprint(&["payload.gone", "payload.colon"], &payload, &[]), ":a\\:b");
        assert_eq!(fingerprint(&[], &payload, &[("b", "2"), ("a", "1")]), "alert:a=1,b=2");
        let long = fingerprint(&["payload.long"], &payload, &[]);
        assert_eq!((long.len(), &*limited(&"x".repeat(300))), (32, long.as_str()));
    }
}
