use crate::provider::http::HttpSettings;
use crate::secret::Secret;
use acteon_topology::KafkaConfig;
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Where records go, and in which form. The brokers and the registry are those of whoever runs Acteon, and not subject to
/// `[egress]`.
///
/// A payload is the record's value. One that has `value` and beside it at most `key`, `headers`, `topic` and `partition`
/// says all of that itself.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// The brokers' addresses, `host:port`, with commas between them.
    pub bootstrap_servers: String,
    /// The topic, perhaps with templates over `action.namespace`, `action.tenant`, `action.provider` and
    /// `action.action_type`.
    pub topic: String,
    /// Whether a payload's `topic` goes before that. Whoever sends actions may then write to any topic that this
    /// provider may write to.
    #[serde(default)]
    pub allow_payload_topic: bool,
    /// The record's key, as a template over the dispatch; where it becomes empty, there is no key.
    #[serde(default = "tenant_key")]
    pub key: String,
    /// Headers of every record, as templates over the dispatch.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Properties of librdkafka, as those under `[kafka]`.
    #[serde(default)]
    pub properties: KafkaProperties,
    /// How the value is written.
    #[serde(default)]
    pub format: KafkaFormat,
    /// The address of a Confluent-compatible schema registry, which `format = "avro"` needs.
    #[serde(default)]
    pub schema_registry_url: Option<String>,
    /// The user that the registry knows.
    #[serde(default)]
    pub schema_registry_username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub schema_registry_password: Option<Secret>,
    /// The subject whose latest schema the value is written with; `<topic>-value` where absent.
    #[serde(default)]
    pub subject: Option<String>,
    /// How connections to the registry are made.
    #[serde(default)]
    pub http: HttpSettings,
}

/// How a record's value is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaFormat {
    /// JSON, as it came.
    #[default]
    Json,
    /// Avro with the registry's schema id in front (Confluent's wire format). Fields that the schema doesn't have are left
    /// out.
    Avro,
}

fn tenant_key() -> String {
    "{{ action.namespace }}:{{ action.tenant }}".to_owned()
}

/// librdkafka's properties by name. TOML reads `sasl.username = "x"` as tables within tables: both forms are taken, and
/// numbers and booleans as their text. Each value may be written as a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(pub BTreeMap<String, Secret>);

impl Serialize for KafkaProperties {
    /// Without the values of those that are secrets by their name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.iter().fold(KafkaConfig::new(""), |all, (name, value)| all.with(name, value.expose()));
        let shown = all.redacted();
        serializer.collect_map(self.0.keys().map(|name| (name, &shown[name])))
    }
}

impl<'de> Deserialize<'de> for KafkaProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut properties = BTreeMap::new();
        for (name, property) in BTreeMap::<String, Property>::deserialize(deserializer)? {
            property.flatten(&name, &mut properties).map_err(D::Error::custom)?;
        }
        Ok(Self(properties))
    }
}

/// A property, or a table of those whose names begin alike.
enum Property {
    Value(Secret),
    Table(BTreeMap<String, Property>),
}

impl Property {
    fn flatten(self, name: &str, all: &mut BTreeMap<String, Secret>) -> Result<(), String> {
        match self {
            Self::Table(table) => {
                table.into_iter().try_for_each(|(part, property)| property.flatten(&format!("{name}.{part}"), all))
            }
            Self::Value(value) => match all.insert(name.to_owned(), value) {
                None => Ok(()),
                Some(_) => Err(format!("has `{name}` twice")),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PropertyVisitor)
    }
}

struct PropertyVisitor;

impl<'de> Visitor<'de> for PropertyVisitor {
    type Value = Property;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or a boolean")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Property, E> {
        Secret::deserialize(StrDeserializer::new(text)).map(Property::Value)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Property, E> {
        Ok(Property::Value(Secret::new(value.to_string())))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Property, E> {
        Ok(Property::Value(Secret::new(value.to_string())))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Property, E> {
        Ok(Property::Value(Secret::new(value.to_string())))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Property, E> {
        Ok(Property::Value(Secret::new(value.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Property, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((name, property)) = map.next_entry()? {
            table.insert(name, property);
        }
        Ok(Property::Table(table))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(properties: serde_json::Value) -> Result<KafkaProperties, String> {
        serde_json::from_value(properties).map_err(|error| error.to_string())
    }

    #[test]
    fn properties_come_quoted_or_as_tables_and_show_no_secret() {
        let flat = read(json!({"sasl.username": "acteon", "sasl.password": "hunter2", "linger.ms": 5, "a": true}));
        let nested =
            read(json!({"sasl": {"username": "acteon", "password": "hunter2"}, "linger": {"ms": "5"}, "a": "true"}));
        assert_eq!(flat, nested);
        let properties = flat.unwrap();
        let shown = format!("{properties:?} {}", json!(properties));
        assert!(!shown.contains("hunter2") && json!(properties)["sasl.username"] == "acteon", "{shown}");
    }

    #[test]
    fn bad_properties_are_refused() {
        for (properties, part) in [
            (json!({"a.b": "1", "a": {"b": "2"}}), "has `a.b` twice"),
            (json!({"a": ["1"]}), "expected a string, a number or a boolean"),
            (json!({"a": "env:ACTEON_NO_SUCH_VARIABLE"}), "ACTEON_NO_SUCH_VARIABLE, which is not set"),
        ] {
            let error = read(properties).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}
