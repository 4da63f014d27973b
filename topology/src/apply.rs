use crate::actual::{partition_counts, read_actual};
use crate::client::{Prober, admin, options, refused};
use crate::clock::Deadline;
use crate::plan::{BOOTSTRAP_PLACEHOLDER, Conflict, Plan, Step, plan};
use crate::topic::{Role, TopicSpec};
use crate::topology::{Settings, Topology};
use crate::{Error, KafkaConfig};
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait until brokers show what the controller has accepted.
const VISIBLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two looks.
const VISIBLE_EVERY: Duration = Duration::from_millis(20);

/// What was done: names of topics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Made.
    pub created: Vec<String>,
    /// Given more partitions.
    pub grown: Vec<String>,
    /// Given other properties.
    pub altered: Vec<String>,
    /// Found to be made by someone else since the plan was made: whether they are as wanted, another plan tells.
    pub already: Vec<String>,
}

/// Takes the steps of a plan and waits until Kafka shows them. Taking them again does no harm.
///
/// # Errors
/// [`Error::Conflicts`] before anything is done; [`Error::Refused`] with the step that Kafka did not take, after the
/// steps before it; [`Error::NotVisible`] after 30 s.
pub fn apply(kafka: &KafkaConfig, plan: &Plan) -> Result<Applied, Error> {
    if !plan.conflicts.is_empty() {
        return Err(Error::Conflicts(conflict_lines(kafka, &plan.conflicts)));
    }
    let mut applied = Applied::default();
    if plan.steps.is_empty() {
        return Ok(applied);
    }
    let admin = admin(kafka)?;
    let mut counts = BTreeMap::new();
    let new: Vec<&TopicSpec> = plan
        .steps
        .iter()
        .filter_map(|step| if let Step::Create { topic } = step { Some(topic) } else { None })
        .collect();
    create(kafka, &admin, &new, &mut applied)?;
    // Of one made by someone else, any count is taken.
    let wanted = |topic: &TopicSpec| if applied.already.contains(&topic.name) { 1 } else { topic.partitions };
    counts.extend(new.iter().map(|topic| (topic.name.as_str(), wanted(topic))));
    for step in &plan.steps {
        match step {
            Step::Create { .. } => {}
            Step::GrowPartitions { topic, to, .. } => {
                grow(kafka, &admin, topic, *to)?;
                applied.grown.push(topic.clone());
                counts.insert(topic, *to);
            }
            Step::AlterConfig { topic, complete, .. } => {
                alter(kafka, &admin, topic, complete)?;
                applied.altered.push(topic.clone());
            }
        }
    }
    wait_until_visible(kafka, &counts)?;
    Ok(applied)
}

/// Creates the dispatch topic of one provider, where it is missing, with the rest of the settings: to be called before
/// the provider's definition is published.
///
/// # Errors
/// As [`Topology::of`], [`read_actual`] and [`apply`].
pub fn ensure_dispatch_topic(kafka: &KafkaConfig, settings: &Settings, provider: &str) -> Result<Applied, Error> {
    let settings = Settings { providers: vec![provider.to_owned()], ..settings.clone() };
    let mut topology = Topology::of(&settings)?;
    topology.topics.retain(|topic| topic.role == Role::Dispatch);
    let actual = read_actual(kafka, topology.topics.iter().map(|topic| topic.name.as_str()))?;
    apply(kafka, &plan(&topology, &actual))
}

/// Conflicts as lines, with the brokers' addresses in their commands.
pub(crate) fn conflict_lines(kafka: &KafkaConfig, conflicts: &[Conflict]) -> Vec<String> {
    conflicts.iter().map(|conflict| conflict.to_string().replace(BOOTSTRAP_PLACEHOLDER, kafka.bootstrap())).collect()
}

fn create(
    kafka: &KafkaConfig,
    admin: &AdminClient<DefaultClientContext>,
    topics: &[&TopicSpec],
    applied: &mut Applied,
) -> Result<(), Error> {
    if topics.is_empty() {
        return Ok(());
    }
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            let replication = TopicReplication::Fixed(i32::from(topic.replication));
            let new = NewTopic::new(&topic.name, topic.partitions, replication);
            topic.configs.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let results =
        block_on(admin.create_topics(&new, &options())).map_err(|error| refused(kafka, "create topics", &error))?;
    for result in results {
        match result {
            Ok(name) => {
                tracing::info!(topic = name, "topic created");
                applied.created.push(name);
            }
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => applied.already.push(name),
            Err((name, code)) => return Err(refused_step(kafka, &format!("create {name}"), code)),
        }
    }
    Ok(())
}

fn grow(kafka: &KafkaConfig, admin: &AdminClient<DefaultClientContext>, topic: &str, to: i32) -> Result<(), Error> {
    let what = format!("grow {topic} to {to} partitions");
    let new = NewPartitions::new(topic, usize::try_from(to).unwrap_or(0));
    let results = block_on(admin.create_partitions([&new], &options())).map_err(|e| refused(kafka, &what, &e))?;
    match results.into_iter().next() {
        // It has that many by now: whether it does is seen at the end.
        Some(Ok(_) | Err((_, RDKafkaErrorCode::InvalidPartitions))) | None => Ok(()),
        Some(Err((_, code))) => Err(refused_step(kafka, &what, code)),
    }
}

fn alter(
    kafka: &KafkaConfig,
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    complete: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let what = format!("alter the properties of {topic}");
    let alter = complete
        .iter()
        .fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |alter, (name, value)| alter.set(name, value));
    let results = block_on(admin.alter_configs([&alter], &options())).map_err(|e| refused(kafka, &what, &e))?;
    match results.into_iter().next() {
        Some(Err((_, code))) => Err(refused_step(kafka, &what, code)),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn refused_step(kafka: &KafkaConfig, what: &str, code: RDKafkaErrorCode) -> Error {
    let hint = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => {
            "; set a replication factor of at most the number of brokers, or -1 for the broker's default"
        }
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "; the user of `[kafka]` needs the rights Create, Alter, AlterConfigs and DescribeConfigs"
        }
        _ => "",
    };
    Error::Refused { bootstrap: kafka.bootstrap().to_owned(), what: what.to_owned(), reason: format!("{code}{hint}") }
}

/// The controller answers before all brokers have heard: a client that comes too early would see no topic.
fn wait_until_visible(kafka: &KafkaConfig, counts: &BTreeMap<&str, i32>) -> Result<(), Error> {
    let prober = Prober::new(kafka)?;
    let deadline = Deadline::after(VISIBLE_TIMEOUT);
    loop {
        let actual = partition_counts(&prober, counts.keys().copied())?;
        let found = |name: &str| actual.get(name).map_or(0, |counts| counts.ready);
        let missing = counts.iter().find(|(name, wanted)| found(name) < **wanted);
        let Some((name, wanted)) = missing else { return Ok(()) };
        if deadline.left().is_zero() {
            return Err(Error::NotVisible {
                bootstrap: kafka.bootstrap().to_owned(),
                missing: format!("{name} has {} of {wanted} partitions with a leader", found(name)),
                limit: VISIBLE_TIMEOUT,
            });
        }
        std::thread::sleep(VISIBLE_EVERY);
    }
}
