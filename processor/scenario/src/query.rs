//! What the state holds, as the commands that list and show it tell.

use crate::engine::{Engine, EngineError};
use acteon_core::{Input, InputKind, MemoryState, Recorder, Task, step};
use acteon_schemas::Coordinates;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Namespace and tenant.
pub(crate) type Scope = (String, String);

/// A list: the command for a part of it, the one that shows an entry, its argument, and the keys that an entry's id may
/// stand under.
struct List {
    name: &'static str,
    list: &'static str,
    show: Option<(&'static str, &'static str)>,
    id: &'static [&'static str],
}

const LISTS: [List; 7] = [
    List { name: "chains", list: "list_chains", show: Some(("show_chain", "chain_id")), id: &["chain_id"] },
    List { name: "events", list: "list_events", show: Some(("show_event", "fingerprint")), id: &["fingerprint"] },
    List { name: "groups", list: "list_groups", show: Some(("show_group", "group")), id: &["group_id", "group_key"] },
    List {
        name: "approvals",
        list: "list_approvals",
        show: Some(("show_approval", "approval_id")),
        id: &["approval_id", "token", "id"],
    },
    List { name: "scheduled", list: "list_scheduled", show: None, id: &["id"] },
    List {
        name: "recurring",
        list: "list_recurring",
        show: Some(("show_recurring", "recurring_id")),
        id: &["recurring_id", "id"],
    },
    List { name: "silences", list: "list_silences", show: None, id: &["silence_id", "id"] },
];
/// Short names of fields, and the long ones.
const SHORT: [(&str, &str, &str); 4] = [
    ("chains", "name", "chain_name"),
    ("chains", "path", "execution_path"),
    ("groups", "size", "event_count"),
    ("groups", "key", "group_key"),
];
/// Statuses of chains and approvals that are over.
const CLOSED: [&str; 8] =
    ["completed", "failed", "cancelled", "timed_out", "approved", "rejected", "expired", "resolved"];

/// An entry of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) value: Value,
}

impl Entry {
    /// Whether something may still become of it.
    pub(crate) fn is_open(&self) -> bool {
        !self.value["status"].as_str().is_some_and(|status| CLOSED.contains(&status))
    }
}

/// The entries of a list, of all scopes in order.
pub(crate) fn all(engine: &mut Engine<'_>, name: &str, scopes: &BTreeSet<Scope>) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    for scope in scopes {
        entries.extend(of(engine, name, scope)?);
    }
    Ok(entries)
}

/// The entries of a list of one scope. The state is asked in a copy: looking changes nothing.
pub(crate) fn of(engine: &mut Engine<'_>, name: &str, scope: &Scope) -> Result<Vec<Entry>, EngineError> {
    let Some(list) = LISTS.iter().find(|list| list.name == name) else { return Ok(Vec::new()) };
    let mut state = engine.state(&scope.0, &scope.1).clone();
    let (mut entries, mut after) = (Vec::new(), Value::Null);
    loop {
        let arguments = match list.name {
            "silences" => json!({}),
            _ if after.is_null() => json!({"page": {"limit": 1000}}),
            _ => json!({"page": {"limit": 1000, "after": after}}),
        };
        let Some(part) = ask(engine, &mut state, scope, &json!({ list.list: arguments }))? else { break };
        let found = part.as_object().and_then(|part| part.values().find_map(Value::as_array));
        for value in found.into_iter().flatten() {
            entries.push(entry(engine, &mut state, scope, list, value.clone())?);
        }
        match part.get("next") {
            Some(next) if !next.is_null() => after = next.clone(),
            _ => break,
        }
    }
    Ok(entries)
}

/// An entry with what showing it adds, its scope, and the short names.
fn entry(
    engine: &Engine<'_>,
    state: &mut MemoryState,
    scope: &Scope,
    list: &List,
    value: Value,
) -> Result<Entry, EngineError> {
    let id = list.id.iter().find_map(|key| value[*key].as_str()).unwrap_or_default().to_owned();
    let mut fields = match value {
        Value::Object(fields) => fields,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    if let Some((show, argument)) = list.show
        && let Some(Value::Object(shown)) = ask(engine, state, scope, &json!({ show: {argument: id} }))?
    {
        for (key, value) in shown {
            match value {
                // A shown group stands under its own name, beside its events.
                Value::Object(inner) if key == "group" => fields.extend(inner),
                value => {
                    fields.insert(key, value);
                }
            }
        }
    }
    fields.insert("namespace".to_owned(), json!(scope.0));
    fields.insert("tenant".to_owned(), json!(scope.1));
    for (name, short, long) in SHORT {
        if let (true, false, Some(value)) = (name == list.name, fields.contains_key(short), fields.get(long).cloned()) {
            fields.insert(short.to_owned(), value);
        }
    }
    Ok(Entry { id, value: Value::Object(fields) })
}

/// What a command tells; `None` where it is refused.
fn ask(
    engine: &Engine<'_>,
    state: &mut MemoryState,
    scope: &Scope,
    command: &Value,
) -> Result<Option<Value>, EngineError> {
    let record = json!({
        "id": "scenario-query", "namespace": scope.0, "tenant": scope.1, "issued_at": engine.now, "command": command,
    });
    let value = record.to_string();
    let source = Coordinates { topic: "scenario.queries".into(), partition: 0, offset: 0 };
    let input = Input { kind: InputKind::Command, source, origin: None, value: Some(value.as_bytes()) };
    let mut effects = Recorder::default();
    // The copy is the tenant's whole world: one partition, whatever the run has.
    let task = Task { partition: 0, partitions: 1 };
    step(&engine.definitions, task, state, engine.now, &input, &mut effects)?;
    let answer = effects.outcomes.into_iter().next();
    Ok(answer.and_then(|mut answer| match answer["detail"]["CommandDone"]["result"].take() {
        Value::Null => None,
        result => Some(result),
    }))
}
