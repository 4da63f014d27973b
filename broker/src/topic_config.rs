//! Topic configuration: the names that Kafka clients may set, their defaults, and the values this broker acts on.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Names accepted on a topic, with their defaults. Those not in [`TopicConfig`] are kept and shown, but change nothing.
const KNOWN: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("index.interval.bytes", "4096"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("preallocate", "false"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "67108864"),
    ("segment.index.bytes", "10485760"),
    ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"),
    ("unclean.leader.election.enable", "false"),
];

/// The settings of a topic, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicConfig {
    /// What was set, as it was set.
    pub(crate) overrides: BTreeMap<String, String>,
    pub(crate) compact: bool,
    pub(crate) delete: bool,
    /// Milliseconds; negative: without limit.
    pub(crate) retention_ms: i64,
    /// Bytes per partition; negative: without limit.
    pub(crate) retention_bytes: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    /// How long a tombstone outlives the first compaction that meets it, milliseconds.
    pub(crate) delete_retention_ms: i64,
    /// Records younger than this are not compacted, milliseconds.
    pub(crate) min_compaction_lag_ms: i64,
    /// Records are compacted before they are older than this, whatever the share, milliseconds.
    pub(crate) max_compaction_lag_ms: i64,
    /// Share of the closed segments that must be uncompacted before they are compacted.
    pub(crate) min_dirty_ratio: f64,
    pub(crate) max_message_bytes: usize,
}

impl TopicConfig {
    /// Checks the overrides of a topic; the error is a sentence for the client.
    pub(crate) fn new(overrides: BTreeMap<String, String>) -> Result<Self, String> {
        if let Some(unknown) = overrides.keys().find(|name| !KNOWN.iter().any(|(known, _)| known == name)) {
            return Err(format!("unknown topic config name: {unknown}"));
        }
        let raw = |name: &str| raw(&overrides, name);
        let policies: Vec<&str> = raw("cleanup.policy").split(',').map(str::trim).collect();
        if policies.iter().any(|p| !matches!(*p, "compact" | "delete")) {
            return Err(format!("cleanup.policy must be compact, delete or both, not {:?}", raw("cleanup.policy")));
        }
        if raw("message.timestamp.type") != "CreateTime" {
            return Err("message.timestamp.type: the embedded broker keeps CreateTime only".into());
        }
        let min_compaction_lag_ms = number(&overrides, "min.compaction.lag.ms", 0)?;
        let max_compaction_lag_ms = number(&overrides, "max.compaction.lag.ms", 1)?;
        if min_compaction_lag_ms > max_compaction_lag_ms {
            return Err("max.compaction.lag.ms must not be below min.compaction.lag.ms".into());
        }
        Ok(Self {
            compact: policies.contains(&"compact"),
            delete: policies.contains(&"delete"),
            retention_ms: number(&overrides, "retention.ms", -1)?,
            retention_bytes: number(&overrides, "retention.bytes", -1)?,
            segment_bytes: number::<u64>(&overrides, "segment.bytes", 14)?,
            segment_ms: number(&overrides, "segment.ms", 1)?,
            delete_retention_ms: number(&overrides, "delete.retention.ms", 0)?,
            min_compaction_lag_ms,
            max_compaction_lag_ms,
            min_dirty_ratio: number(&overrides, "min.cleanable.dirty.ratio", 0.0)?,
            max_message_bytes: number(&overrides, "max.message.bytes", 0)?,
            overrides,
        })
    }

    /// How old a segment may become before it is closed, milliseconds: only closed ones are compacted.
    pub(crate) fn roll_ms(&self) -> i64 {
        if self.compact { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }

    /// Every known name with its value, and whether that is the default.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        KNOWN.iter().map(|(name, default)| match self.overrides.get(*name) {
            Some(value) => (*name, value.as_str(), false),
            None => (*name, *default, true),
        })
    }
}

fn raw<'a>(overrides: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    match overrides.get(name) {
        Some(value) => value,
        None => KNOWN.iter().find(|(known, _)| *known == name).map_or("", |(_, default)| default),
    }
}

fn number<T>(overrides: &BTreeMap<String, String>, name: &str, least: T) -> Result<T, String>
where
    T: Copy + FromStr + PartialOrd + std::fmt::Display,
{
    let value = raw(overrides, name);
    match value.trim().parse::<T>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(format!("{name} must be a number of at least {least}, not {value:?}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<TopicConfig, String> {
        TopicConfig::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn defaults_are_those_of_kafka_but_for_the_segment_size() {
        let c = config(&[]).unwrap();
        assert!(c.delete && !c.compact);
        assert_eq!((c.retention_ms, c.retention_bytes, c.max_message_bytes), (604_800_000, -1, 1_048_588));
    }

    #[test]
    fn values_are_taken_and_bad_ones_refused_by_name() {
        let c = config(&[("cleanup.policy", "compact, delete"), ("segment.bytes", "1000")]).unwrap();
        assert!(c.compact && c.delete && c.segment_bytes == 1000);
        for (name, value) in [
            ("cleanup.policy", "keep"),
            ("segment.bytes", "1"),
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("max.compaction.lag.ms", "0"),
            ("message.timestamp.type", "LogAppendTime"),
            ("no.such.name", "1"),
        ] {
            let error = config(&[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        let lags = [("min.compaction.lag.ms", "2000"), ("max.compaction.lag.ms", "1999")];
        let error = config(&lags).unwrap_err();
        assert!(lags.iter().all(|(name, _)| error.contains(name)), "{error}");
        config(&[lags[0], ("max.compaction.lag.ms", "2000")]).unwrap();
    }
}
