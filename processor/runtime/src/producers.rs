use crate::kafka::{KafkaSink, Member};
use crate::log::{LogError, OutTopic, Sink};
use acteon_topology::{KafkaConfig, Names};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;

/// A worker's transactions out.
pub type Producer = Box<dyn Sink<Member> + Send>;

type Connect = dyn Fn(&str) -> Result<Producer, LogError> + Send + Sync;

/// Makes the workers' producers.
#[derive(Clone)]
pub struct Producers(Arc<Connect>);

impl fmt::Debug for Producers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producers").finish_non_exhaustive()
    }
}

impl Producers {
    /// Producers made by `connect` from a worker's transactional id: it ends what an older one with this id left open, and
    /// fences it.
    pub fn new(connect: impl Fn(&str) -> Result<Producer, LogError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(connect))
    }

    /// Kafka's, over the network.
    #[must_use]
    pub fn of_kafka(kafka: &KafkaConfig, names: &Names) -> Self {
        let (kafka, names) = (kafka.clone(), names.clone());
        Self::new(move |id| Ok(Box::new(KafkaSink::connect(&kafka, &names, id)?)))
    }

    pub(crate) fn connect(&self, transactional_id: &str) -> Result<Producer, LogError> {
        (self.0)(transactional_id)
    }
}

/// Names of the topics that a worker writes, by what they are.
#[derive(Debug)]
pub struct OutTopicNames {
    names: Names,
    dispatch: FxHashMap<String, String>,
}

impl OutTopicNames {
    /// Those that belong to these names.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        Self { names: names.clone(), dispatch: FxHashMap::default() }
    }

    /// A topic's name.
    pub fn of(&mut self, topic: OutTopic<'_>) -> &str {
        match topic {
            OutTopic::Outcomes => self.names.outcomes(),
            OutTopic::Audit => self.names.audit(),
            OutTopic::Dlq => self.names.dlq(),
            OutTopic::Repartition => self.names.repartition(),
            OutTopic::Changelog => self.names.changelog(),
            OutTopic::ChangelogExpiring => self.names.changelog_expiring(),
            OutTopic::Commands => self.names.commands(),
            OutTopic::Definitions => self.names.definitions(),
            OutTopic::Dispatch(provider) => {
                if !self.dispatch.contains_key(provider) {
                    self.dispatch.insert(provider.to_owned(), self.names.dispatch(provider));
                }
                &self.dispatch[provider]
            }
        }
    }
}
