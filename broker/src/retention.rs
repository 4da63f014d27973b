//! Retention: which closed segments have outlived `retention.ms` or exceed `retention.bytes`. Pure.

use crate::log::segment::Segment;
use crate::topic_config::TopicConfig;

/// How many of the first closed segments are to be deleted. `stable_end` bounds them: an open transaction is kept.
pub(crate) fn expired(segments: &[Segment], config: &TopicConfig, stable_end: i64, now: i64) -> usize {
    if !config.delete {
        return 0;
    }
    let Some((active, closed)) = segments.split_last() else { return 0 };
    let mut excess = match u64::try_from(config.retention_bytes) {
        Ok(limit) => (closed.iter().map(|s| s.size).sum::<u64>() + active.size).saturating_sub(limit),
        Err(_) => 0,
    };
    closed
        .iter()
        .take_while(|segment| {
            let stale = is_stale(segment, config, now);
            let surplus = segment.size > 0 && excess >= segment.size;
            excess = excess.saturating_sub(segment.size);
            segment.last_offset < stable_end && (stale || surplus)
        })
        .count()
}

/// Whether the youngest record of the segment is older than `retention.ms`.
pub(crate) fn is_stale(segment: &Segment, config: &TopicConfig, now: i64) -> bool {
    config.delete && config.retention_ms >= 0 && now.saturating_sub(segment.max_timestamp) > config.retention_ms
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(pairs: &[(&str, &str)]) -> TopicConfig {
        TopicConfig::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()).unwrap()
    }

    /// Three closed segments of 100 bytes and an active one of 50; the youngest records are of 1, 2, 3 and 4 s.
    fn segments() -> Vec<Segment> {
        let segment = |base: i64, size, ts| Segment::closed(Path::new("/none"), base, size, base + 9, ts);
        vec![segment(0, 100, 1_000), segment(10, 100, 2_000), segment(20, 100, 3_000), segment(30, 50, 4_000)]
    }

    #[test]
    fn whole_segments_go_by_age_and_by_size() {
        for (name, pairs, stable_end, now, want) in [
            ("unlimited", &[("retention.ms", "-1")][..], 40, 1_000_000, 0),
            ("young", &[("retention.ms", "1000")], 40, 2_000, 0),
            ("one old", &[("retention.ms", "1000")], 40, 2_001, 1),
            ("all old, the active one stays", &[("retention.ms", "1000")], 40, 99_000, 3),
            ("an open transaction keeps its segment", &[("retention.ms", "1000")], 15, 99_000, 1),
            ("size just held", &[("retention.ms", "-1"), ("retention.bytes", "251")], 40, 0, 0),
            ("size exceeded by one", &[("retention.ms", "-1"), ("retention.bytes", "250")], 40, 0, 1),
            ("size exceeded by all", &[("retention.ms", "-1"), ("retention.bytes", "0")], 40, 0, 3),
            ("compacted only", &[("cleanup.policy", "compact"), ("retention.ms", "0")], 40, 99_000, 0),
            ("both policies", &[("cleanup.policy", "compact,delete"), ("retention.ms", "0")], 40, 99_000, 3),
        ] {
            assert_eq!(expired(&segments(), &config(pairs), stable_end, now), want, "{name}");
        }
    }
}
