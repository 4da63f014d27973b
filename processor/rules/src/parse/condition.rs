//! Conditions: `all`, `any`, `not` and the predicates.

use regex::RegexBuilder;
use serde_json::Value;

use super::Reader;
use super::fields::{Fields, backticked};
use crate::cel::Expression;
use crate::condition::{Arg, Condition, Operand, Predicate};
use crate::diagnostic::nearest;
use crate::host::Function;
use crate::limits;
use crate::operator::{Comparison, List, Test};
use crate::path::FieldPath;
use crate::time::TimeField;

use crate::yaml::{Data, Key, Node};

/// The keys that say what kind of condition a mapping is.
const FORMS: &[&str] = &["field", "cel", "call", "state_seen", "state_counter", "all", "any", "not"];

/// Forms of the original that no pure rule can evaluate.
const UNSUPPORTED: &[&str] = &["semantic_match", "wasm_plugin"];

const OPERATORS: &[&str] = &[
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "regex",
    "in_list",
    "exists",
];

impl Reader<'_> {
    /// Reads a rule's condition.
    pub(super) fn condition(&mut self, node: &Node) -> Option<Condition> {
        self.nested(node, 0)
    }

    fn nested(&mut self, node: &Node, depth: usize) -> Option<Condition> {
        if let Data::Str(_) = node.data {
            return self.cel(node);
        }
        let Data::Map(entries) = &node.data else {
            self.error(node.place, no_condition(node));
            return None;
        };
        if let Some((key, _)) = entries.iter().find(|(k, _)| UNSUPPORTED.contains(&k.text.as_str())) {
            let message = format!(
                "`{}` is not supported: a decision must follow from the action, the state and \
                 the time alone",
                key.text
            );
            self.error(key.place, message);
            return None;
        }
        let forms: Vec<&(Key, Node)> = entries.iter().filter(|(key, _)| FORMS.contains(&key.text.as_str())).collect();
        match forms[..] {
            [(key, value)] => self.form(node, key, value, depth),
            [] => {
                let near = entries.iter().find_map(|(key, _)| nearest(&key.text, FORMS.iter().copied()));
                let message = format!("a condition needs one of {}", backticked(FORMS));
                self.error_near(node.place, message, near);
                None
            }
            [(first, _), (second, _), ..] => {
                let (first, place) = (&first.text, second.place);
                let second = &second.text;
                let message = format!("`{first}` and `{second}` side by side: make each an item of an `all` or `any`");
                self.error(place, message);
                None
            }
        }
    }

    fn form(&mut self, node: &Node, key: &Key, value: &Node, depth: usize) -> Option<Condition> {
        match key.text.as_str() {
            combinator @ ("all" | "any" | "not") => {
                self.fields(node, &format!("an `{combinator}` condition"), &[combinator])?;
                if depth >= limits::MAX_CONDITION_DEPTH {
                    let max = limits::MAX_CONDITION_DEPTH;
                    self.error(key.place, format!("conditions nested deeper than {max} levels"));
                    return None;
                }
                if combinator == "not" {
                    return Some(Condition::Not(Box::new(self.nested(value, depth + 1)?)));
                }
                let parts = self.parts(value, combinator, depth)?;
                Some(if combinator == "all" { Condition::All(parts) } else { Condition::Any(parts) })
            }
            "cel" => {
                self.fields(node, "a `cel` predicate", &["cel"])?;
                self.cel(value)
            }
            form => {
                let extra: &[&str] = match form {
                    "call" => &["args"],
                    "state_seen" | "state_counter" => &["within_seconds"],
                    _ => &[],
                };
                let fields = self.predicate_fields(node, form, extra)?;
                let operand = match form {
                    "field" => self.field(value),
                    "call" => self.call(&fields, value),
                    "state_seen" => self.counted(Function::StateSeen, &fields, value),
                    _ => self.counted(Function::StateCounter, &fields, value),
                };
                let tests = self.tests(&fields);
                self.predicate(node, &operand?, tests?)
            }
        }
    }

    /// A CEL expression.
    fn cel(&mut self, node: &Node) -> Option<Condition> {
        let source = self.string(node, "cel")?;
        match Expression::compile(&source) {
            Ok(expression) => {
                for (field, near) in expression.doubts() {
                    self.doubtful(node.place, field, near);
                }
                Some(Condition::Cel(expression))
            }
            Err(error) => {
                self.error_near(node.place, error.message, error.suggestion);
                None
            }
        }
    }

    fn parts(&mut self, node: &Node, key: &str, depth: usize) -> Option<Box<[Condition]>> {
        let items = self.items(node, key)?;
        if items.is_empty() {
            self.error(node.place, format!("`{key}` is empty: it needs at least one predicate"));
            return None;
        }
        let parts: Vec<_> = items.iter().filter_map(|item| self.nested(item, depth + 1)).collect();
        (parts.len() == items.len()).then(|| parts.into())
    }

    /// The entries of a predicate: its form, what belongs to that, and operators.
    fn predicate_fields<'n>(&mut self, node: &'n Node, form: &str, extra: &[&str]) -> Option<Fields<'n>> {
        let Data::Map(entries) = &node.data else { return None };
        let mut known = true;
        for (key, _) in entries {
            let name = key.text.as_str();
            if name != form && !extra.contains(&name) && !OPERATORS.contains(&name) {
                let near = nearest(name, OPERATORS.iter().chain(extra).copied());
                let mut message = format!("unknown operator `{name}`");
                if near.is_none() {
                    message = format!("{message}; known are {}", backticked(OPERATORS));
                }
                self.error_near(key.place, message, near);
                known = false;
            }
        }
        // The keys were checked above, in the words of operators.
        known.then(|| Fields::new(node.place, entries))
    }

    fn field(&mut self, node: &Node) -> Option<Operand> {
        let text = self.string(node, "field")?;
        let parsed = match TimeField::parse(&text) {
            Some(time) => time.map(Operand::Time),
            None => FieldPath::parse_action(&text).map(|parsed| {
                self.doubt(node, &parsed);
                Operand::Field(parsed.path)
            }),
        };
        match parsed {
            Ok(operand) => Some(operand),
            Err(error) => {
                self.error_near(node.place, error.message, error.suggestion);
                None
            }
        }
    }

    fn call(&mut self, fields: &Fields<'_>, value: &Node) -> Option<Operand> {
        let name = self.string(value, "call")?;
        let Some(function) = Function::NAMED.iter().find(|f| f.name() == name).copied() else {
            let known: Vec<&str> = Function::NAMED.iter().map(|f| f.name()).collect();
            let near = nearest(&name, known.iter().copied());
            let mut message = format!("unknown function `{name}`");
            if near.is_none() {
                message = format!("{message}; known are {}", backticked(&known));
            }
            self.error_near(value.place, message, near);
            return None;
        };
        let items = match fields.get("args") {
            None => &[],
            Some(node) => self.items(node, "args")?,
        };
        let wanted = function.parameters();
        if items.len() != wanted.len() {
            let message =
                format!("`{name}` takes {} arguments ({}), found {}", wanted.len(), wanted.join(", "), items.len());
            self.error(value.place, message);
            return None;
        }
        let args: Vec<Arg> = items.iter().filter_map(|item| self.arg(item)).collect();
        (args.len() == items.len()).then(|| Operand::Call(function, args.into()))
    }

    /// An argument: a field path, or else a literal.
    fn arg(&mut self, node: &Node) -> Option<Arg> {
        if let Data::Str(text) = &node.data {
            let is_path = ["action.", "time.", "env.", "environment."];
            if is_path.iter().any(|prefix| text.starts_with(prefix)) {
                return match self.field(node)? {
                    Operand::Field(path) => Some(Arg::Field(path)),
                    Operand::Time(field) => Some(Arg::Time(field)),
                    Operand::Call(..) => None,
                };
            }
        }
        self.json(node).map(Arg::Literal)
    }

    /// `state_seen` or `state_counter`: a key, and how far back to look.
    fn counted(&mut self, function: Function, fields: &Fields<'_>, value: &Node) -> Option<Operand> {
        let within = match fields.get("within_seconds") {
            None => Some(limits::DEFAULT_WITHIN_SECONDS),
            Some(node) => self.whole(node, "within_seconds", 1..=limits::MAX_WITHIN_SECONDS),
        };
        let paths = self.counter_key(function.name(), value)?;
        // The key as written tells the predicates of a rule apart, whatever the values are.
        let name = match &paths[..] {
            [] => self.string(value, function.name())?,
            paths => paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        };
        let values = paths.into_iter().map(Arg::Field);
        let args = std::iter::once(Arg::Literal(name.into())).chain(values);
        Some(Operand::Call(function, args.chain([Arg::Literal(within?.into())]).collect()))
    }

    /// The fields of a counter's key: a list of them, or one that is written with its prefix. Any
    /// other string names a counter without fields.
    fn counter_key(&mut self, key: &str, node: &Node) -> Option<Vec<FieldPath>> {
        let prefixes = ["action.", "payload.", "metadata."];
        let items = match &node.data {
            Data::List(_) => self.items(node, key)?,
            Data::Str(text) if prefixes.iter().any(|prefix| text.starts_with(prefix)) => std::slice::from_ref(node),
            _ => return Some(Vec::new()),
        };
        if items.is_empty() {
            self.error(node.place, format!("`{key}` is empty: name a field, or write a name"));
            return None;
        }
        self.paths(items, node.place, key)
    }

    /// A predicate of one operator, or an `all` of several.
    fn predicate(&mut self, node: &Node, operand: &Operand, mut tests: Vec<Test>) -> Option<Condition> {
        let boolean = match operand {
            Operand::Call(function, _) => function.is_boolean(),
            _ => false,
        };
        if tests.is_empty() && boolean {
            tests.push(Test::True);
        }
        let predicate = |test| Condition::Predicate(Predicate { operand: operand.clone(), test });
        let mut parts: Vec<Condition> = tests.into_iter().map(predicate).collect();
        if parts.len() > 1 {
            return Some(Condition::All(parts.into()));
        }
        if parts.is_empty() {
            let message = format!("the predicate has no operator; known are {}", backticked(OPERATORS));
            self.error(node.place, message);
        }
        parts.pop()
    }

    /// The operators of a predicate, in the order of [`OPERATORS`].
    fn tests(&mut self, fields: &Fields<'_>) -> Option<Vec<Test>> {
        let mut tests = Vec::new();
        let mut failed = false;
        for operator in OPERATORS {
            let Some(node) = fields.get(operator) else { continue };
            match self.test(operator, node) {
                Some(test) => tests.push(test),
                None => failed = true,
            }
        }
        (!failed).then_some(tests)
    }

    fn test(&mut self, operator: &str, node: &Node) -> Option<Test> {
        let comparison = match operator {
            "eq" => return self.operand(operator, node).map(Test::Eq),
            "ne" => return self.operand(operator, node).map(Test::Ne),
            "contains" => return self.operand(operator, node).map(Test::Contains),
            "starts_with" => return Some(Test::StartsWith(self.string(node, operator)?.into())),
            "ends_with" => return Some(Test::EndsWith(self.string(node, operator)?.into())),
            "matches" | "regex" => return self.regex(operator, node),
            "exists" => return self.boolean(node, operator).map(Test::Exists),
            "in_list" => return self.in_list(node),
            "gt" => Comparison::Gt,
            "gte" => Comparison::Gte,
            "lt" => Comparison::Lt,
            _ => Comparison::Lte,
        };
        match self.operand(operator, node)? {
            value @ (Value::Number(_) | Value::String(_)) => Some(Test::Compare(comparison, value)),
            _ => {
                let message = format!("`{operator}` compares numbers or strings, found {}", node.kind());
                self.error(node.place, message);
                None
            }
        }
    }

    fn operand(&mut self, operator: &str, node: &Node) -> Option<Value> {
        if let Data::Empty = node.data {
            let message = format!("`{operator}` has no value; for a field that isn't there write `exists: false`");
            self.error(node.place, message);
            return None;
        }
        self.json(node)
    }

    pub(super) fn json(&mut self, node: &Node) -> Option<Value> {
        match node.to_json() {
            Ok(value) => Some(value),
            Err((place, message)) => {
                self.error(place, message);
                None
            }
        }
    }

    fn in_list(&mut self, node: &Node) -> Option<Test> {
        let items = self.items(node, "in_list")?;
        if items.is_empty() {
            self.error(node.place, "`in_list` is empty: no value is in it");
            return None;
        }
        let members: Vec<Value> = items.iter().filter_map(|item| self.json(item)).collect();
        (members.len() == items.len()).then(|| Test::InList(List::new(members)))
    }

    fn regex(&mut self, operator: &str, node: &Node) -> Option<Test> {
        let text = self.string(node, operator)?;
        if text.len() > limits::MAX_REGEX_BYTES {
            let message = format!("a regex of {} bytes; {} are allowed", text.len(), limits::MAX_REGEX_BYTES);
            self.error(node.place, message);
            return None;
        }
        match RegexBuilder::new(&text).size_limit(limits::MAX_REGEX_COMPILED_BYTES).build() {
            Ok(regex) => Some(Test::Matches(regex)),
            Err(error) => {
                // The library draws the pattern over several lines; the reason is the last.
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                self.error(node.place, format!("bad regex: {reason}"));
                None
            }
        }
    }
}

/// The error for a condition that is no mapping.
fn no_condition(node: &Node) -> String {
    match node.data {
        Data::List(_) => "a list is no condition: put it under `all:` or `any:`".to_owned(),
        _ => format!("a condition is a mapping or an expression, found {}", node.kind()),
    }
}
