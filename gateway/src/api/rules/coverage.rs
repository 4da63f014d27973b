//! Which rules have a say in which actions, by the audit view.

use crate::api::audit::query::{Given, bad};
use crate::api::audit::{Pairs, pairs};
use crate::api::openapi::Refused;
use crate::api::{Api, ApiError};
use crate::clock;
use crate::view::audit::{AuditFilter, CoverageQuery, CoverageRow, rfc3339};
use acteon_core::Definitions;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// How far back is looked where the question does not say, in milliseconds: 7 days.
const USUAL_SPAN_MS: i64 = 7 * 24 * 3_600_000;

/// Which rules had a say in which actions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Coverage {
    scanned_from: Option<String>,
    scanned_to: Option<String>,
    total_actions: u64,
    unique_combinations: usize,
    fully_covered: usize,
    partially_covered: usize,
    uncovered: usize,
    rules_loaded: usize,
    entries: Vec<Combination>,
    /// Enabled rules that had a say in nothing.
    unmatched_rules: Vec<String>,
    rules: Vec<RuleCount>,
}

/// A kind of action, and how many of them rules had a say in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CoverageEntry)]
struct Combination {
    namespace: String,
    tenant: String,
    provider: String,
    action_type: String,
    total: u64,
    covered: u64,
    uncovered: u64,
    matched_rules: BTreeSet<String>,
}

/// How many actions a rule had a say in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CoverageRule)]
struct RuleCount {
    name: String,
    enabled: bool,
    actions: u64,
}

/// Which rules had a say in which actions
///
/// The rule that decided, the gates that let an action pass and the rewrites that changed it all have. Without `from`, seven
/// days are looked at.
#[utoipa::path(get, path = "/v1/rules/coverage", tag = "rules", params(
    ("namespace" = Option<String>, Query), ("tenant" = Option<String>, Query),
    ("from" = Option<String>, Query, description = "A time as in 2026-01-31T08:30:00Z"),
    ("to" = Option<String>, Query, description = "A time as in 2026-01-31T08:30:00Z"),
), responses((status = 200, description = "By kind of action, and by rule", body = Coverage), Refused<422>))]
pub(super) async fn coverage(State(api): State<Api>, question: Pairs) -> Result<Json<Coverage>, ApiError> {
    let filter = filter(pairs(question)?, clock::now_ms())?;
    let definitions = api.definitions()?;
    let rows = api.audit()?.store().coverage(CoverageQuery { filter: filter.clone() }).await?;
    Ok(Json(report(&filter, rows, &definitions)))
}

fn filter(pairs: Vec<(String, String)>, now: i64) -> Result<AuditFilter, ApiError> {
    let mut filter = Given::of(pairs, &["namespace", "tenant", "from", "to"])?.filter()?;
    let to = filter.to.unwrap_or(now);
    let from = filter.from.unwrap_or_else(|| to.saturating_sub(USUAL_SPAN_MS));
    if from > to {
        return Err(bad("from", "is after `to`, which is now where it is not given"));
    }
    (filter.from, filter.to) = (Some(from), Some(to));
    Ok(filter)
}

fn report(filter: &AuditFilter, rows: Vec<CoverageRow>, definitions: &Definitions) -> Coverage {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<[String; 4], Combination> = BTreeMap::new();
    let mut total_actions = 0;
    for CoverageRow { namespace, tenant, provider, action_type, rules, count } in rows {
        total_actions += count;
        let key = [namespace.clone(), tenant.clone(), provider.clone(), action_type.clone()];
        let kind = kinds.entry(key).or_insert_with(|| Combination {
            namespace,
            tenant,
            provider,
            action_type,
            total: 0,
            covered: 0,
            uncovered: 0,
            matched_rules: BTreeSet::new(),
        });
        kind.total += count;
        let part = if rules.is_empty() { &mut kind.uncovered } else { &mut kind.covered };
        *part += count;
        // A rule has one say in an action, be it that it is named twice.
        for rule in rules.into_iter().collect::<BTreeSet<_>>() {
            *counts.entry(rule.clone()).or_default() += count;
            kind.matched_rules.insert(rule);
        }
    }
    let mut entries: Vec<Combination> = kinds.into_values().collect();
    // What no rule looks at stands first: it is what is asked for.
    entries.sort_by_key(|kind| (kind.covered > 0, kind.uncovered == 0));
    let fully_covered = entries.iter().filter(|kind| kind.uncovered == 0).count();
    let uncovered = entries.iter().filter(|kind| kind.covered == 0).count();
    let rules: Vec<RuleCount> = definitions
        .rules
        .rules()
        .iter()
        .map(|rule| RuleCount {
            name: rule.name.clone(),
            enabled: rule.enabled,
            actions: counts.get(&rule.name).copied().unwrap_or(0),
        })
        .collect();
    let unmatched = rules.iter().filter(|rule| rule.enabled && rule.actions == 0);
    Coverage {
        scanned_from: filter.from.and_then(rfc3339),
        scanned_to: filter.to.and_then(rfc3339),
        total_actions,
        unique_combinations: entries.len(),
        fully_covered,
        partially_covered: entries.len() - fully_covered - uncovered,
        uncovered,
        rules_loaded: rules.len(),
        entries,
        unmatched_rules: unmatched.map(|rule| rule.name.clone()).collect(),
        rules,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Server};
    use crate::view::audit::AuditView;
    use crate::view::audit::testing::{Fixture, record};
    use serde_json::json;
    use std::sync::Arc;

    async fn server(records: &[serde_json::Value]) -> (Server, Fixture) {
        let fixture = Fixture::new();
        fixture.write(0, records).await;
        let server = Server::start(|_| Fate::Silent).await;
        server.api.open_audit(AuditView::still(Arc::clone(fixture.store()) as _));
        (server, fixture)
    }

    #[tokio::test]
    async fn what_rules_had_a_say_in_is_told_by_kind_and_by_rule() {
        let none = || json!({"action_type": "partly", "matched_rule": null, "verdict": "allow"});
        let records = [
            record("a", 1_000, json!({"matched_rule": "no-tests"})),
            record("b", 1_000, json!({"matched_rule": null, "action_type": "partly", "rewritten_by": ["mark"]})),
            record("c", 1_000, none()),
            record(
                "d",
                1_000,
                json!({"matched_rule": null, "action_type": "bare", "provider": "sms", "original_provider": "email"}),
            ),
            record("e", 1_000, json!({"matched_rule": "gone", "admitted_by": ["gone", "no-tests"]})),
            record("step", 1_000, json!({"phase": "progress"})),
            record("asked", 1_000, json!({"verdict": "command"})),
            record("before", 999, json!({})),
            record("other", 1_000, json!({"tenant": "u"})),
        ];
        let (server, _fixture) = server(&records).await;
        let path = "/v1/rules/coverage?namespace=n&tenant=t&from=1970-01-01T00:00:01Z&to=1970-01-02T00:00:00Z";
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let kind = |provider: &str, action_type: &str, (covered, uncovered): (u64, u64), rules: &[&str]| {
            json!({
                "namespace": "n", "tenant": "t", "provider": provider, "action_type": action_type,
                "total": covered + uncovered, "covered": covered, "uncovered": uncovered, "matched_rules": rules,
            })
        };
        let expected = json!({
            "scanned_from": "1970-01-01T00:00:01.000Z", "scanned_to": "1970-01-02T00:00:00.000Z",
            "total_actions": 5, "unique_combinations": 3, "fully_covered": 1, "partially_covered": 1, "uncovered": 1,
            "rules_loaded": 3, "unmatched_rules": ["shout"],
            "entries": [
                kind("email", "bare", (0, 1), &[]),
                kind("p", "partly", (1, 1), &["mark"]),
                kind("p", "x", (2, 0), &["gone", "no-tests"]),
            ],
            "rules": [
                {"name": "no-tests", "enabled": true, "actions": 2},
                {"name": "shout", "enabled": true, "actions": 0},
                {"name": "mark", "enabled": false, "actions": 1},
            ],
        });
        assert_eq!(answer.body, expected);
        let usual = server.get("/v1/rules/coverage").await;
        assert_eq!(usual.body["total_actions"], 0, "seven days are looked at");
    }

    #[tokio::test]
    async fn bad_questions_are_refused() {
        let (server, _fixture) = server(&[]).await;
        for query in ["provider=p", "from=now", "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "tenant="] {
            let answer = server.get(&format!("/v1/rules/coverage?{query}")).await;
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!("INVALID_QUERY")), "{query}");
        }
    }
}
