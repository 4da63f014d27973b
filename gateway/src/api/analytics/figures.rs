//! Figures from tallies: pure.

use super::interval::Interval;
use crate::view::audit::{Tally, TallyBy, TallyKey};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Outcomes that count as errors.
const ERRORS: [&str; 2] = ["failed", "circuit_open"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Metric {
    /// How many actions.
    Volume,
    /// How many of each outcome.
    OutcomeBreakdown,
    /// The action types that most are of.
    TopActionTypes,
    /// How long calls of providers took, from decision to result.
    Latency,
    /// The share of actions that failed or met an open circuit.
    ErrorRate,
}

impl Metric {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("volume", Self::Volume),
        ("outcome_breakdown", Self::OutcomeBreakdown),
        ("top_action_types", Self::TopActionTypes),
        ("latency", Self::Latency),
        ("error_rate", Self::ErrorRate),
    ];

    /// What has to be told apart for it.
    pub(super) fn by(self) -> TallyBy {
        match self {
            Self::Volume | Self::OutcomeBreakdown | Self::ErrorRate => TallyBy::Outcome,
            Self::TopActionTypes => TallyBy::ActionType,
            Self::Latency => TallyBy::Duration,
        }
    }
}

/// The figures of a stretch of time; of a group in it, where there are groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bucket {
    /// In milliseconds since 1970.
    pub(super) start: i64,
    pub(super) group: Option<String>,
    pub(super) count: u64,
    pub(super) latency: Option<Latency>,
    pub(super) error_rate: Option<f64>,
}

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub(super) avg_duration_ms: f64,
    pub(super) p50_duration_ms: i64,
    pub(super) p95_duration_ms: i64,
    pub(super) p99_duration_ms: i64,
}

/// What there is most of.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct TopEntry {
    pub(super) label: String,
    pub(super) count: u64,
    /// Of all, 0 to 100.
    pub(super) percentage: f64,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) buckets: Vec<Bucket>,
    pub(super) top: Vec<TopEntry>,
    pub(super) total: u64,
}

/// Puts tallies together; at most `most` groups are named.
pub(super) fn figures(metric: Metric, interval: Interval, tallies: Vec<Tally>, most: usize) -> Figures {
    let total = tallies.iter().map(|tally| tally.count).sum();
    let top = top(&tallies, total, most);
    let buckets = match metric {
        Metric::Volume => volume(interval, &tallies),
        Metric::OutcomeBreakdown => groups(interval, tallies, None),
        Metric::TopActionTypes => groups(interval, tallies, Some(&top)),
        Metric::Latency => latency(interval, &tallies),
        Metric::ErrorRate => error_rate(interval, &tallies),
    };
    let top = if matches!(metric, Metric::OutcomeBreakdown | Metric::TopActionTypes) { top } else { Vec::new() };
    Figures { buckets, top, total }
}

fn volume(interval: Interval, tallies: &[Tally]) -> Vec<Bucket> {
    let mut counts = BTreeMap::<i64, u64>::new();
    for tally in tallies {
        *counts.entry(interval.start(tally.start)).or_default() += tally.count;
    }
    counts.into_iter().map(|(start, count)| Bucket { start, count, ..Bucket::default() }).collect()
}

fn groups(interval: Interval, tallies: Vec<Tally>, only: Option<&[TopEntry]>) -> Vec<Bucket> {
    let mut counts = BTreeMap::<(i64, String), u64>::new();
    for tally in tallies {
        let TallyKey::Label(label) = tally.key else { continue };
        if only.is_none_or(|only| only.iter().any(|entry| entry.label == label)) {
            *counts.entry((interval.start(tally.start), label)).or_default() += tally.count;
        }
    }
    let bucket = |((start, label), count)| Bucket { start, group: Some(label), count, ..Bucket::default() };
    counts.into_iter().map(bucket).collect()
}

fn error_rate(interval: Interval, tallies: &[Tally]) -> Vec<Bucket> {
    let mut counts = BTreeMap::<i64, (u64, u64)>::new();
    for tally in tallies {
        let (all, errors) = counts.entry(interval.start(tally.start)).or_default();
        *all += tally.count;
        if matches!(&tally.key, TallyKey::Label(label) if ERRORS.contains(&label.as_str())) {
            *errors += tally.count;
        }
    }
    let bucket =
        |(start, (count, errors))| Bucket { start, count, error_rate: Some(share(errors, count)), ..Bucket::default() };
    counts.into_iter().map(bucket).collect()
}

fn latency(interval: Interval, tallies: &[Tally]) -> Vec<Bucket> {
    let mut durations = BTreeMap::<i64, BTreeMap<i64, u64>>::new();
    for tally in tallies {
        if let TallyKey::Duration(ms) = tally.key {
            *durations.entry(interval.start(tally.start)).or_default().entry(ms).or_default() += tally.count;
        }
    }
    let bucket = |(start, durations): (i64, BTreeMap<i64, u64>)| {
        let count = durations.values().sum();
        Bucket { start, count, latency: Some(spread(&durations, count)), ..Bucket::default() }
    };
    durations.into_iter().map(bucket).collect()
}

/// Counts are far below 2^53, up to which a float is exact.
#[allow(clippy::cast_precision_loss)]
fn spread(durations: &BTreeMap<i64, u64>, count: u64) -> Latency {
    let sum: f64 = durations.iter().map(|(ms, count)| *ms as f64 * *count as f64).sum();
    Latency {
        avg_duration_ms: if count == 0 { 0.0 } else { sum / count as f64 },
        p50_duration_ms: percentile(durations, count, 50),
        p95_duration_ms: percentile(durations, count, 95),
        p99_duration_ms: percentile(durations, count, 99),
    }
}

/// The shortest duration that `percent` of all don't exceed.
fn percentile(durations: &BTreeMap<i64, u64>, count: u64, percent: u64) -> i64 {
    let rank = count.saturating_mul(percent).div_ceil(100);
    let mut passed = 0;
    for (ms, count) in durations {
        passed += count;
        if passed >= rank {
            return *ms;
        }
    }
    0
}

/// The labels that most are of, in order; equal ones by name.
fn top(tallies: &[Tally], total: u64, most: usize) -> Vec<TopEntry> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for tally in tallies {
        if let TallyKey::Label(label) = &tally.key {
            *counts.entry(label).or_default() += tally.count;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let entry = |(label, count): (&str, u64)| TopEntry {
        label: label.to_owned(),
        count,
        percentage: 100.0 * share(count, total),
    };
    counts.into_iter().take(most).map(entry).collect()
}

/// Counts are far below 2^53, up to which a float is exact.
#[allow(clippy::cast_precision_loss)]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests;
