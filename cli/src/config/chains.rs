//! `[chains]`: the definitions as they are written, traps of the notation included.
//!
//! Three things are put right before the file is read into its types: `default_next` below the last branch, which TOML
//! takes for a key of the branch; dates in payloads, which JSON has no type for; and a lone
//! `[[chains.definitions.steps]]`, which is a piece to paste below a definition.

use super::problem::Report;
use acteon_schemas::ChainDefinition;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// `[chains]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawChains {
    pub(super) completed_chain_ttl_seconds: Option<u64>,
    pub(super) definitions: Vec<ChainDefinition>,
}

/// `[chains]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chains {
    /// How long chains are kept after their end; the core's default where absent.
    pub(crate) completed_ttl_seconds: Option<u64>,
    pub(crate) definitions: Vec<ChainDefinition>,
}

/// Lists of tables that have lists of tables: a lone piece of one is told from a table with a wrong type.
const LISTS: [(&str, &[&str]); 3] = [
    ("definitions", &["steps"]),
    ("state_machines", &["transitions", "timeouts"]),
    ("time_intervals", &["time_ranges"]),
];

/// Puts right what chains' notation makes of itself. What is beyond repair is reported and taken out.
pub(super) fn prepare(document: &mut DeTable<'_>, report: &mut Report<'_>) {
    for (name, parts) in &LISTS[1..] {
        lone_part(document, name, name, parts, report);
    }
    let Some(DeValue::Table(chains)) = document.get_mut("chains").map(Spanned::get_mut) else { return };
    let (name, parts) = LISTS[0];
    lone_part(chains, name, "chains.definitions", parts, report);
    for chain in tables(chains, "definitions") {
        for step in tables(chain, "steps") {
            prepare_step(step, report);
        }
    }
}

/// Reports and removes a list that is a table because a piece of an entry stands without its entry.
fn lone_part(table: &mut DeTable<'_>, name: &str, path: &str, parts: &[&str], report: &mut Report<'_>) {
    let Some(DeValue::Table(inside)) = table.get(name).map(Spanned::get_ref) else { return };
    let Some(part) = parts.iter().find(|part| inside.contains_key(**part)) else { return };
    let span = inside.get(*part).map(Spanned::span);
    report.error(
        span,
        format!(
            "[[{path}.{part}]] stands alone: it is a piece of an entry; put it below the [[{path}]] that it belongs to"
        ),
    );
    table.remove(name);
}

fn prepare_step(step: &mut DeTable<'_>, report: &mut Report<'_>) {
    if let Some(payload) = step.get_mut("payload_template") {
        dates_as_text(payload.get_mut());
    }
    lift_default_next(step, report);
    if let Some(DeValue::Table(parallel)) = step.get_mut("parallel").map(Spanned::get_mut) {
        for inner in tables(parallel, "steps") {
            prepare_step(inner, report);
        }
    }
}

/// Moves a `default_next` that stands in a branch up to its step.
fn lift_default_next(step: &mut DeTable<'_>, report: &mut Report<'_>) {
    let mut lifted = Vec::new();
    for branch in tables(step, "branches") {
        if let Some(value) = branch.get_mut("value") {
            dates_as_text(value.get_mut());
        }
        lifted.extend(branch.remove_entry("default_next"));
    }
    for (key, value) in lifted {
        if step.contains_key("default_next") {
            let message =
                "`default_next` is there twice for this step; where no branch holds there is one way to go on";
            report.error(Some(key.span()), message);
        } else {
            step.insert(key, value);
        }
    }
}

/// The tables of a list of tables.
fn tables<'t, 'd>(table: &'t mut DeTable<'d>, name: &str) -> impl Iterator<Item = &'t mut DeTable<'d>> {
    let list = match table.get_mut(name).map(Spanned::get_mut) {
        Some(DeValue::Array(list)) => Some(list),
        _ => None,
    };
    list.into_iter().flat_map(|list| list.iter_mut()).filter_map(|entry| match entry.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

fn dates_as_text(value: &mut DeValue<'_>) {
    match value {
        DeValue::Datetime(date) => *value = DeValue::String(date.to_string().into()),
        DeValue::Array(list) => list.iter_mut().for_each(|entry| dates_as_text(entry.get_mut())),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, entry)| dates_as_text(entry.get_mut())),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {}
    }
}
