use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{MAX_DEDUP_KEY_BYTES, MAX_NAME_BYTES, check_depth, check_name, check_size};
use crate::metadata::Metadata;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// What an application asks for: one record of the actions topic.
///
/// Borrows from the record's bytes, so that a payload that no rule changes is passed on as it came.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// The producer's id; where absent, the processor makes one from the record's coordinates.
    pub id: Option<Cow<'a, str>>,
    /// First half of the scope that all state belongs to.
    pub namespace: Cow<'a, str>,
    /// Second half of the scope.
    pub tenant: Cow<'a, str>,
    /// Configured name of the provider that shall perform the action.
    pub provider: Cow<'a, str>,
    /// What kind of action it is; rules tell actions apart by it.
    pub action_type: Cow<'a, str>,
    /// Any JSON, as it came.
    pub payload: Cow<'a, RawValue>,
    /// Labels.
    pub metadata: Metadata,
    /// Two actions of one tenant with the same key are duplicates in the eyes of a `deduplicate` rule.
    pub dedup_key: Option<Cow<'a, str>>,
    /// The state that an event shall enter.
    pub status: Option<Cow<'a, str>>,
    /// The event that the action belongs to.
    pub fingerprint: Option<Cow<'a, str>>,
    /// When the producer made the action (RFC 3339).
    pub created_at: Option<Cow<'a, str>>,
    /// When the action shall be performed (RFC 3339).
    pub dispatch_at: Option<Cow<'a, str>>,
    /// All other top-level fields, known (`starts_at`, `template`, `attachments`, …) or not: kept and passed on.
    pub extra: Map<String, Value>,
}

impl<'a> Action<'a> {
    /// Decodes the value of a record of the actions topic.
    ///
    /// # Errors
    /// The value is empty, too large, too deep, not JSON, lacks a required field or has one of the wrong type.
    pub fn decode(value: &'a [u8]) -> Result<Self, DecodeError> {
        check_size(value)?;
        match value.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Err(DecodeErrorKind::Empty.into()),
            // A byte that can't begin JSON text of any kind is a framing of some sort.
            Some(&byte) if !(0x20..0x80).contains(&byte) => {
                return Err(DecodeErrorKind::WrongMagicByte { byte }.into());
            }
            Some(_) => {}
        }
        check_depth(value)?;
        let action: Self = serde_json::from_slice(value)?;
        action.check()?;
        Ok(action)
    }

    /// A name among the fields that are only passed on, such as `caller_id`, `signer_id` and `kid`; `None` where it is absent
    /// or no name.
    #[must_use]
    pub fn name_in<'m>(extra: &'m Map<String, Value>, field: &str) -> Option<&'m str> {
        extra.get(field).and_then(Value::as_str).filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()))
    }

    /// Checks the limits that the type system doesn't.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Field`] for an empty or over-long name.
    pub fn check(&self) -> Result<(), DecodeError> {
        check_name("namespace", &self.namespace, MAX_NAME_BYTES)?;
        check_name("tenant", &self.tenant, MAX_NAME_BYTES)?;
        check_name("provider", &self.provider, MAX_NAME_BYTES)?;
        check_name("action_type", &self.action_type, MAX_NAME_BYTES)?;
        if let Some(id) = &self.id {
            check_name("id", id, MAX_NAME_BYTES)?;
        }
        if let Some(key) = &self.dedup_key {
            check_name("dedup_key", key, MAX_DEDUP_KEY_BYTES)?;
        }
        Ok(())
    }
}

impl Serialize for Action<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = &self.id {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("namespace", &self.namespace)?;
        map.serialize_entry("tenant", &self.tenant)?;
        map.serialize_entry("provider", &self.provider)?;
        map.serialize_entry("action_type", &self.action_type)?;
        map.serialize_entry("payload", &self.payload)?;
        if !self.metadata.0.is_empty() {
            map.serialize_entry("metadata", &self.metadata)?;
        }
        for (name, value) in [
            ("dedup_key", &self.dedup_key),
            ("status", &self.status),
            ("fingerprint", &self.fingerprint),
            ("created_at", &self.created_at),
            ("dispatch_at", &self.dispatch_at),
        ] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Action<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ActionVisitor)
    }
}

/// The known fields while they are being read.
#[derive(Default)]
struct Fields<'a> {
    id: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    tenant: Option<Cow<'a, str>>,
    provider: Option<Cow<'a, str>>,
    action_type: Option<Cow<'a, str>>,
    payload: Option<Cow<'a, RawValue>>,
    metadata: Metadata,
    dedup_key: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    fingerprint: Option<Cow<'a, str>>,
    created_at: Option<Cow<'a, str>>,
    dispatch_at: Option<Cow<'a, str>>,
    extra: Map<String, Value>,
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = Action<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action: a JSON object with namespace, tenant, provider, action_type and payload")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "id" => text(&mut map, "id", &mut fields.id)?,
                "namespace" => text(&mut map, "namespace", &mut fields.namespace)?,
                "tenant" => text(&mut map, "tenant", &mut fields.tenant)?,
                "provider" => text(&mut map, "provider", &mut fields.provider)?,
                "action_type" => text(&mut map, "action_type", &mut fields.action_type)?,
                "payload" => fields.payload = Some(Cow::Borrowed(map.next_value::<&'de RawValue>()?)),
                "metadata" => fields.metadata = map.next_value()?,
                "dedup_key" => text(&mut map, "dedup_key", &mut fields.dedup_key)?,
                "status" => text(&mut map, "status", &mut fields.status)?,
                "fingerprint" => text(&mut map, "fingerprint", &mut fields.fingerprint)?,
                "created_at" => text(&mut map, "created_at", &mut fields.created_at)?,
                "dispatch_at" => text(&mut map, "dispatch_at", &mut fields.dispatch_at)?,
                _ => {
                    let value = map.next_value()?;
                    fields.extra.insert(key.0.into_owned(), value);
                }
            }
        }
        fields.finish().map_err(A::Error::custom)
    }
}

/// Reads a string or null into `slot`; the error names the field.
fn text<'de, A: MapAccess<'de>>(
    map: &mut A,
    field: &'static str,
    slot: &mut Option<Cow<'de, str>>,
) -> Result<(), A::Error> {
    *slot = map.next_value_seed(TextSeed(field))?;
    Ok(())
}

impl<'a> Fields<'a> {
    fn finish(self) -> Result<Action<'a>, String> {
        let missing = |field: &str| {
            format!("missing field `{field}`: an action needs namespace, tenant, provider, action_type and payload")
        };
        Ok(Action {
            id: self.id,
            namespace: self.namespace.ok_or_else(|| missing("namespace"))?,
            tenant: self.tenant.ok_or_else(|| missing("tenant"))?,
            provider: self.provider.ok_or_else(|| missing("provider"))?,
            action_type: self.action_type.ok_or_else(|| missing("action_type"))?,
            payload: self.payload.ok_or_else(|| missing("payload"))?,
            metadata: self.metadata,
            dedup_key: self.dedup_key,
            status: self.status,
            fingerprint: self.fingerprint,
            created_at: self.created_at,
            dispatch_at: self.dispatch_at,
            extra: self.extra,
        })
    }
}

/// An object key, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor("a key")).map(|text| Text(text.unwrap_or_default()))
    }
}

struct TextSeed(&'static str);

impl<'de> serde::de::DeserializeSeed<'de> for TextSeed {
    type Value = Option<Cow<'de, str>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(TextVisitor(self.0))
    }
}

struct TextVisitor(&'static str);

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string for field `{}`", self.0)
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v.to_owned())))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{"x": [1, 2]},
        "metadata":{"labels":{"k":"v"}},"template":"profile","id":null}"#;

    #[test]
    fn what_is_optional_may_be_absent_and_what_is_unknown_is_kept() {
        let action = Action::decode(GOOD.as_bytes()).unwrap();
        assert_eq!(action.id, None);
        assert_eq!(action.payload.get(), r#"{"x": [1, 2]}"#);
        assert_eq!(action.metadata.0["k"], "v");
        assert_eq!(action.extra["template"], "profile");
        let text = serde_json::to_string(&action).unwrap();
        assert_eq!(
            text,
            r#"{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{"x": [1, 2]},"metadata":{"k":"v"},"template":"profile"}"#
        );
    }

    #[test]
    fn each_bad_record_has_its_code_and_names_the_place() {
        let deep = format!(
            r#"{{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{}{}}}"#,
            "[".repeat(64),
            "]".repeat(64)
        );
        let cases: [(&[u8], &str, &str); 9] = [
            (b"", "EMPTY", "no value"),
            (b"not json", "INVALID_JSON", "line 1"),
            (b"[1]", "INVALID_JSON", "an action"),
            (b"\x00\x00\x00\x00\x01x", "WRONG_MAGIC_BYTE", "0x00"),
            (b"\x07abc", "WRONG_MAGIC_BYTE", "0x07"),
            (br#"{"namespace":"n"}"#, "INVALID_JSON", "missing field `tenant`"),
            (br#"{"namespace":7}"#, "INVALID_JSON", "field `namespace`"),
            (
                br#"{"namespace":"","tenant":"t","provider":"p","action_type":"a","payload":{}}"#,
                "INVALID_FIELD",
                "`namespace`",
            ),
            (deep.as_bytes(), "TOO_DEEP", "64"),
        ];
        for (value, code, part) in cases {
            let error = Action::decode(value).unwrap_err();
            assert_eq!(error.kind.code(), code, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
