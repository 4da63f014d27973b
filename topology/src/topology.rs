use crate::Error;
use crate::names::Names;
use crate::topic::{Retention, Role, TopicSpec};
use serde::Serialize;
use std::collections::BTreeMap;

/// Partition count where none is configured.
pub const DEFAULT_PARTITIONS: i32 = 8;
/// Most partitions of one topic.
pub const MAX_PARTITIONS: i32 = 4096;
/// Most providers: each has a topic.
pub const MAX_PROVIDERS: usize = 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long actions, outcomes and so on are kept where nothing is configured, in milliseconds (7 days).
pub const DEFAULT_RETENTION_MS: i64 = 7 * DAY_MS;
/// How long dead letters are kept where nothing is configured, in milliseconds (30 days): people look at them.
pub const DEFAULT_DLQ_RETENTION_MS: i64 = 30 * DAY_MS;
/// Shortest time that the expiring changelog may keep a record, in milliseconds (7 days).
pub const MIN_EXPIRING_RETENTION_MS: i64 = 7 * DAY_MS;
/// What the expiring changelog keeps records for beyond the longest time to live, in milliseconds (1 day).
const EXPIRING_MARGIN_MS: i64 = DAY_MS;
/// Shortest retention of any topic, in milliseconds (1 min): less is a wrong unit.
const MIN_RETENTION_MS: i64 = 60_000;
/// `retention.ms` of what is kept for ever.
const FOR_EVER: i64 = -1;
/// Leaves the replication factor to the broker.
const BROKER_DEFAULT: i16 = -1;

/// What a topology is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What all topic names begin with.
    pub prefix: String,
    /// Partition count of all topics but definitions and provider health. It can't be changed once there is state.
    pub partitions: i32,
    /// Copies of each partition; -1 leaves it to the broker's `default.replication.factor`.
    pub replication_factor: i16,
    /// How long what passes through is kept, in milliseconds; -1 is for ever. For topics that exist it is a minimum:
    /// no plan lowers a retention, since Kafka would delete records.
    pub retention_ms: i64,
    /// How long dead letters are kept, in milliseconds; -1 is for ever.
    pub dlq_retention_ms: i64,
    /// How long the expiring changelog keeps a record, in milliseconds: see [`expiring_retention_ms`].
    pub expiring_retention_ms: i64,
    /// Configured names of the providers: each has a dispatch topic.
    pub providers: Vec<String>,
    /// The state stores that the changelogs back, for diagrams.
    pub stores: Vec<Store>,
}

impl Settings {
    /// The defaults under a prefix, without providers and stores.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            partitions: DEFAULT_PARTITIONS,
            replication_factor: BROKER_DEFAULT,
            retention_ms: DEFAULT_RETENTION_MS,
            dlq_retention_ms: DEFAULT_DLQ_RETENTION_MS,
            expiring_retention_ms: MIN_EXPIRING_RETENTION_MS,
            providers: Vec::new(),
            stores: Vec::new(),
        }
    }
}

/// A state store of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Store {
    /// Its name.
    pub name: String,
    /// Whether its entries expire by themselves, and so are backed by the expiring changelog.
    pub expires: bool,
}

/// How long the expiring changelog must keep a record so that no entry is lost before its time, in milliseconds: the
/// longest time to live that any rule gives and a day, at least [`MIN_EXPIRING_RETENTION_MS`].
#[must_use]
pub fn expiring_retention_ms(longest_ttl_ms: i64) -> i64 {
    longest_ttl_ms.saturating_add(EXPIRING_MARGIN_MS).max(MIN_EXPIRING_RETENTION_MS)
}

/// All topics as they are wanted, and what hangs on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// What all topic names begin with.
    pub prefix: String,
    /// Partition count of the co-partitioned topics, which is the number of tasks.
    pub partitions: i32,
    /// The topics, dispatch topics last.
    pub topics: Vec<TopicSpec>,
    /// Configured names of the providers, sorted.
    pub providers: Vec<String>,
    /// The state stores.
    pub stores: Vec<Store>,
}

impl Topology {
    /// The topology that these settings ask for.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that is out of its limits, or the providers whose topics would collide.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let names = Names::new(&settings.prefix)?;
        let mut providers = settings.providers.clone();
        providers.sort();
        providers.dedup();
        check_numbers(settings)?;
        check_providers(&providers)?;
        let retention = Retention {
            records_ms: settings.retention_ms,
            dead_letters_ms: settings.dlq_retention_ms,
            expiring_ms: settings.expiring_retention_ms,
        };
        let spec = |name: String, role| {
            TopicSpec::new(name, role, settings.partitions, settings.replication_factor, retention)
        };
        let single =
            Role::SINGLE.into_iter().filter_map(|role| Some(spec(single_name(&names, role)?.to_owned(), role)));
        let dispatch = providers.iter().map(|provider| spec(names.dispatch(provider), Role::Dispatch));
        Ok(Self {
            prefix: settings.prefix.clone(),
            partitions: settings.partitions,
            topics: single.chain(dispatch).collect(),
            providers: providers.clone(),
            stores: settings.stores.clone(),
        })
    }

    /// The topic of a role that has one only; for [`Role::Dispatch`], the first one.
    #[must_use]
    pub fn topic(&self, role: Role) -> Option<&TopicSpec> {
        self.topics.iter().find(|topic| topic.role == role)
    }
}

fn single_name(names: &Names, role: Role) -> Option<&str> {
    Some(match role {
        Role::Actions => names.actions(),
        Role::Repartition => names.repartition(),
        Role::Commands => names.commands(),
        Role::Results => names.results(),
        Role::Outcomes => names.outcomes(),
        Role::Audit => names.audit(),
        Role::Changelog => names.changelog(),
        Role::ChangelogExpiring => names.changelog_expiring(),
        Role::Definitions => names.definitions(),
        Role::Dlq => names.dlq(),
        Role::ProviderHealth => names.provider_health(),
        Role::Dispatch => return None,
    })
}

fn check_numbers(settings: &Settings) -> Result<(), Error> {
    let Settings { partitions, replication_factor, retention_ms, dlq_retention_ms, expiring_retention_ms, .. } =
        settings;
    let invalid = |message: String| Err(Error::Invalid(message));
    if !(1..=MAX_PARTITIONS).contains(partitions) {
        return invalid(format!("the partition count is {partitions}; it must be 1 to {MAX_PARTITIONS}"));
    }
    if *replication_factor != BROKER_DEFAULT && *replication_factor < 1 {
        return invalid(format!(
            "the replication factor is {replication_factor}; it must be 1 or more, or -1 for the broker's default"
        ));
    }
    for (what, ms) in [("retention", retention_ms), ("dead letters' retention", dlq_retention_ms)] {
        if *ms != FOR_EVER && *ms < MIN_RETENTION_MS {
            return invalid(format!(
                "the {what} is {ms} ms; it must be {MIN_RETENTION_MS} ms or more, or -1 to keep records for ever"
            ));
        }
    }
    if *expiring_retention_ms != FOR_EVER && *expiring_retention_ms < MIN_EXPIRING_RETENTION_MS {
        return invalid(format!(
            "the expiring changelog's retention is {expiring_retention_ms} ms; less than {MIN_EXPIRING_RETENTION_MS} ms \
             would lose state"
        ));
    }
    Ok(())
}

fn check_providers(providers: &[String]) -> Result<(), Error> {
    if providers.len() > MAX_PROVIDERS {
        let count = providers.len();
        return Err(Error::Invalid(format!("there are {count} providers; the limit is {MAX_PROVIDERS}")));
    }
    // Kafka's metrics don't tell '.' from '_', so it refuses a topic whose name differs in nothing else.
    let mut seen = BTreeMap::new();
    for provider in providers {
        Names::check_provider(provider)?;
        if let Some(other) = seen.insert(provider.replace('.', "_"), provider) {
            return Err(Error::Invalid(format!(
                "the providers {other:?} and {provider:?} differ in '.' and '_' only, which Kafka does not allow for \
                 their topics; rename one"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::topic::{DEAD_LETTER_MAX_MESSAGE_BYTES, DERIVED_MAX_MESSAGE_BYTES, INPUT_MAX_MESSAGE_BYTES};

    fn settings() -> Settings {
        Settings { providers: vec!["slack".into(), "email".into(), "slack".into()], ..Settings::new("acteon") }
    }

    #[test]
    fn the_topics_are_those_of_the_design() {
        let topology = Topology::of(&settings()).unwrap();
        let rows: Vec<_> = topology
            .topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic.partitions, topic.cleanup(), topic.co_partitioned))
            .collect();
        assert_eq!(
            rows,
            [
                ("acteon.actions", 8, "delete", true),
                ("acteon.repartition", 8, "delete", true),
                ("acteon.commands", 8, "delete", true),
                ("acteon.results", 8, "delete", true),
                ("acteon.outcomes", 8, "delete", true),
                ("acteon.audit", 8, "delete", true),
                ("acteon.changelog", 8, "compact", true),
                ("acteon.changelog.expiring", 8, "compact,delete", true),
                ("acteon.definitions", 1, "compact", false),
                ("acteon.dlq", 8, "delete", false),
                ("acteon.provider-health", 1, "compact,delete", false),
                ("acteon.dispatch.email", 8, "delete", false),
                ("acteon.dispatch.slack", 8, "delete", false),
            ]
        );
    }

    #[test]
    fn what_is_made_of_a_record_has_room_for_it() {
        let topology = Topology::of(&settings()).unwrap();
        let size = |role| topology.topic(role).unwrap().configs["max.message.bytes"].parse::<usize>().unwrap();
        assert_eq!(size(Role::Actions), INPUT_MAX_MESSAGE_BYTES);
        assert_eq!(size(Role::Dispatch), DERIVED_MAX_MESSAGE_BYTES);
        assert_eq!(size(Role::Dlq), DEAD_LETTER_MAX_MESSAGE_BYTES);
        assert!(size(Role::Actions) < size(Role::Outcomes) && size(Role::Outcomes) < size(Role::Dlq));
    }

    #[test]
    fn expiring_state_outlives_the_longest_ttl() {
        assert_eq!(expiring_retention_ms(0), MIN_EXPIRING_RETENTION_MS);
        assert_eq!(expiring_retention_ms(30 * DAY_MS), 31 * DAY_MS);
        assert_eq!(expiring_retention_ms(i64::MAX), i64::MAX);
        let topology = Topology::of(&Settings { expiring_retention_ms: 31 * DAY_MS, ..settings() }).unwrap();
        assert_eq!(topology.topic(Role::ChangelogExpiring).unwrap().configs["retention.ms"], "2678400000");
        assert_eq!(topology.topic(Role::Changelog).unwrap().configs.get("retention.ms"), None);
    }

    #[test]
    fn settings_out_of_their_limits_are_refused_by_name() {
        let cases = [
            (Settings { partitions: 0, ..settings() }, "the partition count is 0"),
            (Settings { partitions: 5000, ..settings() }, "1 to 4096"),
            (Settings { replication_factor: 0, ..settings() }, "the replication factor is 0"),
            (Settings { retention_ms: 7, ..settings() }, "the retention is 7 ms"),
            (Settings { dlq_retention_ms: -2, ..settings() }, "the dead letters' retention is -2 ms"),
            (Settings { expiring_retention_ms: DAY_MS, ..settings() }, "would lose state"),
            (Settings { prefix: "a b".into(), ..settings() }, "the topic prefix"),
            (Settings { providers: vec!["a b".into()], ..settings() }, "the provider name"),
            (Settings { providers: vec!["a.b".into(), "a_b".into()], ..settings() }, "rename one"),
            (Settings { providers: (0..=1000).map(|i| i.to_string()).collect(), ..settings() }, "the limit is 1000"),
        ];
        for (settings, part) in cases {
            let message = Topology::of(&settings).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert!(Topology::of(&Settings { retention_ms: -1, expiring_retention_ms: -1, ..settings() }).is_ok());
    }
}
