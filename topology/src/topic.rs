use acteon_schemas::{MAX_HEALTH_AGE_MS, MAX_RECORD_BYTES, MAX_RESULT_BYTES};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a batch of one record adds to its value, in bytes: key, headers, framing.
const OVERHEAD_BYTES: usize = 64 * 1024;
/// `max.message.bytes` of the topics that others write to: a value of the largest size that is accepted fits.
pub const INPUT_MAX_MESSAGE_BYTES: usize = MAX_RECORD_BYTES + OVERHEAD_BYTES;
/// `max.message.bytes` of what the processor makes of an input: the payload again, with what was added to it.
pub const DERIVED_MAX_MESSAGE_BYTES: usize = 2 * MAX_RECORD_BYTES;
const _: () = assert!(MAX_RESULT_BYTES + OVERHEAD_BYTES <= DERIVED_MAX_MESSAGE_BYTES);
/// `max.message.bytes` of the dead-letter topic, which takes the bytes of any record there is, with a reason. Set a
/// producer's `message.max.bytes` to this: librdkafka's default of 1,000,000 is less than one action may have.
pub const DEAD_LETTER_MAX_MESSAGE_BYTES: usize = DERIVED_MAX_MESSAGE_BYTES + OVERHEAD_BYTES;
/// How long a changelog keeps the tombstone of a deleted key, in milliseconds (24 h). A store that was not followed for
/// longer can have missed a deletion.
pub const TOMBSTONE_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;
/// Segment size of compacted topics, in bytes: small, since the newest segment is never compacted, and all of it is read
/// at a restore.
const COMPACTED_SEGMENT_BYTES: usize = 64 * 1024 * 1024;
/// How long the provider-health topic keeps a record, in milliseconds (1 h): far longer than one says anything.
const HEALTH_RETENTION_MS: i64 = 60 * 60 * 1000;
const _: () = assert!(MAX_HEALTH_AGE_MS * 2 < HEALTH_RETENTION_MS);
/// Segment size of the provider-health topic, in bytes: only what is in older segments is deleted.
const HEALTH_SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Share of uncompacted bytes at which a log is compacted.
const COMPACTED_DIRTY_RATIO: &str = "0.3";

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What applications ask for.
    Actions,
    /// Actions that came under another key.
    Repartition,
    /// What operators ask of one tenant's state.
    Commands,
    /// What came of dispatches.
    Results,
    /// What became of actions.
    Outcomes,
    /// Audit records.
    Audit,
    /// State that stays until it is deleted.
    Changelog,
    /// State that expires by itself.
    ChangelogExpiring,
    /// Rules, providers and settings.
    Definitions,
    /// Records that could not be processed.
    Dlq,
    /// How providers' calls fare, by each member of the connectors' fleet.
    ProviderHealth,
    /// Calls for one provider.
    Dispatch,
}

/// Who writes to or reads from a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Applications: any Kafka client.
    Applications,
    /// The HTTP API.
    Gateway,
    /// The command line.
    Cli,
    /// The workers.
    Processor,
    /// Whoever calls the providers.
    Connectors,
    /// Stores of audit records.
    AuditSinks,
}

impl Role {
    /// The roles whose topics there is one of, in the order of reports.
    pub(crate) const SINGLE: [Self; 11] = [
        Self::Actions,
        Self::Repartition,
        Self::Commands,
        Self::Results,
        Self::Outcomes,
        Self::Audit,
        Self::Changelog,
        Self::ChangelogExpiring,
        Self::Definitions,
        Self::Dlq,
        Self::ProviderHealth,
    ];

    /// Whether its topic must have as many partitions as the actions' has: a partition number is a task's.
    #[must_use]
    pub fn is_co_partitioned(self) -> bool {
        !matches!(self, Self::Definitions | Self::Dlq | Self::ProviderHealth | Self::Dispatch)
    }

    /// What the key of its records is.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Actions => "namespace:tenant; others are re-keyed",
            Self::Repartition | Self::Commands | Self::Outcomes | Self::Audit => "namespace:tenant",
            Self::Results => "namespace:tenant, to the dispatch's partition",
            Self::Changelog | Self::ChangelogExpiring => "state key, to the task's partition",
            Self::Definitions => "kind/name",
            Self::Dlq => "as the source record",
            Self::ProviderHealth => "provider/member",
            Self::Dispatch => "namespace:tenant",
        }
    }

    /// Who writes its records.
    #[must_use]
    pub fn written_by(self) -> &'static [Party] {
        match self {
            Self::Actions => &[Party::Applications, Party::Gateway, Party::Cli],
            Self::Commands | Self::Definitions => &[Party::Gateway, Party::Cli, Party::Processor],
            Self::Results | Self::ProviderHealth => &[Party::Connectors],
            Self::Dlq => &[Party::Processor, Party::Connectors],
            Self::Repartition
            | Self::Outcomes
            | Self::Audit
            | Self::Changelog
            | Self::ChangelogExpiring
            | Self::Dispatch => &[Party::Processor],
        }
    }

    /// Who reads its records.
    #[must_use]
    pub fn read_by(self) -> &'static [Party] {
        match self {
            Self::Actions | Self::Repartition | Self::Commands | Self::Results => &[Party::Processor],
            Self::Outcomes => &[Party::Applications, Party::Gateway],
            Self::Audit => &[Party::AuditSinks, Party::Gateway],
            Self::Changelog | Self::ChangelogExpiring => &[Party::Processor, Party::Gateway],
            Self::Definitions => &[Party::Processor, Party::Connectors, Party::Gateway],
            Self::Dlq => &[Party::Cli],
            Self::ProviderHealth => &[Party::Gateway, Party::Cli],
            Self::Dispatch => &[Party::Connectors],
        }
    }

    fn max_message_bytes(self) -> usize {
        match self {
            Self::Actions | Self::Repartition | Self::Commands | Self::Definitions | Self::ProviderHealth => {
                INPUT_MAX_MESSAGE_BYTES
            }
            Self::Dlq => DEAD_LETTER_MAX_MESSAGE_BYTES,
            Self::Results
            | Self::Outcomes
            | Self::Audit
            | Self::Changelog
            | Self::ChangelogExpiring
            | Self::Dispatch => DERIVED_MAX_MESSAGE_BYTES,
        }
    }
}

/// How long records are kept, in milliseconds; -1 is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Of what passes through.
    pub(crate) records_ms: i64,
    /// Of dead letters.
    pub(crate) dead_letters_ms: i64,
    /// Of state that expires by itself.
    pub(crate) expiring_ms: i64,
}

/// A topic as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicSpec {
    /// Full name, prefix included.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Partition count.
    pub partitions: i32,
    /// Copies of each partition; -1 leaves it to the broker's `default.replication.factor`.
    pub replication: i16,
    /// Topic properties that differ from Kafka's defaults or must not depend on them.
    pub configs: BTreeMap<String, String>,
    /// Whether its partition count is that of all stateful topics.
    pub co_partitioned: bool,
    /// What the key of its records is.
    pub key: &'static str,
    /// Who writes its records.
    pub written_by: &'static [Party],
    /// Who reads its records.
    pub read_by: &'static [Party],
}

impl TopicSpec {
    pub(crate) fn new(name: String, role: Role, partitions: i32, replication: i16, retention: Retention) -> Self {
        Self {
            name,
            role,
            partitions: if matches!(role, Role::Definitions | Role::ProviderHealth) { 1 } else { partitions },
            replication,
            configs: configs(role, retention),
            co_partitioned: role.is_co_partitioned(),
            key: role.key(),
            written_by: role.written_by(),
            read_by: role.read_by(),
        }
    }

    /// The cleanup policy: `delete`, `compact` or `compact,delete`.
    #[must_use]
    pub fn cleanup(&self) -> &str {
        self.configs.get(CLEANUP_POLICY).map_or("delete", String::as_str)
    }
}

pub(crate) const CLEANUP_POLICY: &str = "cleanup.policy";
pub(crate) const RETENTION_MS: &str = "retention.ms";
pub(crate) const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
pub(crate) const DELETE_RETENTION_MS: &str = "delete.retention.ms";

fn configs(role: Role, retention: Retention) -> BTreeMap<String, String> {
    let (policy, retention_ms) = match role {
        Role::Changelog | Role::Definitions => ("compact", None),
        Role::ChangelogExpiring => ("compact,delete", Some(retention.expiring_ms)),
        Role::Dlq => ("delete", Some(retention.dead_letters_ms)),
        // Compaction alone would keep the last word of each member that has ever died.
        Role::ProviderHealth => ("compact,delete", Some(HEALTH_RETENTION_MS)),
        Role::Actions
        | Role::Repartition
        | Role::Commands
        | Role::Results
        | Role::Outcomes
        | Role::Audit
        | Role::Dispatch => ("delete", Some(retention.records_ms)),
    };
    let mut configs = BTreeMap::from([
        (CLEANUP_POLICY.to_owned(), policy.to_owned()),
        (MAX_MESSAGE_BYTES.to_owned(), role.max_message_bytes().to_string()),
    ]);
    if let Some(ms) = retention_ms {
        configs.insert(RETENTION_MS.to_owned(), ms.to_string());
    }
    if policy != "delete" {
        configs.insert(DELETE_RETENTION_MS.to_owned(), TOMBSTONE_RETENTION_MS.to_string());
        let segment_bytes = if role == Role::ProviderHealth { HEALTH_SEGMENT_BYTES } else { COMPACTED_SEGMENT_BYTES };
        configs.insert("segment.bytes".to_owned(), segment_bytes.to_string());
        configs.insert("min.cleanable.dirty.ratio".to_owned(), COMPACTED_DIRTY_RATIO.to_owned());
    }
    configs
}
