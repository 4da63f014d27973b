//! The difference between the wanted topics and the actual ones, as steps and conflicts. Pure.

use crate::topic::{CLEANUP_POLICY, DELETE_RETENTION_MS, MAX_MESSAGE_BYTES, RETENTION_MS, Role, TopicSpec};
use crate::topology::Topology;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Stands for the brokers' addresses in the commands that a conflict names.
pub const BOOTSTRAP_PLACEHOLDER: &str = "$BOOTSTRAP_SERVERS";
/// Properties whose wanted value is a minimum: lowering one would delete records or refuse them.
const MINIMUMS: [&str; 3] = [RETENTION_MS, MAX_MESSAGE_BYTES, DELETE_RETENTION_MS];

/// The topics as they are: those of one topology that exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Actual {
    /// By name.
    pub topics: BTreeMap<String, ActualTopic>,
}

/// A topic as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActualTopic {
    /// Partition count.
    pub partitions: i32,
    /// All properties in effect.
    pub configs: BTreeMap<String, String>,
    /// Names of the properties that are set on the topic itself.
    pub set: BTreeSet<String>,
}

/// What is to be done, and what is for people to decide first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// In the order of the topology. Nothing is ever made smaller or deleted.
    pub steps: Vec<Step>,
    /// While there is one, the steps are not taken.
    pub conflicts: Vec<Conflict>,
}

impl Plan {
    /// Whether the topics are as they are wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.conflicts.is_empty()
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// A topic that is missing.
    Create {
        /// The topic.
        topic: TopicSpec,
    },
    /// More partitions, for a topic that no state hangs on.
    GrowPartitions {
        /// The topic's name.
        topic: String,
        /// How many it has.
        from: i32,
        /// How many it shall have.
        to: i32,
    },
    /// Other properties.
    AlterConfig {
        /// The topic's name.
        topic: String,
        /// What changes, by property.
        changes: BTreeMap<String, Change>,
        /// All properties that the topic shall have of its own afterwards: Kafka resets those that are not named.
        complete: BTreeMap<String, String>,
    },
}

/// One property's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its value, where it has one.
    pub from: Option<String>,
    /// Its value to be.
    pub to: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { topic } => {
                write!(f, "create {} with {} partitions, {}", topic.name, topic.partitions, topic.cleanup())
            }
            Self::GrowPartitions { topic, from, to } => write!(f, "grow {topic} from {from} to {to} partitions"),
            Self::AlterConfig { topic, changes, .. } => {
                write!(f, "alter {topic}:")?;
                for (i, (name, Change { from, to })) in changes.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma} {name} {} -> {to}", from.as_deref().unwrap_or("unset"))?;
                }
                Ok(())
            }
        }
    }
}

/// A difference that no step may remove, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Names of the topics that it is about.
    pub topics: Vec<String>,
    /// What differs and why it matters.
    pub problem: String,
    /// What to set or to run; [`BOOTSTRAP_PLACEHOLDER`] stands for the brokers.
    pub remedy: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// What is to be done to get from the actual topics to the wanted ones.
#[must_use]
pub fn plan(wanted: &Topology, actual: &Actual) -> Plan {
    let mut plan = Plan::default();
    plan.conflicts.extend(co_partitioning(wanted, actual));
    for spec in &wanted.topics {
        let Some(topic) = actual.topics.get(&spec.name) else {
            plan.steps.push(Step::Create { topic: spec.clone() });
            continue;
        };
        if spec.role == Role::Definitions && topic.partitions != spec.partitions {
            plan.conflicts.push(divided_definitions(spec, topic.partitions));
        } else if !spec.co_partitioned && topic.partitions < spec.partitions {
            let (from, to) = (topic.partitions, spec.partitions);
            plan.steps.push(Step::GrowPartitions { topic: spec.name.clone(), from, to });
        }
        if let Some(conflict) = cleanup_policy(spec, topic) {
            plan.conflicts.push(conflict);
        }
        plan.steps.extend(alter_config(spec, topic));
    }
    plan
}

/// The partition counts of the co-partitioned topics that exist, against each other and against the wanted one.
fn co_partitioning(wanted: &Topology, actual: &Actual) -> Option<Conflict> {
    let counts: BTreeMap<&str, i32> = wanted
        .topics
        .iter()
        .filter(|spec| spec.co_partitioned)
        .filter_map(|spec| Some((spec.name.as_str(), actual.topics.get(&spec.name)?.partitions)))
        .collect();
    let (least, most) = (*counts.values().min()?, *counts.values().max()?);
    let count = wanted.partitions;
    if least == most && most == count {
        return None;
    }
    let topics: Vec<String> = counts.keys().map(|name| (*name).to_owned()).collect();
    if least == most {
        return Some(Conflict {
            problem: format!(
                "{} have {most} partitions, and the configuration asks for {count}: with another count most tenants \
                 would go to other partitions than the ones that hold their state",
                topics.join(", ")
            ),
            remedy: format!(
                "set the partition count to {most}, or start afresh with {count} under another topic prefix"
            ),
            topics,
        });
    }
    let uneven = counts.iter().map(|(name, count)| format!("{name} has {count}")).collect::<Vec<_>>().join(", ");
    let grow = counts.iter().filter(|(_, count)| **count < most).map(|(name, _)| {
        format!("kafka-topics.sh --bootstrap-server {BOOTSTRAP_PLACEHOLDER} --alter --topic {name} --partitions {most}")
    });
    let mut commands = grow.collect::<Vec<_>>().join("\n    ");
    commands.push_str("\n    acteon topology apply");
    Some(Conflict {
        problem: format!(
            "these topics must have the same number of partitions, since a task reads its own of each: {uneven}"
        ),
        remedy: format!(
            "partitions can't be taken away, so set the partition count to {most}, stop all processors and run\n    \
             {commands}\n    (tenants whose partition changes begin with empty state: their deduplication and \
             throttling start anew)"
        ),
        topics,
    })
}

fn divided_definitions(spec: &TopicSpec, found: i32) -> Conflict {
    Conflict {
        topics: vec![spec.name.clone()],
        problem: format!("{} has {found} partitions and must have 1: its offsets number the definitions", spec.name),
        remedy: format!(
            "delete it, apply the topology and start acteon, which publishes the definitions again:\n    \
             kafka-topics.sh --bootstrap-server {BOOTSTRAP_PLACEHOLDER} --delete --topic {}\n    acteon topology apply",
            spec.name
        ),
    }
}

/// A policy that Kafka would act on by removing records is not set behind anyone's back.
fn cleanup_policy(spec: &TopicSpec, topic: &ActualTopic) -> Option<Conflict> {
    let found = topic.configs.get(CLEANUP_POLICY)?;
    let wanted = spec.cleanup();
    if policies(wanted).is_subset(&policies(found)) {
        return None;
    }
    Some(Conflict {
        topics: vec![spec.name.clone()],
        problem: format!(
            "{} has cleanup.policy={found} and needs {wanted}, with which Kafka removes records that it keeps now",
            spec.name
        ),
        remedy: format!(
            "if that is all right, run\n    kafka-configs.sh --bootstrap-server {BOOTSTRAP_PLACEHOLDER} --alter \
             --entity-type topics --entity-name {} --add-config cleanup.policy=[{wanted}]",
            spec.name
        ),
    })
}

fn policies(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).collect()
}

fn alter_config(spec: &TopicSpec, topic: &ActualTopic) -> Option<Step> {
    let changes: BTreeMap<String, Change> = spec
        .configs
        .iter()
        .filter(|(name, wanted)| !fits(name, topic.configs.get(*name).map(String::as_str), wanted))
        .map(|(name, wanted)| (name.clone(), Change { from: topic.configs.get(name).cloned(), to: wanted.clone() }))
        .collect();
    if changes.is_empty() {
        return None;
    }
    let mut complete: BTreeMap<String, String> =
        topic.set.iter().filter_map(|name| Some((name.clone(), topic.configs.get(name)?.clone()))).collect();
    complete.extend(changes.iter().map(|(name, change)| (name.clone(), change.to.clone())));
    Some(Step::AlterConfig { topic: spec.name.clone(), changes, complete })
}

/// Whether a property is good as it is.
fn fits(name: &str, found: Option<&str>, wanted: &str) -> bool {
    let Some(found) = found else { return false };
    if name == CLEANUP_POLICY {
        // One that removes more is a conflict, not a step.
        return policies(found) == policies(wanted) || !policies(wanted).is_subset(&policies(found));
    }
    let number = |text: &str| text.parse::<f64>().ok();
    match (number(found), number(wanted)) {
        (Some(found), Some(wanted)) if MINIMUMS.contains(&name) => {
            // Below zero is no limit at all.
            found < 0.0 || (wanted >= 0.0 && found >= wanted)
        }
        #[allow(clippy::float_cmp)] // Both were parsed from text: 0.3 and 0.30 are the same number.
        (Some(found), Some(wanted)) => found == wanted,
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests;
