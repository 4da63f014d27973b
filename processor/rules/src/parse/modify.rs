//! The changes of a `modify` rule.

use serde_json::{Map, Value};

use super::Reader;
use super::fields::Fields;
use crate::limits;
use crate::modify::Changes;
use crate::path::FieldPath;
use crate::rule::RuleAction;
use crate::template::ValueTemplate;
use crate::yaml::{Data, Key, Node};

/// The keys of which a `modify` action needs at least one.
const KINDS: &[&str] = &["changes", "set", "unset", "rename"];

impl Reader<'_> {
    pub(super) fn modify(&mut self, fields: &Fields<'_>, what: &str) -> Option<RuleAction> {
        if KINDS.iter().all(|kind| fields.get(kind).is_none()) {
            self.error(fields.place, format!("{what} has none of `changes`, `set`, `unset` and `rename`"));
            return None;
        }
        let merge = self.merge_patch(fields);
        let set = self.set(fields);
        let unset = self.unset(fields);
        let rename = self.rename(fields);
        Some(RuleAction::Modify(Changes { rename: rename?, unset: unset?, set: set?, merge: merge? }))
    }

    fn merge_patch(&mut self, fields: &Fields<'_>) -> Option<Map<String, Value>> {
        let Some(node) = fields.get("changes") else { return Some(Map::new()) };
        match self.json(node)? {
            Value::Object(changes) if !changes.is_empty() => Some(changes),
            Value::Object(_) => {
                self.error(node.place, "`changes` is empty");
                None
            }
            _ => {
                self.error(node.place, format!("`changes` must be a mapping, found {}", node.kind()));
                None
            }
        }
    }

    fn set(&mut self, fields: &Fields<'_>) -> Option<Vec<(FieldPath, ValueTemplate)>> {
        let entries = self.edits(fields, "set")?;
        let mut set = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let path = self.payload_path(&key.text, key.place);
            let source = self.json(node);
            match ValueTemplate::compile(source?) {
                Ok(value) => set.push((path?, value)),
                Err(message) => self.error(node.place, message),
            }
        }
        (set.len() == entries.len()).then_some(set)
    }

    fn unset(&mut self, fields: &Fields<'_>) -> Option<Vec<FieldPath>> {
        let Some(node) = fields.get("unset") else { return Some(Vec::new()) };
        let items = self.items(node, "unset")?;
        self.some_edits(node, "unset", items.len())?;
        let mut paths = Vec::with_capacity(items.len());
        for item in items {
            let text = self.string(item, "unset")?;
            paths.push(self.payload_path(&text, item.place)?);
        }
        Some(paths)
    }

    fn rename(&mut self, fields: &Fields<'_>) -> Option<Vec<(FieldPath, FieldPath)>> {
        let entries = self.edits(fields, "rename")?;
        let mut renames: Vec<(FieldPath, FieldPath)> = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let from = self.payload_path(&key.text, key.place)?;
            let text = self.string(node, "rename")?;
            let to = self.payload_path(&text, node.place)?;
            if renames.iter().any(|(_, earlier)| *earlier == to) {
                self.error(node.place, format!("two fields are renamed to `{to}`"));
                return None;
            }
            renames.push((from, to));
        }
        Some(renames)
    }

    /// The entries of `set` or `rename`; none if it is left out.
    fn edits<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n [(Key, Node)]> {
        let Some(node) = fields.get(key) else { return Some(&[]) };
        let Data::Map(entries) = &node.data else {
            self.error(node.place, format!("`{key}` must be a mapping, found {}", node.kind()));
            return None;
        };
        self.some_edits(node, key, entries.len())?;
        Some(entries)
    }

    fn some_edits(&mut self, node: &Node, key: &str, count: usize) -> Option<()> {
        if (1..=limits::MAX_EDITS).contains(&count) {
            return Some(());
        }
        let message = match count {
            0 => format!("`{key}` is empty"),
            _ => format!("`{key}` names {count} fields; {} are allowed", limits::MAX_EDITS),
        };
        self.error(node.place, message);
        None
    }

    fn payload_path(&mut self, text: &str, place: crate::diagnostic::Place) -> Option<FieldPath> {
        match FieldPath::parse_payload(text) {
            Ok(path) => Some(path),
            Err(error) => {
                self.error_near(place, error.message, error.suggestion);
                None
            }
        }
    }
}
