//! From a file's nodes to rules. Says everything that is wrong with a file, not only the first.

mod action;
mod condition;
mod fields;
mod modify;
mod route;
mod rule;

use crate::diagnostic::{Diagnostic, Place};
use crate::limits;
use crate::rule::Rule;
use crate::ruleset::{Options, SourceFile};
use crate::yaml::{self, Data, Node};

/// Reads one file's rules. What is wrong, or doubtful, is added to `diagnostics`.
pub(crate) fn file(source: &SourceFile, options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Vec<Rule> {
    let mut reader = Reader { file: &source.name, options, diagnostics };
    if source.text.len() > limits::MAX_FILE_BYTES {
        reader.error(
            Place { line: 1, column: 1 },
            format!("{} bytes; a rule file may have {}", source.text.len(), limits::MAX_FILE_BYTES),
        );
        return Vec::new();
    }
    match yaml::parse(&source.name, &source.text) {
        Ok(None) => Vec::new(),
        Ok(Some(root)) => reader.root(&root),
        Err(diagnostic) => {
            reader.diagnostics.push(diagnostic);
            Vec::new()
        }
    }
}

/// Reads the nodes of one file.
struct Reader<'a> {
    file: &'a str,
    options: &'a Options,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, place: Place, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(self.file, place, message));
    }

    fn error_near(&mut self, place: Place, message: impl Into<String>, near: Option<String>) {
        self.diagnostics.push(Diagnostic::error(self.file, place, message).suggest(near));
    }

    fn root(&mut self, root: &Node) -> Vec<Rule> {
        if let Data::List(_) = root.data {
            let message = "a lone list: put `rules:` in a line above it and indent the list by two \
                           spaces";
            self.error(root.place, message);
            return Vec::new();
        }
        let Some(fields) = self.fields(root, "a rule file", &["rules"]) else {
            return Vec::new();
        };
        let Some(node) = fields.get("rules") else {
            if fields.is_empty() {
                self.error(root.place, "a rule file is a mapping with the key `rules`");
            }
            return Vec::new();
        };
        match &node.data {
            Data::Empty | Data::Null => Vec::new(),
            Data::List(items) => items.iter().filter_map(|item| self.rule(item)).collect(),
            _ => {
                self.error(node.place, format!("`rules` must be a list, found {}", node.kind()));
                Vec::new()
            }
        }
    }
}
