//! `command` steps: what is written, and the id that may be left out.

use crate::fields::File;
use acteon_rules::yaml::{Data, Node};
use acteon_rules::{Diagnostic, Place};
use acteon_schemas::CommandKind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What commands are about: the argument that names it, the list it is in, and the commands.
const TARGETS: [(&str, &str, &[&str]); 7] = [
    ("approval_id", "approvals", &["approve", "reject", "show_approval"]),
    ("chain_id", "chains", &["cancel_chain", "pause_chain", "resume_chain", "signal", "show_chain"]),
    ("action_id", "scheduled", &["cancel_scheduled"]),
    ("group", "groups", &["flush_group", "show_group"]),
    ("fingerprint", "events", &["transition", "show_event"]),
    (
        "recurring_id",
        "recurring",
        &[
            "update_recurring",
            "delete_recurring",
            "pause_recurring",
            "resume_recurring",
            "backfill_recurring",
            "show_recurring",
        ],
    ),
    ("silence_id", "silences", &["update_silence", "delete_silence"]),
];
/// Keys that choose among several.
const SELECTORS: [&str; 5] = ["chain", "rule", "action_id", "provider", "action_type"];
/// Fields of an action that `start_chain` takes from the scenario's defaults.
const ACTION_FIELDS: [&str; 4] = ["namespace", "tenant", "provider", "action_type"];

/// A `command` step.
#[derive(Debug, Clone)]
pub(crate) struct CommandStep {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) issued_by: Option<String>,
    pub(crate) arguments: Map<String, Value>,
    /// What it is about, where that is left out.
    pub(crate) target: Option<Target>,
}

/// What a command is about, to be found in a list.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The argument that its id goes to.
    pub(crate) argument: &'static str,
    /// The list.
    pub(crate) list: &'static str,
    /// What its entry must have.
    pub(crate) selectors: BTreeMap<String, String>,
}

impl CommandStep {
    pub(crate) fn parse(file: File<'_>, node: &Node, defaults: &Map<String, Value>) -> Result<Self, Diagnostic> {
        let [(key, body)] = file.any_mapping(node, "command")? else {
            return file.error(node.place, "command: write one command, as in `{approve: {}}`");
        };
        let empty = Node { place: body.place, data: Data::Map(Vec::new()) };
        let body = if matches!(body.data, Data::Empty | Data::Null) { &empty } else { body };
        let target = TARGETS.iter().find(|(_, _, names)| names.contains(&key.text.as_str()));
        let given = |field: &str| defaults.get(field).and_then(Value::as_str).map(str::to_owned);
        let mut step = Self {
            name: key.text.clone(),
            namespace: given("namespace"),
            tenant: given("tenant"),
            issued_by: None,
            arguments: Map::new(),
            target: None,
        };
        let mut selectors = BTreeMap::new();
        for (key, value) in file.any_mapping(body, "a command")? {
            match (key.text.as_str(), target) {
                ("namespace", _) => step.namespace = Some(file.text(value, "namespace")?),
                ("tenant", _) => step.tenant = Some(file.text(value, "tenant")?),
                ("issued_by", _) => step.issued_by = Some(file.text(value, "issued_by")?),
                (selector, Some((argument, _, _))) if SELECTORS.contains(&selector) && selector != *argument => {
                    selectors.insert(selector.to_owned(), file.text(value, selector)?);
                }
                (argument, _) => {
                    step.arguments.insert(argument.to_owned(), file.json(value)?);
                }
            }
        }
        step.fill_action(defaults);
        if let Some((argument, list, _)) = target {
            if !step.arguments.contains_key(*argument) {
                step.target = Some(Target { argument, list, selectors });
            } else if let Some(selector) = selectors.keys().next() {
                let message = format!("`{selector}` chooses where `{argument}` is left out; write one of them");
                return file.error(body.place, message);
            }
        }
        step.check(file, key.place)?;
        Ok(step)
    }

    /// Completes the action of a `start_chain`.
    fn fill_action(&mut self, defaults: &Map<String, Value>) {
        let scope = [("namespace", &self.namespace), ("tenant", &self.tenant)];
        let Some(Value::Object(action)) = self.arguments.get_mut("action") else { return };
        for (field, value) in scope {
            if let (false, Some(value)) = (action.contains_key(field), value) {
                action.insert(field.to_owned(), json!(value));
            }
        }
        for field in ACTION_FIELDS {
            if let (false, Some(value)) = (action.contains_key(field), defaults.get(field)) {
                action.insert(field.to_owned(), value.clone());
            }
        }
    }

    /// Checks the name and the arguments, so that a slip is told at its place before anything runs.
    fn check(&self, file: File<'_>, place: Place) -> Result<(), Diagnostic> {
        let mut arguments = self.arguments.clone();
        if let Some(target) = &self.target {
            arguments.insert(target.argument.to_owned(), json!("the one that is open"));
        }
        file.decode::<CommandKind>(json!({ &self.name: arguments }), place, &format!("command `{}`", self.name))?;
        Ok(())
    }

    /// The command, about `target` where that was left out.
    pub(crate) fn kind(&self, target: Option<&str>) -> Value {
        let mut arguments = self.arguments.clone();
        if let (Some(wanted), Some(found)) = (&self.target, target) {
            arguments.insert(wanted.argument.to_owned(), json!(found));
        }
        json!({ &self.name: arguments })
    }
}
