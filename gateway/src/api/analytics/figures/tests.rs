use super::*;

const DAY_MS: i64 = 86_400_000;

fn labels(tallies: &[(i64, &str, u64)]) -> Vec<Tally> {
    let tally = |(start, label, count): &(i64, &str, u64)| Tally {
        start: *start,
        key: TallyKey::Label((*label).to_owned()),
        count: *count,
    };
    tallies.iter().map(tally).collect()
}

fn durations(tallies: &[(i64, i64, u64)]) -> Vec<Tally> {
    let tally =
        |(start, ms, count): &(i64, i64, u64)| Tally { start: *start, key: TallyKey::Duration(*ms), count: *count };
    tallies.iter().map(tally).collect()
}

fn bucket(start: i64, count: u64) -> Bucket {
    Bucket { start, count, ..Bucket::default() }
}

#[test]
fn volume_is_the_sum_of_all_outcomes() {
    let tallies = labels(&[(0, "executed", 3), (0, "failed", 1), (DAY_MS, "executed", 2)]);
    let figures = figures(Metric::Volume, Interval::Daily, tallies, 10);
    assert_eq!(figures, Figures { buckets: vec![bucket(0, 4), bucket(DAY_MS, 2)], top: Vec::new(), total: 6 });
}

#[test]
fn days_of_a_month_are_put_together() {
    let tallies = labels(&[(0, "executed", 3), (30 * DAY_MS, "executed", 1), (31 * DAY_MS, "executed", 2)]);
    let figures = figures(Metric::Volume, Interval::Monthly, tallies, 10);
    assert_eq!(figures.buckets, [bucket(0, 4), bucket(31 * DAY_MS, 2)]);
}

#[test]
fn outcomes_are_told_apart_by_time_and_in_all() {
    let tallies = labels(&[(0, "executed", 1), (0, "failed", 2), (DAY_MS, "executed", 5)]);
    let figures = figures(Metric::OutcomeBreakdown, Interval::Daily, tallies, 10);
    let groups: Vec<_> = figures.buckets.iter().map(|b| (b.start, b.group.as_deref(), b.count)).collect();
    assert_eq!(groups, [(0, Some("executed"), 1), (0, Some("failed"), 2), (DAY_MS, Some("executed"), 5)]);
    let top: Vec<_> = figures.top.iter().map(|entry| (entry.label.as_str(), entry.count, entry.percentage)).collect();
    assert_eq!(top, [("executed", 6, 75.0), ("failed", 2, 25.0)]);
}

#[test]
fn the_top_is_cut_and_equal_ones_are_by_name() {
    let tallies = labels(&[(0, "b", 2), (0, "c", 1), (0, "a", 2), (DAY_MS, "c", 5)]);
    let figures = figures(Metric::TopActionTypes, Interval::Daily, tallies, 2);
    let top: Vec<_> = figures.top.iter().map(|entry| (entry.label.as_str(), entry.count, entry.percentage)).collect();
    assert_eq!(top, [("c", 6, 60.0), ("a", 2, 20.0)]);
    let groups: Vec<_> = figures.buckets.iter().map(|b| (b.start, b.group.as_deref(), b.count)).collect();
    assert_eq!(groups, [(0, Some("a"), 2), (0, Some("c"), 1), (DAY_MS, Some("c"), 5)]);
    assert_eq!(figures.total, 10);
}

#[test]
fn percentiles_are_those_of_the_nearest_rank() {
    /// Durations with their counts, the average, and the percentiles.
    type Case<'c> = (&'c [(i64, u64)], f64, [i64; 3]);
    let cases: [Case<'_>; 5] = [
        (&[(7, 1)], 7.0, [7, 7, 7]),
        (&[(10, 1), (20, 1)], 15.0, [10, 20, 20]),
        (&[(1, 50), (100, 50)], 50.5, [1, 100, 100]),
        (&[(1, 98), (500, 2)], 10.98, [1, 1, 500]),
        (&[(0, 3)], 0.0, [0, 0, 0]),
    ];
    for (given, avg, expected) in cases {
        let tallies: Vec<_> = given.iter().map(|(ms, count)| (0, *ms, *count)).collect();
        let figures = figures(Metric::Latency, Interval::Hourly, durations(&tallies), 10);
        let latency = figures.buckets[0].latency.unwrap();
        assert!((latency.avg_duration_ms - avg).abs() < 1e-9, "{given:?}: {latency:?}");
        let percentiles = [latency.p50_duration_ms, latency.p95_duration_ms, latency.p99_duration_ms];
        assert_eq!(percentiles, expected, "{given:?}");
    }
}

#[test]
fn errors_are_failures_and_open_circuits() {
    let tallies = labels(&[(0, "executed", 6), (0, "failed", 1), (0, "circuit_open", 1), (DAY_MS, "suppressed", 3)]);
    let figures = figures(Metric::ErrorRate, Interval::Daily, tallies, 10);
    let rates: Vec<_> = figures.buckets.iter().map(|b| (b.count, b.error_rate)).collect();
    assert_eq!(rates, [(8, Some(0.25)), (3, Some(0.0))]);
}

#[test]
fn nothing_is_nothing() {
    for (_, metric) in Metric::NAMES {
        assert_eq!(figures(metric, Interval::Weekly, Vec::new(), 10), Figures::default(), "{metric:?}");
    }
}
