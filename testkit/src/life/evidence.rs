//! The records of a run that are about the tenants of the laws.

use super::{NAMESPACE, Pace, Report, owns};
use crate::model::{Record, Topic};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The committed records of a whole run.
#[derive(Debug)]
pub struct Evidence {
    prefix: String,
    /// How long what the tenants live by waits.
    pub(super) pace: Pace,
    /// By their coordinates.
    pub(super) actions: BTreeMap<String, Value>,
    /// By their coordinates.
    pub(super) commands: BTreeMap<String, Value>,
    pub(super) results: Vec<Value>,
    /// Partition by partition, in the order of their offsets.
    pub(super) outcomes: Vec<Told>,
    pub(super) audits: Vec<Value>,
    pub(super) dispatches: Vec<Value>,
    /// By partition and key.
    pub(super) state: BTreeMap<(i32, Vec<u8>), Vec<u8>>,
    /// Dead letters, with the inputs that they came from.
    pub(super) letters: Vec<(String, Value)>,
}

/// An outcome record.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) partition: i32,
    /// The coordinates of its input.
    pub(super) source: String,
    pub(super) json: Value,
}

impl Told {
    pub(super) fn outcome(&self) -> &str {
        self.json["outcome"].as_str().unwrap_or_default()
    }

    pub(super) fn action_id(&self) -> &str {
        self.json["action_id"].as_str().unwrap_or_default()
    }

    pub(super) fn tenant(&self) -> &str {
        self.json["tenant"].as_str().unwrap_or_default()
    }

    pub(super) fn at(&self) -> i64 {
        self.json["decided_at"].as_i64().unwrap_or_default()
    }

    pub(super) fn released_by(&self) -> Option<&str> {
        self.json["released_by"].as_str()
    }

    /// A field of the outcome's detail.
    pub(super) fn detail(&self, kind: &str, field: &str) -> Option<&str> {
        self.json["detail"][kind][field].as_str()
    }

    /// Whether it answers a command.
    pub(super) fn is_answer(&self) -> bool {
        self.outcome().starts_with("command_")
    }

    /// Whether it tells of a provider's result.
    pub(super) fn is_completion(&self) -> bool {
        let attempted = || self.json["detail"]["Failed"]["attempts"].as_u64().is_some_and(|attempts| attempts > 0);
        matches!(self.outcome(), "executed" | "rerouted") || self.outcome() == "failed" && attempted()
    }
}

impl Evidence {
    /// None yet. `prefix` is what topic names begin with, `pace` that of the run's definitions.
    #[must_use]
    pub fn new(prefix: &str, pace: Pace) -> Self {
        Self {
            prefix: prefix.to_owned(),
            pace,
            actions: BTreeMap::new(),
            commands: BTreeMap::new(),
            results: Vec::new(),
            outcomes: Vec::new(),
            audits: Vec::new(),
            dispatches: Vec::new(),
            state: BTreeMap::new(),
            letters: Vec::new(),
        }
    }

    /// Takes a record. Records of a partition come in the order of their offsets; of the changelogs, all that are left.
    /// What belongs to other tenants is left out.
    pub fn add(&mut self, topic: Topic, record: &Record<'_>) {
        if topic == Topic::Changelog {
            return self.change(record);
        }
        let value = record.value.unwrap_or_default();
        // Most records are others', and reading JSON takes its time.
        if !value.windows(NAMESPACE.len()).any(|part| part == NAMESPACE.as_bytes()) {
            return;
        }
        // The tenants of the model send what is no JSON as well.
        let Some(json) = serde_json::from_slice::<Value>(value).ok().filter(|json| json["namespace"] == NAMESPACE)
        else {
            return;
        };
        let place = |name: &str| format!("{}.{name}/{}/{}", self.prefix, record.partition, record.offset);
        match topic {
            Topic::Actions => _ = self.actions.insert(place("actions"), json),
            Topic::Commands => _ = self.commands.insert(place("commands"), json),
            Topic::Results => self.results.push(json),
            Topic::Outcomes => {
                let told = Told { partition: record.partition, source: coordinates(&json["source"]), json };
                self.outcomes.push(told);
            }
            Topic::Audit => self.audits.push(json),
            Topic::Dispatches => self.dispatches.push(json),
            Topic::DeadLetters => self.letters.push((record.source.unwrap_or_default().to_owned(), json)),
            // Sent on as it was, which the model's checks see to; decided once, which the laws see to.
            Topic::Repartition | Topic::Changelog => {}
        }
    }

    fn change(&mut self, record: &Record<'_>) {
        let Some(key) = record.key.filter(|key| owns(Topic::Changelog, Some(key), None)) else { return };
        match record.value {
            Some(value) => self.state.insert((record.partition, key.to_vec()), value.to_vec()),
            None => self.state.remove(&(record.partition, key.to_vec())),
        };
    }

    /// Entries of a store: the rest of their keys behind the scope, and their values.
    pub(super) fn stored(&self, tag: u8) -> impl Iterator<Item = (&(i32, Vec<u8>), &Vec<u8>)> {
        self.state.iter().filter(move |((_, key), _)| key.first() == Some(&tag))
    }

    pub(super) fn report(&self) -> Report {
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for told in &self.outcomes {
            *outcomes.entry(told.outcome().to_owned()).or_default() += 1;
            if let Some(by) = told.released_by().filter(|_| !told.is_completion()) {
                *outcomes.entry(format!("released_by {by}")).or_default() += 1;
            }
            if told.outcome() == "command_done" {
                *outcomes
                    .entry(format!("done {}", told.json["action_type"].as_str().unwrap_or_default()))
                    .or_default() += 1;
            }
        }
        for audit in self.audits.iter().filter(|audit| audit["verdict"] == "quota") {
            let id = audit["outcome_details"]["quota_id"].as_str().unwrap_or_default();
            *outcomes.entry(format!("quota {id}")).or_default() += 1;
        }
        Report {
            outcomes,
            actions: self.actions.len(),
            commands: self.commands.len(),
            dispatches: self.dispatches.len(),
        }
    }

    /// Ids of the dispatches whose result came in.
    pub(super) fn answered(&self) -> BTreeSet<&str> {
        self.results.iter().filter_map(|result| result["dispatch_id"].as_str()).collect()
    }
}

/// `topic/partition/offset`.
pub(super) fn coordinates(source: &Value) -> String {
    format!("{}/{}/{}", source["topic"].as_str().unwrap_or_default(), source["partition"], source["offset"])
}
