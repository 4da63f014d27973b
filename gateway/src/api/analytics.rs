//! Figures over the audit view: how many, of what, how long, and how often it failed.

mod figures;
mod interval;

use super::audit::query::{FILTERS, Given, bad};
use super::audit::shape::AuditFilterParams;
use super::audit::{Pairs, pairs};
use super::{Api, ApiError};
use crate::api::openapi::Refused;
use crate::clock;
use crate::view::audit::{TallyQuery, rfc3339};
use axum::Json;
use axum::extract::State;
use figures::{Bucket, Metric, TopEntry, figures};
use interval::Interval;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Most stretches of time that a question may span.
const MAX_BUCKETS: i64 = 5_000;
/// Groups that are named where the question does not say.
const DEFAULT_TOP: u64 = 10;
/// Most groups that are named.
const MAX_TOP: u64 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(analytics))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Analytics {
    metric: Metric,
    interval: Interval,
    from: Option<String>,
    to: Option<String>,
    buckets: Vec<Shown>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    top_entries: Vec<TopEntry>,
    total_count: u64,
}

/// A bucket as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AnalyticsBucket)]
struct Shown {
    timestamp: Option<String>,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Option<f64>,
}

impl From<Bucket> for Shown {
    fn from(bucket: Bucket) -> Self {
        Self {
            timestamp: rfc3339(bucket.start),
            count: bucket.count,
            group: bucket.group,
            avg_duration_ms: bucket.latency.map(|latency| latency.avg_duration_ms),
            p50_duration_ms: bucket.latency.map(|latency| latency.p50_duration_ms),
            p95_duration_ms: bucket.latency.map(|latency| latency.p95_duration_ms),
            p99_duration_ms: bucket.latency.map(|latency| latency.p99_duration_ms),
            error_rate: bucket.error_rate,
        }
    }
}

/// What is asked, beside a filter.
#[derive(Serialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AnalyticsParams {
    #[param(inline)]
    metric: Metric,
    /// `hourly` where absent.
    #[param(inline)]
    interval: Option<Interval>,
    /// Most groups that are named.
    #[param(maximum = 100, default = 10)]
    top_n: Option<u32>,
}

/// A question as it was read.
#[derive(Debug, PartialEq)]
struct Question {
    metric: Metric,
    interval: Interval,
    most: usize,
    tally: TallyQuery,
}

/// Figures of actions, by stretches of time
#[utoipa::path(get, path = "/v1/analytics", tag = "analytics", params(AnalyticsParams, AuditFilterParams), responses(
    (status = 200, description = "Where nothing happened, there is no bucket", body = Analytics),
    Refused<422>,
))]
async fn analytics(State(api): State<Api>, question: Pairs) -> Result<Json<Analytics>, ApiError> {
    let Question { metric, interval, most, tally } = question_of(pairs(question)?, clock::now_ms())?;
    let (from, to) = (tally.filter.from.and_then(rfc3339), tally.filter.to.and_then(rfc3339));
    let tallies = api.audit()?.store().tally(tally).await?;
    let figures = figures(metric, interval, tallies, most);
    Ok(Json(Analytics {
        metric,
        interval,
        from,
        to,
        buckets: figures.buckets.into_iter().map(Shown::from).collect(),
        top_entries: figures.top,
        total_count: figures.total,
    }))
}

fn question_of(pairs: Vec<(String, String)>, now: i64) -> Result<Question, ApiError> {
    let known: Vec<&str> = ["metric", "interval", "top_n"].into_iter().chain(FILTERS).collect();
    let given = Given::of(pairs, &known)?;
    let metric = one_of(&given, "metric", &Metric::NAMES)?;
    let metric =
        metric.ok_or_else(|| bad("metric", format_args!("is missing; there are {}", names(&Metric::NAMES))))?;
    let interval = one_of(&given, "interval", &Interval::NAMES)?.unwrap_or(Interval::Hourly);
    let most = given.number("top_n", MAX_TOP)?.unwrap_or(DEFAULT_TOP);
    let mut filter = given.filter()?;
    let to = filter.to.unwrap_or(now);
    let from = filter.from.unwrap_or_else(|| to.saturating_sub(interval.usual_span()));
    if from > to {
        return Err(bad("from", "is after `to`, which is now where it is not given"));
    }
    let (width_ms, origin_ms) = interval.stretch();
    if to.saturating_sub(from) / width_ms > MAX_BUCKETS {
        let problem = format_args!("is too far from `to`: at most {MAX_BUCKETS} stretches of the interval are told of");
        return Err(bad("from", problem));
    }
    (filter.from, filter.to) = (Some(from), Some(to));
    let tally = TallyQuery { filter, width_ms, origin_ms, by: metric.by() };
    Ok(Question { metric, interval, most: usize::try_from(most).unwrap_or(usize::MAX), tally })
}

/// The value of a parameter that has a few.
fn one_of<T: Copy>(given: &Given, name: &str, values: &[(&str, T)]) -> Result<Option<T>, ApiError> {
    let Some(text) = given.text(name) else { return Ok(None) };
    match values.iter().find(|(value, _)| *value == text) {
        Some((_, value)) => Ok(Some(*value)),
        None => Err(bad(name, format_args!("is `{text}`; there are {}", names(values)))),
    }
}

fn names<T>(values: &[(&str, T)]) -> String {
    values.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::view::audit::TallyBy;

    /// 2026-02-18T13:00:00Z.
    const NOW: i64 = 1_771_419_600_000;

    fn read(query: &str) -> Result<Question, ApiError> {
        question_of(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(), NOW)
    }

    #[test]
    fn what_is_not_said_is_usual() {
        let question = read("metric=volume").unwrap();
        assert_eq!((question.interval, question.most), (Interval::Hourly, 10));
        let filter = &question.tally.filter;
        assert_eq!((filter.from, filter.to), (Some(NOW - 86_400_000), Some(NOW)));
        let question = read("metric=latency&interval=weekly&tenant=t&to=2026-01-01T00:00:00Z&top_n=3").unwrap();
        assert_eq!((question.tally.by, question.most), (TallyBy::Duration, 3));
        assert_eq!(question.tally.filter.tenant.as_deref(), Some("t"));
    }

    #[test]
    fn bad_questions_are_refused_by_name() {
        let cases = [
            ("", "`metric` is missing; there are volume, outcome_breakdown, top_action_types, latency, error_rate"),
            ("metric=speed", "`metric` is `speed`"),
            ("metric=volume&interval=yearly", "`interval` is `yearly`; there are hourly, daily, weekly, monthly"),
            ("metric=volume&top_n=101", "`top_n` is `101`"),
            ("metric=volume&limit=5", "`limit` is no parameter here"),
            ("metric=volume&from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "`from` is after `to`"),
            ("metric=volume&from=2027-01-01T00:00:00Z", "`from` is after `to`, which is now"),
            ("metric=volume&from=2020-01-01T00:00:00Z", "`from` is too far from `to`"),
            ("metric=volume&outcome=exploded", "`outcome` is `exploded`"),
        ];
        for (query, part) in cases {
            let error = read(query).unwrap_err();
            assert_eq!((error.status.as_u16(), &*error.code), (400, "INVALID_QUERY"), "{query}");
            assert!(error.message.contains(part), "{query}: {error:?}");
        }
    }
}
