use crate::client::{Prober, admin, options, refused};
use crate::plan::{Actual, ActualTopic};
use crate::{Error, KafkaConfig};
use futures::executor::block_on;
use rdkafka::admin::{ConfigSource, OwnedResourceSpecifier, ResourceSpecifier};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Attempts at reading, and the pause between them: about as long as a broker takes to restart.
const READ_ATTEMPTS: u32 = 15;
const READ_PAUSE: Duration = Duration::from_secs(1);

/// Reads partition counts and properties of those of the named topics that exist. Creates nothing.
///
/// # Errors
/// [`Error::Unreachable`], or [`Error::Refused`] where the user may not describe a topic.
pub fn read_actual<'n>(kafka: &KafkaConfig, names: impl IntoIterator<Item = &'n str>) -> Result<Actual, Error> {
    let names: Vec<&str> = names.into_iter().collect();
    for _ in 1..READ_ATTEMPTS {
        match read_once(kafka, &names) {
            // A broker that restarts closes its connections: it is asked again, as any other client does.
            Err(Error::Refused { reason, .. }) if is_passing(&reason) => std::thread::sleep(READ_PAUSE),
            other => return other,
        }
    }
    read_once(kafka, &names)
}

/// Whether an error says that the connection broke, rather than that the broker refused.
fn is_passing(reason: &str) -> bool {
    ["BrokerTransportFailure", "AllBrokersDown", "OperationTimedOut", "RequestTimedOut"]
        .iter()
        .any(|code| reason.contains(code))
}

fn read_once(kafka: &KafkaConfig, names: &[&str]) -> Result<Actual, Error> {
    let counts = partition_counts(&Prober::new(kafka)?, names.iter().copied())?;
    let topics = counts
        .into_iter()
        .map(|(name, Counts { all, .. })| (name, ActualTopic { partitions: all, ..ActualTopic::default() }));
    let mut actual = Actual { topics: topics.collect() };
    if actual.topics.is_empty() {
        return Ok(actual);
    }
    let admin = admin(kafka)?;
    let resources: Vec<_> = actual.topics.keys().map(|name| ResourceSpecifier::Topic(name)).collect();
    let what = "describe the topics' properties";
    let described = block_on(admin.describe_configs(&resources, &options())).map_err(|e| refused(kafka, what, &e))?;
    for resource in described {
        let resource = resource.map_err(|code| Error::Refused {
            bootstrap: kafka.bootstrap().to_owned(),
            what: what.to_owned(),
            reason: code.to_string(),
        })?;
        let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { continue };
        let Some(topic) = actual.topics.get_mut(name) else { continue };
        for entry in resource.entries {
            let Some(value) = entry.value else { continue };
            if entry.source == ConfigSource::DynamicTopic {
                topic.set.insert(entry.name.clone());
            }
            topic.configs.insert(entry.name, value);
        }
    }
    Ok(actual)
}

/// How many partitions a topic has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// In all.
    pub(crate) all: i32,
    /// With a leader: the others can't be used at the moment.
    pub(crate) ready: i32,
}

/// The partition counts of those of the named topics that exist.
pub(crate) fn partition_counts<'n>(
    prober: &Prober,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<BTreeMap<String, Counts>, Error> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let metadata = prober.metadata()?;
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let counts = metadata.topics().iter().filter(|topic| names.contains(topic.name())).map(|topic| {
        let partitions = topic.partitions();
        let ready = partitions.iter().filter(|p| p.error().is_none() && p.leader() >= 0).count();
        (topic.name().to_owned(), Counts { all: count(partitions.len()), ready: count(ready) })
    });
    // One without partitions is being made or deleted.
    Ok(counts.filter(|(_, counts)| counts.all > 0).collect())
}
