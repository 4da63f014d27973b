//! Values with templates in them: what `modify` sets.
//!
//! A string with `{{` or `{%` in it is a MiniJinja template over `action`, `payload`, `metadata`
//! and `time`. One that is nothing but `{{ expression }}` keeps the type of its value. What is
//! missing is null, and nothing at all inside a text. Nothing is escaped.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

use minijinja::value::{Serde, Value as Dynamic};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, UndefinedBehavior, context};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::limits;
use crate::rule::Rule;
use crate::subject::Subject;
use crate::time::Clock;

/// A value to be set, perhaps with templates at any depth.
#[derive(Debug, Clone)]
pub struct ValueTemplate {
    source: Value,
    compiled: Arc<Compiled>,
}

/// By what was written.
impl PartialEq for ValueTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// As written.
impl Serialize for ValueTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

enum Compiled {
    Literal(Value),
    /// `{{ expression }}` alone.
    Expression(Expression<'static, 'static>),
    /// A text; the environment has it as its only template.
    Text(Environment<'static>),
    List(Vec<Compiled>),
    Map(Vec<(String, Compiled)>),
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Literal(_) => "Literal",
            Self::Expression(_) => "Expression",
            Self::Text(_) => "Text",
            Self::List(_) => "List",
            Self::Map(_) => "Map",
        })
    }
}

/// The name of a text in its environment.
const NAME: &str = "value";

/// Filters whose output can be far longer than their input, by what an action's sender writes.
const UNBOUNDED_FILTERS: &[&str] = &["indent", "format", "pprint", "batch", "slice"];

/// The environment of every template: no loader, no escaping, bounded work.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(limits::MAX_TEMPLATE_FUEL));
    for name in UNBOUNDED_FILTERS {
        environment.remove_filter(name);
    }
    // A namespace could grow with every turn of a loop.
    environment.remove_global("namespace");
    environment.add_filter("replace", replace);
    environment
});

/// `replace`, within the limit of a template's output.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let length = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if length > limits::MAX_TEMPLATE_OUTPUT_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "the replaced text is too long"));
    }
    Ok(text.replace(from, to))
}

impl ValueTemplate {
    /// Compiles a value; a message if a template in it is none.
    pub(crate) fn compile(source: Value) -> Result<Self, String> {
        let compiled = Compiled::new(&source)?;
        // Names of filters, tests and functions are looked up when they are used: use them once.
        let nothing = || dynamic(Value::Object(serde_json::Map::new()));
        let context = context! { action => nothing(), payload => nothing(), metadata => nothing(), time => nothing() };
        compiled.check(&context)?;
        Ok(Self { source, compiled: Arc::new(compiled) })
    }

    /// The value for an action. A template that fails is null, and says why in `notes`.
    pub(crate) fn render(&self, context: &Context, notes: &mut Vec<String>) -> Value {
        self.compiled.render(context, notes)
    }
}

impl Compiled {
    fn new(source: &Value) -> Result<Self, String> {
        Ok(match source {
            Value::String(text) if text.contains("{{") || text.contains("{%") => Self::template(text)?,
            Value::Array(items) => Self::List(items.iter().map(Self::new).collect::<Result<_, _>>()?),
            Value::Object(map) => {
                let compiled = map.iter().map(|(key, value)| Ok((key.clone(), Self::new(value)?)));
                Self::Map(compiled.collect::<Result<_, String>>()?)
            }
            other => Self::Literal(other.clone()),
        })
    }

    fn template(text: &str) -> Result<Self, String> {
        if text.len() > limits::MAX_TEMPLATE_BYTES {
            return Err(format!("a template of {} bytes; {} are allowed", text.len(), limits::MAX_TEMPLATE_BYTES));
        }
        let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).map(without_control);
        // Of `{{ a }} and {{ b }}`, what is between the outer braces is no expression.
        if let Some(expression) = inner.and_then(|inner| ENVIRONMENT.compile_expression_owned(inner).ok()) {
            return Ok(Self::Expression(expression));
        }
        let mut environment = ENVIRONMENT.clone();
        environment
            .add_template_owned(NAME, text.to_owned())
            .map_err(|error| format!("bad template: {}", say(&error)))?;
        Ok(Self::Text(environment))
    }

    fn check(&self, context: &Dynamic) -> Result<(), String> {
        match self {
            Self::Literal(_) => Ok(()),
            Self::Expression(_) | Self::Text(_) => match self.evaluate(context) {
                Err(Failed::Template(error))
                    if matches!(
                        error.kind(),
                        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
                    ) =>
                {
                    Err(format!("bad template: {}", say(&error)))
                }
                _ => Ok(()),
            },
            Self::List(items) => items.iter().try_for_each(|item| item.check(context)),
            Self::Map(entries) => entries.iter().try_for_each(|(_, value)| value.check(context)),
        }
    }

    fn render(&self, context: &Context, notes: &mut Vec<String>) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(_) | Self::Text(_) => self.evaluate(&context.0).unwrap_or_else(|failed| {
                notes.push(match failed {
                    Failed::Template(error) => say(&error),
                    Failed::TooLong => {
                        format!("the result is longer than {} bytes", limits::MAX_TEMPLATE_OUTPUT_BYTES)
                    }
                });
                Value::Null
            }),
            Self::List(items) => items.iter().map(|item| item.render(context, notes)).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.render(context, notes))).collect()
            }
        }
    }

    fn evaluate(&self, context: &Dynamic) -> Result<Value, Failed> {
        match self {
            Self::Expression(expression) => {
                let found = expression.eval(context.clone())?;
                let mut written = Limited(Vec::new());
                serde_json::to_writer(&mut written, &found).map_err(|_| Failed::TooLong)?;
                serde_json::from_slice(&written.0).map_err(|_| Failed::TooLong)
            }
            Self::Text(environment) => {
                let mut written = Limited(Vec::new());
                match environment.get_template(NAME)?.render_captured_to(context.clone(), &mut written) {
                    Err(error) if error.kind() == ErrorKind::WriteFailure => return Err(Failed::TooLong),
                    Err(error) => return Err(error.into()),
                    Ok(_) => {}
                }
                Ok(Value::from(String::from_utf8_lossy(&written.0).into_owned()))
            }
            Self::Literal(value) => Ok(value.clone()),
            Self::List(_) | Self::Map(_) => Ok(Value::Null),
        }
    }
}

/// Why a template has no value.
enum Failed {
    Template(Error),
    TooLong,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Template(error)
    }
}

/// What is between the braces, without the signs that control white space.
fn without_control(inner: &str) -> String {
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    inner.strip_suffix(['-', '+']).unwrap_or(inner).to_owned()
}

/// What went wrong, without the names that the engine gives to templates.
fn say(error: &Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

/// Takes so many bytes and no more.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::MAX_TEMPLATE_OUTPUT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What templates see of an action.
pub(crate) struct Context(Dynamic);

impl Context {
    /// `action`, `payload`, `metadata` and `time` of an action, as it is at the moment.
    pub(crate) fn new(rule: &Rule, subject: &Subject<'_>, clock: &mut Clock) -> Self {
        let payload = dynamic(&*subject.payload);
        let metadata = dynamic(subject.metadata);
        let extra = subject.extra.iter().map(|(key, value)| (key.as_str(), dynamic(value)));
        let own = [
            ("id", Dynamic::from(subject.id)),
            ("namespace", subject.namespace.into()),
            ("tenant", subject.tenant.into()),
            ("provider", (&*subject.provider).into()),
            ("action_type", subject.action_type.into()),
            ("dedup_key", dynamic(subject.dedup_key)),
            ("status", dynamic(subject.status)),
            ("fingerprint", dynamic(subject.fingerprint)),
            ("payload", payload.clone()),
            ("metadata", metadata.clone()),
        ];
        let action = Dynamic::from_pairs(extra.chain(own));
        let time = clock.fields(rule.timezone).map(|(name, value)| (name, dynamic(value.to_value())));
        let time = Dynamic::from_pairs(time);
        Self(context! { action, payload, metadata, time })
    }
}

fn dynamic(value: impl Serialize) -> Dynamic {
    Dynamic::from(Serde(value))
}

#[cfg(test)]
mod tests;
