//! `{{…}}` in payloads of steps.

use super::branch::lookup;
use crate::state::StateError;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What a template may name.
pub(super) trait Source {
    /// What `origin` is, beside its payload.
    fn origin(&mut self) -> Result<&Origin, StateError>;
    /// The result of a step: `{success, body, error}`; `None` where it has not been taken.
    fn step(&mut self, name: &str) -> Result<Option<Cow<'_, Value>>, StateError>;
    /// The result of the step before; `None` for the first one.
    fn previous(&mut self) -> Result<Option<Cow<'_, Value>>, StateError>;
    /// The chain's id.
    fn chain_id(&self) -> &str;
    /// The step's place in the definition, from 0.
    fn step_index(&self) -> usize;
}

/// The action that a chain began with, as templates see it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) payload: Value,
    /// `namespace`, `tenant`, `action_type`, `provider`, `id` and `metadata`.
    pub(super) fields: Map<String, Value>,
}

/// What names what in `origin`, beside `payload`.
const ORIGIN_FIELDS: [&str; 6] = ["namespace", "tenant", "action_type", "provider", "id", "metadata"];
/// What a step's result is made of.
const RESULT_FIELDS: [&str; 3] = ["success", "body", "error"];

/// Why a payload could not be made.
#[derive(Debug)]
pub(super) enum RenderError {
    State(StateError),
    /// It would be larger than a payload may be.
    TooLarge,
}

impl From<StateError> for RenderError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// A text in parts: as it is, and what stands between `{{` and `}}`.
enum Part<'t> {
    Text(&'t str),
    Path(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(begin) = rest.find("{{") {
        let Some(length) = rest[begin + 2..].find("}}") else { break };
        if begin > 0 {
            parts.push(Part::Text(&rest[..begin]));
        }
        parts.push(Part::Path(rest[begin + 2..begin + 2 + length].trim()));
        rest = &rest[begin + 2 + length + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Fills the templates in a value. One that a string consists of keeps its JSON type; `max` limits the bytes made.
pub(super) fn render(template: &Value, source: &mut impl Source, max: usize) -> Result<Value, RenderError> {
    let mut left = max;
    fill(template, source, &mut left)
}

/// Fills the templates in a text, as [`render`] does.
pub(super) fn render_text(template: &str, source: &mut impl Source, max: usize) -> Result<Value, RenderError> {
    let mut left = max;
    fill_text(template, source, &mut left)
}

fn fill(template: &Value, source: &mut impl Source, left: &mut usize) -> Result<Value, RenderError> {
    Ok(match template {
        Value::String(text) => fill_text(text, source, left)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, source, left)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let filled = map.iter().map(|(name, item)| Ok((name.clone(), fill(item, source, left)?)));
            Value::Object(filled.collect::<Result<_, RenderError>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, source: &mut impl Source, left: &mut usize) -> Result<Value, RenderError> {
    let parts = parts(text);
    if let [Part::Path(path)] = parts.as_slice() {
        return resolve(path, source, left);
    }
    let mut out = String::with_capacity(text.len());
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => match resolve(path, source, left)? {
                Value::Null => {}
                Value::String(text) => out.push_str(&text),
                other => out.push_str(&other.to_string()),
            },
        }
    }
    Ok(Value::String(out))
}

/// What a path names; null where nothing does.
fn resolve(path: &str, source: &mut impl Source, left: &mut usize) -> Result<Value, RenderError> {
    let mut names = path.split('.');
    let found = match names.next().unwrap_or_default() {
        "origin" => {
            let origin = source.origin()?;
            match names.next() {
                None => Cow::Owned(Value::Null),
                Some("payload") => Cow::Borrowed(lookup(&origin.payload, names)),
                Some(field) => match origin.fields.get(field) {
                    // Labels may have dots in their names.
                    Some(Value::Object(labels)) if field == "metadata" => {
                        let label = names.collect::<Vec<_>>().join(".");
                        if label.is_empty() {
                            Cow::Owned(Value::Object(labels.clone()))
                        } else {
                            labels.get(&label).map_or(Cow::Owned(Value::Null), Cow::Borrowed)
                        }
                    }
                    Some(value) => Cow::Borrowed(lookup(value, names)),
                    None => Cow::Owned(Value::Null),
                },
            }
        }
        "prev" => below(source.previous()?, names),
        "step_result" => below(source.previous()?, ["body"].into_iter().chain(names)),
        "steps" => match names.next() {
            Some(name) => below(source.step(name)?, names),
            None => Cow::Owned(Value::Null),
        },
        "chain_id" => Cow::Owned(Value::String(source.chain_id().to_owned())),
        "step_index" => Cow::Owned(json!(source.step_index())),
        _ => Cow::Owned(Value::Null),
    };
    spend(&found, left)?;
    Ok(found.into_owned())
}

fn below<'v, 'p>(result: Option<Cow<'v, Value>>, path: impl Iterator<Item = &'p str>) -> Cow<'v, Value> {
    match result {
        None => Cow::Owned(Value::Null),
        Some(Cow::Borrowed(result)) => Cow::Borrowed(lookup(result, path)),
        Some(Cow::Owned(result)) => Cow::Owned(lookup(&result, path).clone()),
    }
}

/// Takes the size of a value off what is left, before it is copied.
fn spend(value: &Value, left: &mut usize) -> Result<(), RenderError> {
    let bytes = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        Value::String(text) => text.len() + 2,
        other => json_bytes(other),
    };
    *left = left.checked_sub(bytes).ok_or(RenderError::TooLarge)?;
    Ok(())
}

/// The size of a value as JSON, in bytes.
pub(super) fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A count takes all that is written to it.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// What a template names that can never be, each with what is wrong with it: it would be null.
pub(super) fn problems(template: &Value, has_step: &dyn Fn(&str) -> bool, out: &mut Vec<String>) {
    match template {
        Value::String(text) => text_problems(text, has_step, out),
        Value::Array(items) => items.iter().for_each(|item| problems(item, has_step, out)),
        Value::Object(map) => map.values().for_each(|item| problems(item, has_step, out)),
        _ => {}
    }
}

fn text_problems(text: &str, has_step: &dyn Fn(&str) -> bool, out: &mut Vec<String>) {
    for part in parts(text) {
        match part {
            Part::Path(path) => out.extend(path_problem(path, has_step)),
            Part::Text(text) if text.contains("{{") => {
                out.push(format!("`{text}` opens `{{{{` and does not close it: it stays as it is"));
            }
            Part::Text(_) => {}
        }
    }
}

fn path_problem(path: &str, has_step: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut names = path.split('.');
    let root = names.next().unwrap_or_default();
    let next = names.next();
    let problem = match (root, next) {
        ("origin", Some(field)) if field == "payload" || ORIGIN_FIELDS.contains(&field) => return None,
        ("origin", _) => "after `origin.` comes `payload`, `namespace`, `tenant`, `action_type`, `provider`, `id` or \
                          `metadata`"
            .to_owned(),
        ("prev", None) | ("step_result" | "chain_id" | "step_index", _) => return None,
        ("prev", Some(field)) if RESULT_FIELDS.contains(&field) => return None,
        ("prev", _) => "after `prev.` comes `body`, `success` or `error`".to_owned(),
        ("steps", Some(step)) if !has_step(step) => format!("the chain has no step `{step}`"),
        ("steps", Some(_)) if names.next().is_none_or(|field| RESULT_FIELDS.contains(&field)) => return None,
        ("steps", _) => "write `steps.NAME.body`, `steps.NAME.success` or `steps.NAME.error`".to_owned(),
        _ => "a template begins with `origin`, `prev`, `steps`, `step_result`, `chain_id` or `step_index`".to_owned(),
    };
    Some(format!("`{{{{{path}}}}}` is always null: {problem}"))
}

#[cfg(test)]
mod tests;
