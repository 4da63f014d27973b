use super::{Endpoint, block_on};
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use acteon_client::{Client, Error, Outcome};
use acteon_schemas::{Action, MAX_RECORD_BYTES};
use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::Read as _;
use std::time::Duration;
use uuid::Uuid;

/// Most actions of a file. `acteon produce` has no such limit.
const MAX_ACTIONS: usize = 10_000;
/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 64 * MAX_RECORD_BYTES as u64;

/// Send actions to a gateway over HTTP, and show what becomes of them
///
/// A file holds actions as JSON objects, one behind the other. They are sent in turn: an action without an id is given one,
/// so that a lost answer is asked for again without sending another action.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon dispatch action.json
  acteon dispatch --dry-run examples/quickstart/actions.ndjson
  echo '{\"namespace\":\"n\",\"tenant\":\"t\",\"provider\":\"log\",\"action_type\":\"hello\",\"payload\":{}}' | acteon dispatch - --json

Exits with 1 if an action was refused.")]
pub(crate) struct Dispatch {
    /// The file; - is standard input
    file: String,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Wait no longer than this for an outcome; 0 for none [default: as the gateway does]
    #[arg(long, value_parser = duration::parse, value_name = "TIME")]
    wait: Option<Duration>,
    /// Only show what the rules would decide
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Print JSON: one object an action
    #[arg(long)]
    json: bool,
}

impl Dispatch {
    pub(crate) fn run(&self) -> Result<Exit> {
        let text = self.read()?;
        let actions =
            actions(&text).map_err(|problem| Failure::error(Exit::Refused, format!("{}: {problem}", self.file)))?;
        let client = self.endpoint.client()?;
        block_on(async {
            let mut output = Output::stdout();
            let mut refused = false;
            if !self.json {
                output.line(format!("{:<38} {:<18} DETAIL", "ACTION ID", "OUTCOME"))?;
            }
            for action in &actions {
                let id = action.id.as_deref().unwrap_or_default();
                let (outcome, detail) = match self.send(&client, action).await {
                    Ok(outcome) => (outcome.name().to_owned(), detail(&outcome)),
                    Err(Error::Api(error)) => {
                        refused = true;
                        ("refused".to_owned(), json!({ "code": error.code, "message": error.message }))
                    }
                    Err(error) => return Err(error.into()),
                };
                if self.json {
                    output.json(&json!({ "action_id": id, "outcome": outcome, "detail": detail }))?;
                } else {
                    output.line(format!("{id:<38} {outcome:<18} {}", shown(&detail)))?;
                }
                output.flush()?;
            }
            Ok(if refused { Exit::Failed } else { Exit::Done })
        })
    }

    async fn send(&self, client: &Client, action: &Action<'_>) -> Result<Outcome, Error> {
        match self.wait {
            _ if self.dry_run => client.try_out(action).await,
            Some(wait) => client.dispatch_within(action, wait).await,
            None => client.dispatch(action).await,
        }
    }

    fn read(&self) -> Result<String> {
        let mut text = String::new();
        let read = match self.file.as_str() {
            "-" => std::io::stdin().take(MAX_FILE_BYTES + 1).read_to_string(&mut text),
            path => std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)),
        };
        read.with_context(|| format!("can't read {}", self.file))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            let message = format!("{}: has more than {MAX_FILE_BYTES} bytes; `acteon produce` takes more", self.file);
            return Err(Failure::error(Exit::Refused, message));
        }
        Ok(text)
    }
}

/// The actions of a text, each with an id.
fn actions(text: &str) -> Result<Vec<Action<'_>>, String> {
    let mut actions = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let number = actions.len() + 1;
        if number > MAX_ACTIONS {
            return Err(format!("has more than {MAX_ACTIONS} actions; `acteon produce` takes more"));
        }
        let value = value.map_err(|error| error.to_string())?;
        let mut action = Action::decode(value.get().as_bytes()).map_err(|error| format!("action {number}: {error}"))?;
        action.id.get_or_insert_with(|| Cow::Owned(Uuid::new_v4().to_string()));
        actions.push(action);
    }
    if actions.is_empty() { Err("holds no action".to_owned()) } else { Ok(actions) }
}

/// What is worth telling of an outcome, as JSON.
fn detail(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Deduplicated => Value::Null,
        Outcome::Executed(response) => json!({ "status": response.status, "body": response.body }),
        Outcome::Rerouted { original_provider, new_provider, response } => {
            json!({ "original_provider": original_provider, "new_provider": new_provider, "status": response.status,
                "body": response.body })
        }
        Outcome::Suppressed { rule } => json!({ "rule": rule }),
        Outcome::Throttled { retry_after } => {
            json!({ "retry_after_ms": Duration::from(*retry_after).as_millis() as u64 })
        }
        Outcome::Failed { code, message, attempts, .. } => {
            json!({ "code": code, "message": message, "attempts": attempts })
        }
        Outcome::Grouped { group_id, group_size, notify_at } => {
            json!({ "group_id": group_id, "group_size": group_size, "notify_at": notify_at })
        }
        Outcome::Scheduled { scheduled_for, .. } => json!({ "scheduled_for": scheduled_for }),
        Outcome::PendingApproval { approval_id, expires_at } => {
            json!({ "approval_id": approval_id, "expires_at": expires_at })
        }
        Outcome::ChainStarted { chain_id, chain_name } => json!({ "chain_id": chain_id, "chain_name": chain_name }),
        Outcome::StateChanged { fingerprint, previous_state, new_state, .. } => {
            json!({ "fingerprint": fingerprint, "previous_state": previous_state, "new_state": new_state })
        }
        Outcome::DryRun { verdict, matched_rule, would_be_provider } => {
            json!({ "verdict": verdict, "matched_rule": matched_rule, "would_be_provider": would_be_provider })
        }
        Outcome::Other { detail, .. } => detail.clone(),
        // Of a later version of the client.
        _ => Value::Null,
    }
}

/// The same for people: `name value`, one behind the other.
fn shown(detail: &Value) -> String {
    let fields = detail.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    fields.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ACTION: &str = r#"{"namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{}}"#;

    #[test]
    fn a_file_holds_actions_one_behind_the_other() {
        let text = format!("{ACTION}\n\n{}", ACTION.replace("{\"namespace", "{\"id\":\"x\",\"namespace"));
        let actions = actions(&text).unwrap();
        assert_eq!((actions.len(), actions[1].id.as_deref()), (2, Some("x")));
        assert!(actions[0].id.is_some());
        for (text, part) in [
            (String::new(), "holds no action"),
            (format!("{ACTION}{{"), "EOF"),
            (format!("{ACTION} 7"), "action 2: "),
            (format!("{ACTION}\n").repeat(MAX_ACTIONS + 1), "more than 10000 actions"),
        ] {
            let error = super::actions(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_detail_is_shown_on_a_line() {
        let detail = json!({"rule": "r", "attempts": 3, "none": null});
        assert_eq!(shown(&detail), "attempts 3, rule r");
        assert_eq!(shown(&Value::Null), "");
    }
}
