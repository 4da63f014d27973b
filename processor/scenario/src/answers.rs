//! What became of actions, read from the outcomes that a step has told.

use crate::engine::Told;
use crate::expect::DENIED;
use serde_json::Value;
use std::collections::BTreeMap;

/// Outcomes that tell of what an action has begun, not of the action.
const PROGRESS: [&str; 8] = [
    "group_flushed",
    "event_changed",
    "chain_step_completed",
    "chain_step_failed",
    "chain_step_skipped",
    "notice_sent",
    "notice_failed",
    "approved",
];
/// How what an action has begun ends.
const ENDS: [&str; 4] = ["chain_completed", "chain_failed", "chain_cancelled", "chain_timed_out"];
/// Answers to commands.
const COMMANDS: [&str; 2] = ["command_done", "command_refused"];

/// What became of one action.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The action's id.
    pub(crate) action_id: String,
    pub(crate) outcome: String,
    /// Refused by a `deny` rule.
    pub(crate) denied: bool,
    pub(crate) rule: Option<String>,
    /// What stands inside the detail's only key.
    pub(crate) detail: Value,
}

impl Answer {
    fn of(record: &Value, told: &Told) -> Self {
        let text = |key: &str| record[key].as_str().map(str::to_owned);
        let outcome = text("outcome").unwrap_or_default();
        let is_deny = |audit: &Value| {
            audit["verdict"] == "deny" && audit["source"] == record["source"] && audit["outcome"] == "suppressed"
        };
        let denied = outcome == "suppressed" && told.audit.iter().any(is_deny);
        let inner = record["detail"].as_object().and_then(|detail| detail.values().next().cloned());
        Self {
            action_id: text("action_id").unwrap_or_default(),
            outcome,
            denied,
            rule: text("rule"),
            detail: inner.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        }
    }

    /// Whether a wanted name is this outcome's.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        self.outcome == wanted || (self.denied && wanted == DENIED)
    }

    /// The most telling name of the outcome.
    pub(crate) fn name(&self) -> &str {
        if self.denied { DENIED } else { &self.outcome }
    }
}

fn is_in(names: &[&str], record: &Value) -> bool {
    record["outcome"].as_str().is_some_and(|outcome| names.contains(&outcome))
}

/// What became of the action that was sent at an offset, once its provider has answered; what follows later is told by
/// [`others`].
pub(crate) fn to_sender(told: &Told, offset: i64) -> Option<Answer> {
    let of_it = |record: &&Value| {
        record["source"]["offset"] == offset
            && record["source"]["topic"] == "acteon.actions"
            && record["is_final"] == true
            && record["released_by"].is_null()
            && !is_in(&PROGRESS, record)
            && !is_in(&ENDS, record)
            && !is_in(&COMMANDS, record)
    };
    told.outcomes.iter().find(of_it).map(|record| Answer::of(record, told))
}

/// What became of actions that were held, and how what they had begun ended: the last of each.
pub(crate) fn others(told: &Told) -> Vec<Answer> {
    let records = told
        .outcomes
        .iter()
        .filter(|record| record["is_final"] == true && !is_in(&PROGRESS, record) && !is_in(&COMMANDS, record));
    let mut last: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut answers: Vec<Answer> = Vec::new();
    for record in records {
        let answer = Answer::of(record, told);
        let key = (answer.action_id.clone(), record["chain_id"].to_string());
        match last.get(&key) {
            Some(at) => answers[*at] = answer,
            None => {
                last.insert(key, answers.len());
                answers.push(answer);
            }
        }
    }
    answers
}

/// The answer to a command that was sent at an offset: its result, or code and message of its refusal.
pub(crate) fn to_command(told: &Told, offset: i64) -> Option<Result<Value, (String, String)>> {
    let of_it = |record: &&Value| {
        record["source"]["offset"] == offset
            && record["source"]["topic"] == "acteon.commands"
            && is_in(&COMMANDS, record)
    };
    let detail = &told.outcomes.iter().find(of_it)?["detail"];
    if let Some(done) = detail.get("CommandDone") {
        return Some(Ok(done["result"].clone()));
    }
    let refused = &detail["CommandRefused"];
    let text = |key: &str| refused[key].as_str().unwrap_or_default().to_owned();
    Some(Err((text("code"), text("message"))))
}
