//! Reading nodes of a file: what a mapping may hold, and values of one type.

use acteon_rules::yaml::{Data, Key, Node};
use acteon_rules::{Diagnostic, Place, nearest};
use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The file that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File<'f>(pub(crate) &'f str);

impl File<'_> {
    pub(crate) fn error<T>(self, place: Place, message: impl Into<String>) -> Result<T, Diagnostic> {
        Err(Diagnostic::error(self.0, place, message))
    }

    /// The entries of a mapping that holds no other keys than `known`.
    pub(crate) fn mapping<'n>(
        self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Result<&'n [(Key, Node)], Diagnostic> {
        let entries = self.any_mapping(node, what)?;
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                let message = format!("unknown key `{}` in {what}; it may have {}", key.text, known.join(", "));
                let suggestion = nearest(&key.text, known.iter().copied());
                return Err(Diagnostic::error(self.0, key.place, message).suggest(suggestion));
            }
        }
        Ok(entries)
    }

    /// The entries of a mapping.
    pub(crate) fn any_mapping<'n>(self, node: &'n Node, what: &str) -> Result<&'n [(Key, Node)], Diagnostic> {
        match &node.data {
            Data::Map(entries) => Ok(entries),
            _ => self.error(node.place, format!("{what} must be a mapping, not {}", node.kind())),
        }
    }

    pub(crate) fn list<'n>(self, node: &'n Node, what: &str) -> Result<&'n [Node], Diagnostic> {
        match &node.data {
            Data::List(items) => Ok(items),
            _ => self.error(node.place, format!("{what} must be a list, not {}", node.kind())),
        }
    }

    /// A text that is not empty. A plain number is taken for one: `tenant: 42`.
    pub(crate) fn text(self, node: &Node, what: &str) -> Result<String, Diagnostic> {
        match &node.data {
            Data::Str(text) if !text.is_empty() => Ok(text.clone()),
            Data::Str(_) => self.error(node.place, format!("{what} is empty")),
            Data::Int(number) => Ok(number.to_string()),
            _ => self.error(node.place, format!("{what} must be a string, not {}", node.kind())),
        }
    }

    pub(crate) fn flag(self, node: &Node, what: &str) -> Result<bool, Diagnostic> {
        match node.data {
            Data::Bool(flag) => Ok(flag),
            _ => self.error(node.place, format!("{what} must be true or false, not {}", node.kind())),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number(self, node: &Node, what: &str, least: u32, most: u32) -> Result<u32, Diagnostic> {
        match node.data {
            Data::Int(number) => match u32::try_from(number) {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => self.error(node.place, format!("{what} is {number}; it may be {least} to {most}")),
            },
            _ => self.error(node.place, format!("{what} must be a whole number, not {}", node.kind())),
        }
    }

    /// A moment, in milliseconds since 1970.
    pub(crate) fn moment(self, node: &Node, what: &str) -> Result<i64, Diagnostic> {
        let text = self.text(node, what)?;
        match DateTime::parse_from_rfc3339(&text) {
            Ok(moment) => Ok(moment.timestamp_millis()),
            Err(error) => {
                let message = format!("{what} is `{text}`: {error}; write RFC 3339, as in 2026-03-02T10:00:00-05:00");
                self.error(node.place, message)
            }
        }
    }

    /// The node as JSON.
    pub(crate) fn json(self, node: &Node) -> Result<Value, Diagnostic> {
        node.to_json().map_err(|(place, message)| Diagnostic::error(self.0, place, message))
    }

    /// The node as a record of a known shape.
    pub(crate) fn shaped<T: DeserializeOwned>(self, node: &Node, what: &str) -> Result<T, Diagnostic> {
        let json = self.json(node)?;
        self.decode(json, node.place, what)
    }

    /// JSON as a record of a known shape.
    pub(crate) fn decode<T: DeserializeOwned>(self, json: Value, place: Place, what: &str) -> Result<T, Diagnostic> {
        serde_json::from_value(json).map_err(|error| {
            let message = error.to_string();
            // The names in backticks: the one that is wrong, then those that there are.
            let mut names = message.split('`').skip(1).step_by(2);
            let suggestion = names.next().and_then(|wrong| nearest(wrong, names));
            Diagnostic::error(self.0, place, format!("{what}: {message}")).suggest(suggestion)
        })
    }
}
