use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The labels of an action: a flat map of strings.
///
/// Read flat (`{"cluster":"prod"}`) or under `labels` (`{"labels":{"cluster":"prod"}}`), as the original's clients send
/// both; always written flat. Numbers and booleans are taken as their text; nested values are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(pub BTreeMap<String, String>);

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetadataVisitor { nested: false })
    }
}

/// The labels of an audit record: the action's own, and what a replay needs beside the payload, in one flat map.
///
/// Read back, all of them are labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditLabels<'a> {
    /// The action's labels.
    pub labels: Cow<'a, Metadata>,
    /// `__dedup_key`, where the action has one.
    pub dedup_key: Option<Cow<'a, str>>,
    /// `__fingerprint`, where the action has one.
    pub fingerprint: Option<Cow<'a, str>>,
    /// `__status`, where the action has one.
    pub status: Option<Cow<'a, str>>,
}

impl AuditLabels<'_> {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.0.is_empty() && self.dedup_key.is_none() && self.fingerprint.is_none() && self.status.is_none()
    }
}

impl Serialize for AuditLabels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let replay =
            [("__dedup_key", &self.dedup_key), ("__fingerprint", &self.fingerprint), ("__status", &self.status)];
        for (name, value) in replay {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.labels.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for AuditLabels<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { labels: Cow::Owned(Metadata::deserialize(deserializer)?), ..Self::default() })
    }
}

struct MetadataVisitor {
    nested: bool,
}

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`metadata`: an object of strings, flat or under `labels`")
    }

    fn visit_unit<E>(self) -> Result<Metadata, E> {
        Ok(Metadata::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            match map.next_value::<Label>()? {
                Label::Text(text) => {
                    labels.insert(key, text);
                }
                Label::Null => {}
                Label::Nested(inner) if key == "labels" && !self.nested => labels.extend(inner.0),
                Label::Nested(_) => {
                    return Err(A::Error::custom(format_args!(
                        "`metadata.{key}` must be a string; only `labels` may hold an object"
                    )));
                }
            }
        }
        Ok(Metadata(labels))
    }
}

enum Label {
    Text(String),
    Null,
    Nested(Metadata),
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelVisitor;
        impl<'de> Visitor<'de> for LabelVisitor {
            type Value = Label;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string as the value of a `metadata` label")
            }
            fn visit_str<E>(self, v: &str) -> Result<Label, E> {
                Ok(Label::Text(v.to_owned()))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Label, E> {
                Ok(Label::Text(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Label, E> {
                Ok(Label::Text(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Label, E> {
                Ok(Label::Text(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Label, E> {
                Ok(Label::Text(v.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Label, E> {
                Ok(Label::Null)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Label, A::Error> {
                MetadataVisitor { nested: true }.visit_map(map).map(Label::Nested)
            }
        }
        deserializer.deserialize_any(LabelVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Metadata, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn flat_and_labels_are_the_same() {
        let flat = parse(r#"{"cluster":"prod","floor":3,"hot":true,"gone":null}"#).unwrap();
        let nested = parse(r#"{"labels":{"cluster":"prod","floor":3,"hot":true}}"#).unwrap();
        assert_eq!(flat, nested);
        assert_eq!(flat.0["floor"], "3");
        assert_eq!(serde_json::to_string(&flat).unwrap(), r#"{"cluster":"prod","floor":"3","hot":"true"}"#);
    }

    #[test]
    fn nested_values_are_refused_by_name() {
        assert!(parse(r#"{"a":{"b":"c"}}"#).unwrap_err().contains("`metadata.a`"));
        assert!(parse(r#"{"labels":{"a":{"b":"c"}}}"#).unwrap_err().contains("must be a string"));
        assert!(parse(r#"[1]"#).unwrap_err().contains("`metadata`"));
        assert_eq!(parse("null").unwrap(), Metadata::default());
    }
}
