//! YAML 1.2 text to a tree of nodes with places.
//!
//! Built on the parser's events rather than on a ready-made tree, so that nesting is bounded
//! before anything recurses, both places of a duplicate key are known, and aliases (which could
//! make a small file expand without end) are refused where they stand.

use rustc_hash::FxHashMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use crate::diagnostic::{Diagnostic, Place};
use crate::limits;

/// A value in a file, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// The value.
    pub data: Data,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing is written: `eq:` with no value.
    Empty,
    /// `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written; no key is there twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

impl Node {
    /// What the node is, with its article.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Empty => "nothing",
            Data::Null => "null",
            Data::Bool(_) => "a boolean",
            Data::Int(_) | Data::Uint(_) | Data::Float(_) => "a number",
            Data::Str(_) => "a string",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The value of a key, if the node is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// The node as JSON.
    ///
    /// # Errors
    /// The place and the reason, for what JSON has no way to write.
    pub fn to_json(&self) -> Result<Value, (Place, &'static str)> {
        Ok(match &self.data {
            Data::Empty => return Err((self.place, "the value is missing: write it, or `null`")),
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Int(value) => Value::from(*value),
            Data::Uint(value) => Value::from(*value),
            Data::Float(value) => {
                Number::from_f64(*value).map(Value::Number).ok_or((self.place, "the number is not finite"))?
            }
            Data::Str(text) => Value::from(text.as_str()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?),
            Data::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.text.clone(), value.to_json()?);
                }
                Value::Object(map)
            }
        })
    }
}

/// Parses one file; `None` if there is nothing but comments in it.
///
/// # Errors
/// The file is not one YAML document, nests too deeply, or has a duplicate key, an alias or a tag.
pub fn parse(file: &str, text: &str) -> Result<Option<Node>, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { file, stack: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = place(error.marker());
            Diagnostic::error(file, place, format!("not YAML: {}", error.info()))
        })?;
        builder.event(event, place(&span.start))?;
    }
    Ok(builder.root)
}

fn place(marker: &Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col() + 1) }
}

/// A list or a mapping whose end has not come yet.
enum Open {
    List(Place, Vec<Node>),
    Map { place: Place, entries: Vec<(Key, Node)>, key: Option<Key>, lines: FxHashMap<String, u32> },
}

struct Builder<'f> {
    file: &'f str,
    stack: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn error<T>(&self, place: Place, message: impl Into<String>) -> Result<T, Diagnostic> {
        Err(Diagnostic::error(self.file, place, message))
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Diagnostic> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                self.error(place, "a file is one YAML document: put the rest in a file of its own")
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => self.error(place, "YAML aliases (`*name`) are not accepted: write the value out"),
            Event::Scalar(text, style, _, tag) => {
                let data = self.scalar(&text, style, tag.as_deref(), place)?;
                self.add(&text, Node { place, data })
            }
            Event::SequenceStart(_, tag) => self.open(Open::List(place, Vec::new()), tag.as_deref(), place),
            Event::MappingStart(_, tag) => {
                let lines = FxHashMap::default();
                let open = Open::Map { place, entries: Vec::new(), key: None, lines };
                self.open(open, tag.as_deref(), place)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List(place, items)) => self.add("", Node { place, data: Data::List(items) }),
                Some(Open::Map { place, entries, .. }) => self.add("", Node { place, data: Data::Map(entries) }),
                None => self.error(place, "not YAML: an end without a beginning"),
            },
        }
    }

    fn open(&mut self, open: Open, tag: Option<&Tag>, place: Place) -> Result<(), Diagnostic> {
        if let Some(tag) = tag {
            return self.error(place, format!("YAML tags (`{tag}`) are not accepted"));
        }
        if self.stack.len() >= limits::MAX_YAML_DEPTH {
            let depth = limits::MAX_YAML_DEPTH;
            return self.error(place, format!("nested deeper than {depth} levels"));
        }
        if let Some(Open::Map { key: None, .. }) = self.stack.last() {
            return self.error(place, "a key must be a plain name, not a list or a mapping");
        }
        self.stack.push(open);
        Ok(())
    }

    /// Adds a finished node to what contains it. `text` is a scalar's text, as it would be a key.
    fn add(&mut self, text: &str, node: Node) -> Result<(), Diagnostic> {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, key, lines, .. }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let Node { place, .. } = node;
                    if let Some(line) = lines.insert(text.to_owned(), place.line) {
                        let message = format!("key `{text}` is given twice, first in line {line}");
                        return self.error(place, message);
                    }
                    *key = Some(Key { text: text.to_owned(), place });
                }
            },
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Data, Diagnostic> {
        match tag {
            None if style == ScalarStyle::Plain => Ok(plain(text)),
            None => Ok(Data::Str(text.to_owned())),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Data::Str(text.to_owned())),
            Some(tag) => self.error(place, format!("YAML tags (`{tag}`) are not accepted")),
        }
    }
}

/// The core schema of YAML 1.2: `no`, `on` and `NO` are strings.
fn plain(text: &str) -> Data {
    match text {
        "" => return Data::Empty,
        "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" => return Data::Bool(true),
        "false" | "False" | "FALSE" => return Data::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Data::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Data::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Data::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let based = |prefix, radix| {
        let digits: &str = text.strip_prefix(prefix)?;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        i64::from_str_radix(digits, radix).ok().filter(|_| plain).map(Data::Int)
    };
    if let Some(data) = based("0x", 16).or_else(|| based("0o", 8)) {
        return data;
    }
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().all(numeric) {
        if let Ok(value) = text.parse() {
            return Data::Int(value);
        }
        if let Ok(value) = text.parse() {
            return Data::Uint(value);
        }
        if let Ok(value) = text.parse() {
            return Data::Float(value);
        }
    }
    Data::Str(text.to_owned())
}

#[cfg(test)]
mod tests;
