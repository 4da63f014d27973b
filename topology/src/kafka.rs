use crate::Error;
use rdkafka::ClientConfig;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The one property that every client needs.
const BOOTSTRAP: &str = "bootstrap.servers";
/// Most properties taken; librdkafka knows fewer than 200.
const MAX_PROPERTIES: usize = 256;
/// What a secret is shown as.
const REDACTED: &str = "[REDACTED]";
/// A property with one of these in its name is a secret.
const SECRET_PARTS: [&str; 7] =
    ["password", "secret", "passphrase", "jaas", "key.pem", "keystore.pem", "oauthbearer.config"];

/// librdkafka's properties, passed through as they are: the `[kafka]` section.
///
/// There is always a `bootstrap.servers`. `Debug` hides secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    properties: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// With nothing but the brokers' addresses (`host:port`, separated by commas).
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        Self { properties: BTreeMap::from([(BOOTSTRAP.to_owned(), bootstrap.to_owned())]) }
    }

    /// From librdkafka's properties.
    ///
    /// # Errors
    /// [`Error::Invalid`] without `bootstrap.servers`, or with more than 256 properties.
    pub fn from_properties(properties: BTreeMap<String, String>) -> Result<Self, Error> {
        if properties.len() > MAX_PROPERTIES {
            let count = properties.len();
            return Err(Error::Invalid(format!("`[kafka]` has {count} properties; the limit is {MAX_PROPERTIES}")));
        }
        match properties.get(BOOTSTRAP) {
            Some(servers) if !servers.trim().is_empty() => Ok(Self { properties }),
            _ => Err(Error::Invalid(
                "`[kafka]` has no `bootstrap.servers`; set it to the brokers' addresses, as in \"kafka-1:9092,kafka-2:9092\""
                    .to_owned(),
            )),
        }
    }

    /// The same with one property set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The properties as given, secrets included.
    #[must_use]
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    /// The brokers' addresses.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        self.properties.get(BOOTSTRAP).map_or("", String::as_str)
    }

    /// A client configuration with all properties set. What a role needs of its own (transactional id, group, …) is set
    /// on top of it.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// A client configuration for a producer of ours: idempotent, with the partitioner that puts a tenant's records where
    /// the processor looks for them. How long records may take and how they are batched is set on top of it.
    #[must_use]
    pub fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// The properties with secrets hidden, to show to people.
    #[must_use]
    pub fn redacted(&self) -> BTreeMap<String, String> {
        self.properties
            .iter()
            .map(|(name, value)| (name.clone(), if is_secret(name) { REDACTED.to_owned() } else { value.clone() }))
            .collect()
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.redacted()).finish()
    }
}

impl<'de> Deserialize<'de> for KafkaConfig {
    /// Takes names in quotes and without: TOML reads `sasl.username = "x"` as tables within tables. Numbers and
    /// booleans are taken as their text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tables = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut properties = BTreeMap::new();
        for (name, value) in tables {
            flatten(&name, value, &mut properties).map_err(D::Error::custom)?;
        }
        Self::from_properties(properties).map_err(D::Error::custom)
    }
}

fn flatten(name: &str, value: Value, properties: &mut BTreeMap<String, String>) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Object(table) => {
            for (part, value) in table {
                flatten(&format!("{name}.{part}"), value, properties)?;
            }
            return Ok(());
        }
        Value::Array(_) | Value::Null => {
            return Err(format!("`kafka.{name}` must be a string, a number or a boolean"));
        }
    };
    if properties.insert(name.to_owned(), text).is_some() {
        return Err(format!("`kafka.{name}` is given twice"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<KafkaConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn dotted_names_come_quoted_or_as_tables() {
        let flat = parse(r#"{"bootstrap.servers":"a:1","socket.timeout.ms":5000,"enable.idempotence":true}"#).unwrap();
        let nested =
            parse(r#"{"bootstrap":{"servers":"a:1"},"socket":{"timeout":{"ms":5000}},"enable":{"idempotence":true}}"#)
                .unwrap();
        assert_eq!(flat, nested);
        assert_eq!(flat.bootstrap(), "a:1");
        assert_eq!(flat.client().get("socket.timeout.ms"), Some("5000"));
        assert_eq!(flat.client().get("enable.idempotence"), Some("true"));
    }

    #[test]
    fn bad_sections_are_refused_with_the_property() {
        assert!(parse("{}").unwrap_err().contains("`bootstrap.servers`"));
        assert!(parse(r#"{"bootstrap.servers":" "}"#).unwrap_err().contains("`bootstrap.servers`"));
        assert!(parse(r#"{"bootstrap.servers":["a:1"]}"#).unwrap_err().contains("`kafka.bootstrap.servers`"));
        let twice = r#"{"bootstrap.servers":"a:1","bootstrap":{"servers":"b:1"}}"#;
        assert!(parse(twice).unwrap_err().contains("twice"));
        let many: BTreeMap<String, String> = (0..=MAX_PROPERTIES).map(|i| (i.to_string(), String::new())).collect();
        assert!(KafkaConfig::from_properties(many).unwrap_err().to_string().contains("the limit is 256"));
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let config = KafkaConfig::new("a:1")
            .with("sasl.password", "hunter2")
            .with("ssl.key.password", "hunter2")
            .with("ssl.key.pem", "hunter2")
            .with("sasl.oauthbearer.client.secret", "hunter2")
            .with("sasl.username", "acteon");
        assert!(!format!("{config:?} {:?}", config.redacted()).contains("hunter2"));
        assert_eq!(config.redacted()["sasl.username"], "acteon");
        assert_eq!(config.client().get("sasl.password"), Some("hunter2"));
    }
}
