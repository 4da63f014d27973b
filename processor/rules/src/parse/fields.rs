//! Reading mappings and scalars, with the error each can have.

use std::ops::RangeInclusive;

use super::Reader;
use crate::diagnostic::{Place, nearest};
use crate::limits;
use crate::path::FieldPath;
use crate::yaml::{Data, Key, Node};

/// The entries of a mapping whose keys are all known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// Entries whose keys the caller has checked.
    pub(super) fn new(place: Place, entries: &'n [(Key, Node)]) -> Self {
        Self { place, entries }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Reader<'_> {
    /// The entries of a mapping; an error for each key that isn't known.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Data::Map(entries) = &node.data else {
            self.error(node.place, format!("{what} must be a mapping, found {}", node.kind()));
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                let near = nearest(&key.text, known.iter().copied());
                let mut message = format!("unknown key `{}` in {what}", key.text);
                if near.is_none() {
                    message.push_str("; known are ");
                    message.push_str(&backticked(known));
                }
                self.error_near(key.place, message, near);
            }
        }
        Some(Fields { place: node.place, entries })
    }

    /// A key that must be there.
    pub(super) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str, what: &str) -> Option<&'n Node> {
        let node = fields.get(key);
        if node.is_none() {
            self.error(fields.place, format!("{what} has no `{key}`"));
        }
        node
    }

    /// A string with something in it.
    pub(super) fn string(&mut self, node: &Node, key: &str) -> Option<String> {
        match &node.data {
            Data::Str(text) if !text.trim().is_empty() => Some(text.clone()),
            Data::Str(_) => {
                self.error(node.place, format!("`{key}` is empty"));
                None
            }
            Data::List(_) | Data::Map(_) | Data::Empty | Data::Null => {
                self.error(node.place, format!("`{key}` must be a string, found {}", node.kind()));
                None
            }
            _ => {
                let kind = node.kind();
                self.error(node.place, format!("`{key}` must be a string, found {kind}: put it in quotes"));
                None
            }
        }
    }

    pub(super) fn required_string(&mut self, fields: &Fields<'_>, key: &str, what: &str) -> Option<String> {
        let node = self.required(fields, key, what)?;
        self.string(node, key)
    }

    /// A string that may be left out. The outer `None` is an error.
    pub(super) fn optional_string(&mut self, fields: &Fields<'_>, key: &str) -> Option<Option<String>> {
        match fields.get(key) {
            None => Some(None),
            Some(node) => self.string(node, key).map(Some),
        }
    }

    pub(super) fn boolean(&mut self, node: &Node, key: &str) -> Option<bool> {
        if let Data::Bool(value) = node.data {
            return Some(value);
        }
        self.error(node.place, format!("`{key}` must be true or false, found {}", node.kind()));
        None
    }

    /// A whole number within limits.
    pub(super) fn whole(&mut self, node: &Node, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = match node.data {
            Data::Int(value) => u64::try_from(value).ok(),
            Data::Uint(value) => Some(value),
            _ => {
                let kind = match node.data {
                    Data::Float(_) => "a fraction",
                    _ => node.kind(),
                };
                self.error(node.place, format!("`{key}` must be a whole number, found {kind}"));
                return None;
            }
        };
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let (from, to) = (range.start(), range.end());
            self.error(node.place, format!("`{key}` must be from {from} to {to}"));
        }
        value
    }

    /// A required number of seconds from 1 to `max`, in milliseconds.
    pub(super) fn required_seconds(&mut self, fields: &Fields<'_>, key: &str, what: &str, max: u64) -> Option<u64> {
        let node = self.required(fields, key, what)?;
        Some(self.whole(node, key, 1..=max)? * 1_000)
    }

    /// A number of seconds from 1 to `max`, in milliseconds; `default` seconds if left out.
    pub(super) fn seconds_or(&mut self, fields: &Fields<'_>, key: &str, default: u64, max: u64) -> Option<u64> {
        match fields.get(key) {
            None => Some(default * 1_000),
            Some(node) => Some(self.whole(node, key, 1..=max)? * 1_000),
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n [Node]> {
        let Data::List(items) = &node.data else {
            self.error(node.place, format!("`{key}` must be a list, found {}", node.kind()));
            return None;
        };
        if items.len() > limits::MAX_LIST {
            let message = format!("`{key}` has {} items; {} are allowed", items.len(), limits::MAX_LIST);
            self.error(node.place, message);
            return None;
        }
        Some(items)
    }

    /// A list of strings; empty if left out.
    pub(super) fn strings(&mut self, fields: &Fields<'_>, key: &str) -> Option<Vec<String>> {
        let Some(node) = fields.get(key) else { return Some(Vec::new()) };
        let items = self.items(node, key)?;
        let strings: Vec<_> = items.iter().filter_map(|item| self.string(item, key)).collect();
        (strings.len() == items.len()).then_some(strings)
    }

    /// A list of paths that make a key; empty if left out.
    pub(super) fn key_fields(&mut self, fields: &Fields<'_>, key: &str) -> Option<Vec<FieldPath>> {
        let Some(node) = fields.get(key) else { return Some(Vec::new()) };
        let items = self.items(node, key)?;
        self.paths(items, node.place, key)
    }

    /// Paths that make a key.
    pub(super) fn paths(&mut self, items: &[Node], place: Place, key: &str) -> Option<Vec<FieldPath>> {
        if items.len() > limits::MAX_KEY_FIELDS {
            let (len, max) = (items.len(), limits::MAX_KEY_FIELDS);
            self.error(place, format!("`{key}` names {len} fields; {max} are allowed"));
            return None;
        }
        let mut paths = Vec::with_capacity(items.len());
        for item in items {
            let text = self.string(item, key)?;
            match FieldPath::parse_key_field(&text) {
                Ok(parsed) => {
                    self.doubt(item, &parsed);
                    paths.push(parsed.path);
                }
                Err(error) => {
                    self.error_near(item.place, error.message, error.suggestion);
                    return None;
                }
            }
        }
        Some(paths)
    }

    /// A warning where a path reads an unknown field that looks like a known one.
    pub(super) fn doubt(&mut self, node: &Node, parsed: &crate::path::Parsed) {
        if let Some(near) = &parsed.doubt {
            self.doubtful(node.place, &parsed.path.to_string(), near);
        }
    }

    /// A warning about a field that looks like a misspelt one.
    pub(super) fn doubtful(&mut self, place: Place, field: &str, near: &str) {
        let message = format!("`{field}` is no field that Acteon knows");
        let warning = crate::Diagnostic::warning(self.file, place, message);
        self.diagnostics.push(warning.suggest(Some(near.to_owned())));
    }
}

/// "`a`, `b` and `c`".
pub(super) fn backticked(names: &[&str]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        let before = match i {
            0 => "",
            i if i + 1 == names.len() => " and ",
            _ => ", ",
        };
        text.push_str(before);
        text.push_str(&format!("`{name}`"));
    }
    text
}
