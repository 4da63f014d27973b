//! `kafka`: one record a dispatch, in a topic of any cluster, as JSON or as Avro with a schema registry.

mod avro;
mod outcome;
mod producer;
mod record;
mod settings;

pub use settings::{KafkaFormat, KafkaProperties, KafkaSettings};

use super::{Call, Outcome, Provider, Tools};
use crate::error::Error;
use avro::Registry;
use futures::future::BoxFuture;
use producer::Producer;
use record::Builder;

impl KafkaSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.http.validate(name)?;
        Registry::new(name, self)?;
        producer::properties(name, self)?;
        Builder::new(name, self).map(drop)
    }
}

/// Writes a record for each dispatch and waits until all replicas have it.
///
/// The producer is idempotent, so that Kafka drops what it sends twice by itself. A dispatch that is attempted twice makes
/// two records with the same header `acteon-dispatch-id`, by which consumers may drop the second.
pub(crate) struct Kafka {
    builder: Builder,
    producer: Producer,
    registry: Option<Registry>,
}

impl Kafka {
    pub(crate) fn new(name: &str, settings: &KafkaSettings, _tools: &Tools) -> Result<Self, Error> {
        settings.http.validate(name)?;
        Ok(Self {
            builder: Builder::new(name, settings)?,
            producer: Producer::new(name, producer::properties(name, settings)?)?,
            registry: Registry::new(name, settings)?,
        })
    }

    async fn send(&self, call: Call<'_>) -> Outcome {
        let record = match self.builder.record(call.dispatch, call.trace) {
            Ok(record) => record,
            Err(invalid) => return invalid.outcome(),
        };
        let encoded;
        let value = match &self.registry {
            None => record.value.get().as_bytes(),
            Some(registry) => match registry.encode(&record).await {
                Ok(bytes) => {
                    encoded = bytes;
                    encoded.as_slice()
                }
                Err(outcome) => return outcome,
            },
        };
        outcome::classify(&record.topic, self.producer.send(&record, value).await)
    }
}

impl Provider for Kafka {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(call))
    }
}
