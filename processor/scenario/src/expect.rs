//! What a step is expected to lead to, as written.

use crate::fields::File;
use acteon_rules::yaml::{Data, Node};
use acteon_rules::{Diagnostic, Place, nearest};
use acteon_schemas::Outcome;
use serde_json::Value;

/// The keys of an `expect`.
const KEYS: [&str; 18] = [
    "outcome",
    "rule",
    "outcomes",
    "detail",
    "dispatched",
    "dead_letters",
    "audit",
    "chains",
    "events",
    "groups",
    "approvals",
    "scheduled",
    "recurring",
    "count",
    "refused",
    "result",
    "silences",
    "circuits",
];
/// Lists that a `count` may name.
pub(crate) const LISTS: [&str; 10] = [
    "dispatched",
    "dead_letters",
    "audit",
    "chains",
    "events",
    "groups",
    "approvals",
    "scheduled",
    "recurring",
    "silences",
];
/// Those of them that are asked of the state.
pub(crate) const STATE_LISTS: [&str; 7] =
    ["chains", "events", "groups", "approvals", "scheduled", "recurring", "silences"];
/// How a circuit may stand.
const PHASES: [&str; 3] = ["closed", "half_open", "open"];
/// The outcome of an action that a `deny` rule refused: told apart from `suppressed` by its verdict.
pub(crate) const DENIED: &str = "denied";

/// One key of an `expect`.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    pub(crate) wanted: Wanted,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A name; `None` where there shall be none.
    Name(Option<String>),
    /// How many of each.
    Counts(Vec<(String, Place, u32)>),
    /// A part of a value.
    Part(Value),
    /// Parts of the entries of a list.
    List(Vec<(Place, Value)>),
}

/// Reads an `expect`.
pub(crate) fn parse(file: File<'_>, node: &Node) -> Result<Vec<Expectation>, Diagnostic> {
    let entries = file.mapping(node, "expect", &KEYS)?;
    let mut expectations = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(known) = KEYS.into_iter().find(|known| *known == key.text) else { continue };
        let wanted = match known {
            "outcome" => Wanted::Name(Some(outcome(file, value.place, &file.text(value, known)?)?)),
            "rule" if matches!(value.data, Data::Null) => Wanted::Name(None),
            "rule" | "refused" => Wanted::Name(Some(file.text(value, known)?)),
            "outcomes" => Wanted::Counts(counts(file, value, known, outcome)?),
            "count" => Wanted::Counts(counts(file, value, known, list_name)?),
            "detail" | "result" => Wanted::Part(file.json(value)?),
            "circuits" => Wanted::Part(circuits(file, value)?),
            _ => {
                let items = file.list(value, known)?;
                let items = items.iter().map(|item| {
                    file.any_mapping(item, "an entry of the list")?;
                    Ok((item.place, file.json(item)?))
                });
                Wanted::List(items.collect::<Result<_, Diagnostic>>()?)
            }
        };
        expectations.push(Expectation { key: known, place: key.place, wanted });
    }
    Ok(expectations)
}

/// How circuits stand, by provider.
fn circuits(file: File<'_>, node: &Node) -> Result<Value, Diagnostic> {
    for (key, value) in file.any_mapping(node, "circuits")? {
        let phase = file.text(value, &key.text)?;
        if !PHASES.contains(&phase.as_str()) {
            let message = format!("a circuit is not `{phase}`; it is {}", PHASES.join(", "));
            return Err(Diagnostic::error(file.0, value.place, message).suggest(nearest(&phase, PHASES)));
        }
    }
    file.json(node)
}

type Naming = fn(File<'_>, Place, &str) -> Result<String, Diagnostic>;

fn counts(file: File<'_>, node: &Node, what: &str, naming: Naming) -> Result<Vec<(String, Place, u32)>, Diagnostic> {
    let entries = file.any_mapping(node, what)?;
    let counted = entries.iter().map(|(key, value)| {
        let name = naming(file, key.place, &key.text)?;
        Ok((name, key.place, file.number(value, &key.text, 0, u32::MAX)?))
    });
    counted.collect()
}

fn list_name(file: File<'_>, place: Place, name: &str) -> Result<String, Diagnostic> {
    if LISTS.contains(&name) {
        return Ok(name.to_owned());
    }
    let message = format!("`{name}` can't be counted; there are {}", LISTS.join(", "));
    Err(Diagnostic::error(file.0, place, message).suggest(nearest(name, LISTS)))
}

/// The tag of an outcome that is written as a tag or, as `PendingApproval`, as in the HTTP API.
fn outcome(file: File<'_>, place: Place, name: &str) -> Result<String, Diagnostic> {
    let mut tag = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            tag.push('_');
        }
        tag.push(letter.to_ascii_lowercase());
    }
    let known = || Outcome::ALL.into_iter().map(Outcome::as_str).chain([DENIED]);
    if known().any(|known| known == tag) {
        return Ok(tag);
    }
    let message = format!("unknown outcome `{name}`; there are {}", known().collect::<Vec<_>>().join(", "));
    Err(Diagnostic::error(file.0, place, message).suggest(nearest(&tag, known())))
}
