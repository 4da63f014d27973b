//! The rules in effect, what they make of an action, and loading them anew.

mod answers;
mod coverage;
mod switch;

use super::body::Json;
use super::{Api, ApiError};
use crate::api::openapi::Labels;
use crate::clock;
use crate::rules::{EditError, ReloadError};
use acteon_core::{Definitions, Explanation, MemoryState, Mocks};
use acteon_schemas::{Definition, Metadata};
use answers::{Evaluation, RuleSummary, RulesReloaded};
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is said of every decision that was tried out: it knows nothing of what came before.
const STATELESS: &str = "decided as if nothing had come before: dedup keys, throttles, counters, events, quotas and silences are not looked at";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(reload))
        .routes(routes!(evaluate))
        .routes(routes!(coverage::coverage))
        .routes(routes!(switch::set))
}

impl Api {
    /// What processors decide by.
    ///
    /// # Errors
    /// 503 until it is known.
    pub(crate) fn definitions(&self) -> Result<Arc<Definitions>, ApiError> {
        self.desk()?.rules().definitions().ok_or_else(|| {
            ApiError::unavailable("STARTING", "no rules have been published yet: does a processor run?").retry_after(1)
        })
    }
}

/// The rules in effect
#[utoipa::path(get, path = "/v1/rules", tag = "rules", responses(
    (status = 200, description = "In the order in which they are evaluated", body = Vec<RuleSummary>),
))]
async fn list(State(api): State<Api>) -> Result<axum::Json<Vec<Value>>, ApiError> {
    let definitions = api.definitions()?;
    let shown = definitions.rules.rules().iter().map(|rule| {
        json!({
            "name": rule.name, "priority": rule.priority, "enabled": rule.enabled, "description": rule.description,
            "source": rule.source.to_string(), "switched": definitions.switches.contains_key(&rule.name),
        })
    });
    Ok(axum::Json(shown.collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReloadRules)]
struct Reload {
    /// The configured one where absent.
    #[schema(value_type = Option<String>)]
    directory: Option<PathBuf>,
}

/// Reads the rule files, and publishes them if all are right
#[utoipa::path(post, path = "/v1/rules/reload", tag = "rules", request_body = Option<Reload>, responses(
    (status = 200, description = "They are published", body = RulesReloaded),
))]
async fn reload(State(api): State<Api>, Json(body): Json<Reload>) -> Result<axum::Json<Value>, ApiError> {
    let rules = Arc::clone(api.desk()?.rules());
    let done = tokio::task::spawn_blocking(move || rules.reload(body.directory.as_deref())).await;
    match done {
        Ok(Ok(done)) => Ok(axum::Json(json!({
            "reloaded": done.rules, "loaded": done.rules, "directory": done.directory, "errors": [],
        }))),
        Ok(Err(error @ ReloadError::Refused(_))) => {
            Err(ApiError::unprocessable("INVALID_RULES", format!("{error}; the running rules stay")))
        }
        Ok(Err(ReloadError::Failed(reason))) => Err(ApiError::unavailable("KAFKA_UNAVAILABLE", reason)),
        Err(error) => Err(ApiError::broke("reload of rules", &error)),
    }
}

impl Api {
    /// Sets a definition that stands over the configuration's, or with `None` takes it back.
    ///
    /// # Errors
    /// 422 where it does not go with the others, 503 where it can't be written.
    pub(super) async fn edit(&self, key: String, value: Option<Definition>) -> Result<Arc<Definitions>, ApiError> {
        let rules = Arc::clone(self.desk()?.rules());
        match tokio::task::spawn_blocking(move || rules.edit(&key, value.as_ref())).await {
            Ok(Ok(definitions)) => Ok(definitions),
            Ok(Err(EditError::Refused(details))) => Err(ApiError::invalid(details)),
            Ok(Err(EditError::Failed(reason))) => {
                Err(ApiError::unavailable("KAFKA_UNAVAILABLE", reason).retry_after(1))
            }
            Err(error) => Err(ApiError::broke("change of definitions", &error)),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EvaluateRules)]
struct Evaluate {
    namespace: String,
    tenant: String,
    provider: String,
    action_type: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Labels)]
    metadata: Metadata,
    dedup_key: Option<String>,
    status: Option<String>,
    fingerprint: Option<String>,
    /// The time to decide at; now where absent.
    evaluate_at: Option<String>,
    /// Taken, and without effect: the trace has every rule anyway.
    #[serde(default, rename = "evaluate_all")]
    _evaluate_all: bool,
    /// As `evaluate_all`.
    #[serde(default, rename = "include_disabled")]
    _include_disabled: bool,
    /// What state is taken to hold: what a `state_seen` or `state_counter` predicate is about, as its rule writes it, with
    /// true or a count; an event's fingerprint with its state; `type:label` of an active event with true; the name of a
    /// `deduplicate` or `throttle` rule with `admit` or `refuse`.
    #[serde(default)]
    mock_state: BTreeMap<String, Value>,
}

impl Evaluate {
    /// The action as it would be sent.
    fn action(&self) -> Value {
        json!({
            "namespace": self.namespace, "tenant": self.tenant, "provider": self.provider,
            "action_type": self.action_type, "payload": self.payload, "metadata": self.metadata,
            "dedup_key": self.dedup_key, "status": self.status, "fingerprint": self.fingerprint,
        })
    }

    /// The time to decide at.
    fn at(&self) -> Result<i64, ApiError> {
        let Some(text) = &self.evaluate_at else { return Ok(clock::now_ms()) };
        DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis()).map_err(|_| {
            let message = format!("field `evaluate_at`: `{text}` is not a time such as 2026-03-02T10:00:00Z");
            ApiError::unprocessable("INVALID_FIELD", message)
        })
    }
}

/// What the rules make of an action, rule by rule; nothing is sent
#[utoipa::path(post, path = "/v1/rules/evaluate", tag = "rules", request_body = Evaluate, responses(
    (status = 200, description = "The decision, and why", body = Evaluation),
))]
async fn evaluate(State(api): State<Api>, Json(body): Json<Evaluate>) -> Result<axum::Json<Value>, ApiError> {
    let mocks = Mocks(body.mock_state.clone());
    let (definitions, at) = (api.definitions()?, body.at()?);
    let begun = clock::now();
    let Explanation { verdict, matched_rule, provider, payload, trace } =
        explain(&definitions, at, body.action().to_string().as_bytes(), &mocks)?;
    let took = clock::now().saturating_duration_since(begun);
    let skipped = trace.entries.iter().filter(|entry| entry.skip_reason.is_some()).count();
    let mut shown = json!({
        "verdict": verdict, "matched_rule": matched_rule, "provider": provider,
        "has_errors": trace.entries.iter().any(|entry| entry.error.is_some()),
        "total_rules_evaluated": trace.entries.len() - skipped, "total_rules_skipped": skipped,
        "evaluation_duration_us": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "trace": trace,
        "context": {"evaluated_at": rfc3339(at), "note": STATELESS},
    });
    if payload != body.payload {
        shown["modified_payload"] = payload;
    }
    Ok(axum::Json(shown))
}

/// What the rules make of an action, without any state.
fn explain(definitions: &Definitions, at: i64, action: &[u8], mocks: &Mocks) -> Result<Explanation, ApiError> {
    acteon_core::explain_with(&definitions.rules, &mut MemoryState::default(), at, action, mocks).map_err(|error| {
        match error {
            acteon_core::ExplainError::Decode(error) => ApiError::record(&error, action),
            acteon_core::ExplainError::State(error) => {
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", error.to_string())
            }
        }
    })
}

/// The outcome of an action that is only tried out.
///
/// # Errors
/// The action is bad, or no rules are known yet.
pub(super) fn dry_run(api: &Api, action: &[u8]) -> Result<Value, ApiError> {
    let told = explain(&*api.definitions()?, clock::now_ms(), action, &Mocks::default())?;
    Ok(json!({ "DryRun": {
        "verdict": told.verdict, "matched_rule": told.matched_rule, "would_be_provider": told.provider, "note": STATELESS,
    }}))
}

fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Server};
    use serde_json::{Value, json};

    fn action(action_type: &str, payload: &Value) -> String {
        json!({"namespace": "n", "tenant": "t", "provider": "email", "action_type": action_type, "payload": payload})
            .to_string()
    }

    #[tokio::test]
    async fn rules_are_listed_in_their_order() {
        let server = Server::start(|_| Fate::Silent).await;
        let answer = server.request("GET", "/v1/rules", "", "").await;
        let rules = answer.body.as_array().unwrap();
        let shown: Vec<_> = rules.iter().map(|rule| (rule["name"].as_str().unwrap(), &rule["enabled"])).collect();
        assert_eq!(shown, [("no-tests", &json!(true)), ("shout", &json!(true)), ("mark", &json!(false))]);
        assert_eq!(rules[0]["description"], "Test traffic");
        let starting = Server::starting().await.request("GET", "/v1/rules", "", "").await;
        assert_eq!((starting.status, &starting.body["code"]), (503, &json!("STARTING")));
    }

    #[tokio::test]
    async fn a_reload_tells_what_it_read_and_what_is_wrong() {
        let server = Server::start(|_| Fate::Silent).await;
        let answer = server.post("/v1/rules/reload", "").await;
        let expected = json!({"reloaded": 3, "loaded": 3, "directory": "rules", "errors": []});
        assert_eq!((answer.status, answer.body), (200, expected));
        assert_eq!(server.post("/v1/rules/reload", r#"{"directory":"other"}"#).await.body["directory"], "other");
        for (body, status, code) in [
            (r#"{"directory":"bad"}"#, 422, "INVALID_RULES"),
            (r#"{"directory":"away"}"#, 503, "KAFKA_UNAVAILABLE"),
            (r#"{"directory":7}"#, 422, "INVALID_BODY"),
            (r#"{"dir":"x"}"#, 422, "INVALID_BODY"),
        ] {
            let answer = server.post("/v1/rules/reload", body).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_action_can_be_tried_out_and_nothing_is_sent() {
        let server = Server::start(|_| Fate::Silent).await;
        let tried = server.post("/v1/dispatch?dry_run=true", &action("a", &json!({"environment": "test"}))).await;
        let told = &tried.body["DryRun"];
        assert_eq!(
            (tried.status, &told["verdict"], &told["matched_rule"]),
            (200, &json!("suppress"), &json!("no-tests"))
        );
        assert_eq!(told["would_be_provider"], "email");
        assert!(told["note"].as_str().unwrap().contains("nothing had come before"), "{tried:?}");
        let batch = format!("[{},{{}}]", action("urgent", &json!({})));
        let tried = server.post("/v1/dispatch/batch?dry_run=true", &batch).await;
        assert_eq!(tried.body[0]["DryRun"]["would_be_provider"], "sms");
        assert_eq!(tried.body[1]["error"]["code"], "INVALID_BODY");

        let body = action("urgent", &json!({}));
        let traced = server.post("/v1/rules/evaluate", &body).await;
        assert_eq!((traced.status, &traced.body["verdict"]), (200, &json!("reroute")), "{traced:?}");
        let results: Vec<_> = traced.body["trace"].as_array().unwrap().iter().map(|entry| &entry["result"]).collect();
        assert_eq!(results, [&json!("not_matched"), &json!("matched"), &json!("skipped")]);
        let counts = (&traced.body["total_rules_evaluated"], &traced.body["total_rules_skipped"]);
        assert_eq!(counts, (&json!(2), &json!(1)));
        let at = body.replace(r#""namespace""#, r#""evaluate_at":"noon","namespace""#);
        let mock = body.replace(r#""namespace""#, r#""mock_state":["k"],"namespace""#);
        for (body, code) in [(at, "INVALID_FIELD"), (mock, "INVALID_BODY"), ("{}".to_owned(), "INVALID_BODY")] {
            let answer = server.post("/v1/rules/evaluate", &body).await;
            assert_eq!((answer.status, &answer.body["code"]), (422, &json!(code)), "{answer:?}");
        }
        let known = body.replace(r#""namespace""#, r#""mock_state":{"k":"v"},"include_disabled":true,"namespace""#);
        assert_eq!(server.post("/v1/rules/evaluate", &known).await.body["verdict"], "reroute");
        assert!(server.seen().is_empty());
    }
}
