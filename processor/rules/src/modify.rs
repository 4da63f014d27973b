//! What a `modify` rule does to the payload.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::patch;
use crate::path::FieldPath;
use crate::rule::Rule;
use crate::subject::Subject;
use crate::template::{Context, ValueTemplate};
use crate::time::Clock;

/// The changes of a `modify` rule, made in the order of the fields here.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Changes {
    /// Fields that move: from, to. All are taken before any is put, so two can change places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rename: Vec<(FieldPath, FieldPath)>,
    /// Fields to remove. Removing an item of a list moves those behind it up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<FieldPath>,
    /// Fields to set. Templates see the payload as `rename` and `unset` have left it, not what
    /// others set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(FieldPath, ValueTemplate)>,
    /// A merge patch (RFC 7396), taken literally.
    #[serde(rename = "changes", skip_serializing_if = "Map::is_empty")]
    pub merge: Map<String, Value>,
}

impl Changes {
    /// Changes the action's payload. Notes say what could not be done.
    pub(crate) fn apply(&self, rule: &Rule, subject: &mut Subject<'_>, clock: &mut Clock, notes: &mut Vec<String>) {
        let payload = subject.payload.to_mut();
        let taken: Vec<Option<Value>> = self.rename.iter().map(|(from, _)| from.take(payload)).collect();
        for ((from, to), value) in self.rename.iter().zip(taken) {
            match value {
                None => notes.push(format!("`{from}` is not there to be renamed")),
                Some(value) => put(to, payload, value, notes),
            }
        }
        for path in &self.unset {
            path.take(payload);
        }
        if !self.set.is_empty() {
            let context = Context::new(rule, subject, clock);
            let mut values = Vec::with_capacity(self.set.len());
            for (path, template) in &self.set {
                let before = notes.len();
                values.push(template.render(&context, notes));
                for note in notes.iter_mut().skip(before) {
                    *note = format!("`{path}` has null in it: {note}");
                }
            }
            let payload = subject.payload.to_mut();
            for ((path, _), value) in self.set.iter().zip(values) {
                put(path, payload, value, notes);
            }
        }
        if !self.merge.is_empty() {
            patch::merge(subject.payload.to_mut(), &self.merge);
        }
    }

    /// Whether the rule changes a field of the payload's top level.
    pub(crate) fn touches(&self, root: &str) -> bool {
        let is_root = |path: &FieldPath| path.payload_root() == Some(root);
        self.merge.contains_key(root)
            || self.unset.iter().any(is_root)
            || self.set.iter().any(|(path, _)| is_root(path))
            || self.rename.iter().any(|(from, to)| is_root(from) || is_root(to))
    }

    /// The change as a merge patch: as written where that is all there is, else what differs.
    pub(crate) fn as_patch(&self, before: &Value, after: &Value) -> Value {
        if self.rename.is_empty() && self.unset.is_empty() && self.set.is_empty() {
            return Value::Object(self.merge.clone());
        }
        patch::difference(before, after)
    }
}

fn put(path: &FieldPath, payload: &mut Value, value: Value, notes: &mut Vec<String>) {
    if !path.put(payload, value) {
        notes.push(format!("`{path}` is not set: a list has no such item"));
    }
}
