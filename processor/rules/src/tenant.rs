//! Templates that tenants write at run time, for the payloads of their own actions.
//!
//! They are MiniJinja templates as those of `modify` are, and what a string keeps of its value's type is the same. But
//! whoever writes them is not trusted with the processor, where one tenant's work holds up all others of its partition.
//! So the language is a part of MiniJinja in which no value can grow without bound ([`language`]), filters pay for what
//! they read and write ([`filters`]), and all templates of one action share their steps.
//!
//! They see `action`, `payload`, `metadata` and `time`, and the payload's fields by their names alone, where those are
//! none of the four.

mod filters;
mod language;

use crate::limits;
use crate::subject::Subject;
use crate::time::Clock;
use chrono_tz::Tz;
use filters::{WORK, Work};
use minijinja::value::{Serde, Value as Dynamic};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::LazyLock;

/// Bytes of a template that cost as much to compile as a step costs.
const BYTES_A_STEP: u64 = 16;

/// The environment of every template of tenants.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(limits::MAX_TENANT_TEMPLATE_FUEL));
    // What they make holds its parts many times over, or tells of the engine.
    for name in ["dict", "debug", "namespace"] {
        environment.remove_global(name);
    }
    filters::install(&mut environment);
    environment
});

/// Checks a text with templates.
///
/// # Errors
/// It is too long, no template, or one with what tenants may not use.
pub fn check_text(text: &str) -> Result<(), String> {
    let mut nothing = Renderer::of_nothing();
    match nothing.text(text) {
        Err(Failed::Bad(problem)) => Err(problem),
        // Names of filters, tests and functions are looked up when they are used.
        Err(Failed::Render(error)) if is_unknown_name(&error) => Err(format!("bad template: {}", say(&error))),
        _ => Ok(()),
    }
}

/// Checks a value with templates at any depth; the names of the templates that it refers to by `{"$ref": name}`.
///
/// # Errors
/// A text in it is no good template, or a `$ref` is not alone or no name.
pub fn check(source: &Value) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    check_at(source, &mut names)?;
    Ok(names)
}

fn check_at(source: &Value, names: &mut BTreeSet<String>) -> Result<(), String> {
    match source {
        Value::String(text) => check_text(text),
        Value::Array(items) => items.iter().try_for_each(|item| check_at(item, names)),
        Value::Object(map) => match reference(source)? {
            Some(name) => {
                names.insert(name.to_owned());
                Ok(())
            }
            None => map.values().try_for_each(|value| check_at(value, names)),
        },
        _ => Ok(()),
    }
}

/// The names of the templates that a value refers to.
#[must_use]
pub fn references(source: &Value) -> BTreeSet<&str> {
    match source {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(map) => match reference(source) {
            Ok(Some(name)) => BTreeSet::from([name]),
            _ => map.values().flat_map(references).collect(),
        },
        _ => BTreeSet::new(),
    }
}

/// The name in `{"$ref": name}`; `None` for any other value.
fn reference(source: &Value) -> Result<Option<&str>, String> {
    let Some(map) = source.as_object() else { return Ok(None) };
    match (map.get("$ref"), map.len()) {
        (None, _) => Ok(None),
        (Some(Value::String(name)), 1) => Ok(Some(name)),
        (Some(_), _) => Err("a `$ref` is not alone, or no template's name".to_owned()),
    }
}

/// Renders the templates of one action.
pub struct Renderer {
    root: Dynamic,
    /// The steps that are left.
    fuel: u64,
    /// The bytes that are left to be made.
    room: usize,
}

impl Renderer {
    /// For an action, as it is at the moment; `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// Its payload and labels are longer than [`limits::MAX_TENANT_TEMPLATE_INPUT_BYTES`].
    pub fn new(subject: &Subject<'_>, now_ms: i64) -> Result<Self, String> {
        let mut read = Limited::new(limits::MAX_TENANT_TEMPLATE_INPUT_BYTES);
        if serde_json::to_writer(&mut read, &(&subject.payload, subject.metadata)).is_err() {
            let most = limits::MAX_TENANT_TEMPLATE_INPUT_BYTES;
            return Err(format!("the payload and the labels are longer than {most} bytes, the most for templates"));
        }
        let own = [
            ("id", Dynamic::from(subject.id)),
            ("namespace", subject.namespace.into()),
            ("tenant", subject.tenant.into()),
            ("provider", (&*subject.provider).into()),
            ("action_type", subject.action_type.into()),
            ("dedup_key", dynamic(subject.dedup_key)),
            ("status", dynamic(subject.status)),
            ("fingerprint", dynamic(subject.fingerprint)),
            ("created_at", dynamic(subject.extra.get("created_at").and_then(Value::as_str))),
        ];
        let mut clock = Clock::new(now_ms);
        let time = clock.fields(Tz::UTC).map(|(name, value)| (name, dynamic(value.to_value())));
        let payload = dynamic(&*subject.payload);
        let own = [
            ("action", Dynamic::from_pairs(own)),
            ("payload", payload),
            ("metadata", dynamic(subject.metadata)),
            ("time", Dynamic::from_pairs(time)),
        ];
        Ok(Self::of(subject.payload.as_object(), own))
    }

    fn of_nothing() -> Self {
        let nothing = || dynamic(serde_json::Map::new());
        Self::of(None, ["action", "payload", "metadata", "time"].map(|name| (name, nothing())))
    }

    fn of(fields: Option<&serde_json::Map<String, Value>>, own: [(&str, Dynamic); 4]) -> Self {
        let fields = fields.into_iter().flatten().map(|(name, value)| (name.as_str(), dynamic(value)));
        let work = [(WORK, Dynamic::from_object(Work::default()))];
        let root = Dynamic::from_pairs(fields.chain(own).chain(work));
        Self { root, fuel: limits::MAX_TENANT_TEMPLATE_FUEL, room: limits::MAX_TENANT_OUTPUT_BYTES }
    }

    /// What a value becomes. `named` gives the text of the template that a `{"$ref": name}` stands for.
    ///
    /// # Errors
    /// A template can't be rendered, or is too much work together with those before it.
    pub fn render(&mut self, source: &Value, named: &dyn Fn(&str) -> Option<String>) -> Result<Value, String> {
        Ok(match source {
            Value::String(text) => self.value(text).map_err(|failed| failed.say())?,
            Value::Array(items) => items.iter().map(|item| self.render(item, named)).collect::<Result<_, _>>()?,
            Value::Object(map) => match reference(source)? {
                Some(name) => {
                    let text = named(name).ok_or_else(|| format!("there is no template `{name}`"))?;
                    self.render_text(&text).map_err(|problem| format!("template `{name}`: {problem}"))?.into()
                }
                None => {
                    let entries = map.iter().map(|(key, value)| Ok((key.clone(), self.render(value, named)?)));
                    Value::Object(entries.collect::<Result<_, String>>()?)
                }
            },
            other => other.clone(),
        })
    }

    /// What a text becomes, as a text.
    ///
    /// # Errors
    /// As for [`Self::render`].
    pub fn render_text(&mut self, text: &str) -> Result<String, String> {
        self.text(text).map_err(|failed| failed.say())
    }

    /// A text that is nothing but `{{ expression }}` keeps the type of its value.
    fn value(&mut self, text: &str) -> Result<Value, Failed> {
        let Some(shape) = self.begin(text)? else { return self.plain(text).map(Value::String) };
        let Some(expression) = shape.expression else { return self.rendered(text).map(Value::String) };
        let environment = self.environment();
        let compiled = environment.compile_expression(expression).map_err(|error| bad(&error))?;
        let found = compiled.eval(self.root.clone())?;
        // An expression has no more steps than bytes.
        self.fuel = self.fuel.saturating_sub(expression.len() as u64);
        let mut written = self.output();
        serde_json::to_writer(&mut written, &found).map_err(|_| Failed::TooLong)?;
        self.room -= written.bytes.len();
        serde_json::from_slice(&written.bytes).map_err(|_| Failed::TooLong)
    }

    fn text(&mut self, text: &str) -> Result<String, Failed> {
        if self.begin(text)?.is_some() { self.rendered(text) } else { self.plain(text) }
    }

    /// What a text is made of, if it is no template without an error; `None` where nothing in it is one.
    fn begin<'t>(&mut self, text: &'t str) -> Result<Option<language::Shape<'t>>, Failed> {
        if text.len() > limits::MAX_TENANT_TEMPLATE_BYTES {
            let most = limits::MAX_TENANT_TEMPLATE_BYTES;
            return Err(Failed::Bad(format!("a text of {} bytes; {most} are allowed", text.len())));
        }
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(None);
        }
        self.fuel = self.fuel.checked_sub(text.len() as u64 / BYTES_A_STEP).ok_or(Failed::TooManySteps)?;
        language::check(text).map(Some).map_err(Failed::Bad)
    }

    fn plain(&mut self, text: &str) -> Result<String, Failed> {
        self.room = self.room.checked_sub(text.len()).ok_or(Failed::TooLong)?;
        Ok(text.to_owned())
    }

    fn rendered(&mut self, text: &str) -> Result<String, Failed> {
        let environment = self.environment();
        let template = environment.template_from_str(text).map_err(|error| bad(&error))?;
        let mut written = self.output();
        let captured = template.render_captured_to(self.root.clone(), &mut written).map_err(|error| {
            if error.kind() == ErrorKind::WriteFailure { Failed::TooLong } else { Failed::Render(error) }
        })?;
        self.fuel = captured.state().fuel_levels().map_or(self.fuel, |(_, left)| left);
        self.room -= written.bytes.len();
        Ok(String::from_utf8_lossy(&written.bytes).into_owned())
    }

    fn output(&self) -> Limited {
        Limited::new(self.room.min(limits::MAX_TEMPLATE_OUTPUT_BYTES))
    }

    fn environment(&self) -> Environment<'static> {
        let mut environment = ENVIRONMENT.clone();
        environment.set_fuel(Some(self.fuel));
        environment
    }
}

/// Why a template has no value.
enum Failed {
    /// It is none.
    Bad(String),
    Render(Error),
    TooManySteps,
    TooLong,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Render(error)
    }
}

impl Failed {
    fn say(&self) -> String {
        match self {
            Self::Bad(problem) => problem.clone(),
            Self::Render(error) if error.kind() != ErrorKind::OutOfFuel => say(error),
            Self::Render(_) | Self::TooManySteps => {
                format!("more than {} steps for one action", limits::MAX_TENANT_TEMPLATE_FUEL)
            }
            Self::TooLong => {
                let (one, all) = (limits::MAX_TEMPLATE_OUTPUT_BYTES, limits::MAX_TENANT_OUTPUT_BYTES);
                format!("the result is longer than {one} bytes, or all together than {all}")
            }
        }
    }
}

fn bad(error: &Error) -> Failed {
    Failed::Bad(format!("bad template: {}", say(error)))
}

fn is_unknown_name(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
}

/// What went wrong and in which line, without the names that the engine gives to templates.
fn say(error: &Error) -> String {
    let line = error.line().filter(|line| *line > 1).map_or_else(String::new, |line| format!(" in line {line}"));
    let kind = error.kind();
    error.detail().map_or_else(|| format!("{kind}{line}"), |detail| format!("{kind}{line}: {detail}"))
}

fn dynamic(value: impl Serialize) -> Dynamic {
    Dynamic::from(Serde(value))
}

/// Takes so many bytes and no more.
struct Limited {
    bytes: Vec<u8>,
    most: usize,
}

impl Limited {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
