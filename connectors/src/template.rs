//! MiniJinja templates over a dispatch: `action`, `payload`, `metadata`. Each has bounded work and a bounded result.

use acteon_schemas::{Dispatch, MAX_RECORD_BYTES};
use minijinja::value::{Serde, Value as Dynamic};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, Output, UndefinedBehavior, context};
use serde_json::Value;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

/// Longest source of one template, in bytes.
pub(crate) const MAX_TEMPLATE_BYTES: usize = 64 * 1024;
/// Longest result of one template, in bytes: what a record may have.
pub(crate) const MAX_RENDERED_BYTES: usize = MAX_RECORD_BYTES;
/// Most instructions of one rendering.
const MAX_FUEL: u64 = 1_000_000;
/// Filters whose result can be far longer than their input.
const UNBOUNDED_FILTERS: [&str; 5] = ["indent", "format", "pprint", "batch", "slice"];
/// The name of a text in its environment.
const NAME: &str = "value";

/// The environment of texts: what is missing is nothing, and nothing is escaped.
static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| environment(UndefinedBehavior::Chainable));
/// The environment of what must not have gaps: what is missing is an error.
static STRICT: LazyLock<Environment<'static>> = LazyLock::new(|| environment(UndefinedBehavior::Strict));
/// The environment of URLs: the same, and values are escaped.
static URL: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment(UndefinedBehavior::Strict);
    environment.set_formatter(|output, _, value| escape_for_url(output, value));
    environment
});

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(MAX_FUEL));
    for name in UNBOUNDED_FILTERS {
        environment.remove_filter(name);
    }
    // A namespace could grow with every turn of a loop.
    environment.remove_global("namespace");
    environment.add_filter("tojson", to_json);
    environment.add_filter("replace", replace);
    environment
}

fn to_json(value: &Dynamic) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// `replace`, within the limit of a result.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let length = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if length > MAX_RENDERED_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "the replaced text is too long"));
    }
    Ok(text.replace(from, to))
}

/// Writes a value so that it stays within one segment of a path or one value of a query.
fn escape_for_url(output: &mut Output<'_>, value: &Dynamic) -> Result<(), Error> {
    if value.is_undefined() || value.is_none() {
        return Err(Error::new(ErrorKind::UndefinedError, "a value of the URL is missing"));
    }
    let text = value.to_string();
    if matches!(text.as_str(), "" | "." | "..") {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("{text:?} would change the path of the URL")));
    }
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    output.write_str(&escaped).map_err(Error::from)
}

/// Whether a text has a template in it.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// A text with templates in it.
#[derive(Clone)]
pub(crate) struct Template(Arc<Environment<'static>>);

/// Without the source, which may hold a secret.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

impl Template {
    /// A text; what is missing is nothing in it.
    pub(crate) fn text(source: &str) -> Result<Self, String> {
        Self::compile(&TEXT, source)
    }

    /// A text for which a missing value is an error.
    pub(crate) fn strict(source: &str) -> Result<Self, String> {
        Self::compile(&STRICT, source)
    }

    /// A URL, whose values are escaped and must be there.
    pub(crate) fn url(source: &str) -> Result<Self, String> {
        Self::compile(&URL, source)
    }

    fn compile(environment: &Environment<'static>, source: &str) -> Result<Self, String> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(format!("is a template of {} bytes; the limit is {MAX_TEMPLATE_BYTES}", source.len()));
        }
        let mut environment = environment.clone();
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| format!("is a bad template: {}", say(&error)))?;
        let template = Self(Arc::new(environment));
        // Names of filters, tests and functions are looked up when they are used: use them once.
        match template.try_render(&Context::nothing()) {
            Err(Failed::Template(error)) if is_unknown_name(&error) => {
                Err(format!("is a bad template: {}", say(&error)))
            }
            _ => Ok(template),
        }
    }

    /// The text for a dispatch.
    pub(crate) fn render(&self, context: &Context) -> Result<String, String> {
        self.try_render(context).map_err(|failed| failed.to_string())
    }

    fn try_render(&self, context: &Context) -> Result<String, Failed> {
        let mut written = Limited(Vec::new());
        match self.0.get_template(NAME)?.render_captured_to(context.0.clone(), &mut written) {
            Err(error) if error.kind() == ErrorKind::WriteFailure => Err(Failed::TooLong),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(String::from_utf8_lossy(&written.0).into_owned()),
        }
    }
}

/// A JSON value with templates at any depth. A string that is nothing but `{{ expression }}` keeps the type of its value.
#[derive(Debug, Clone)]
pub(crate) enum ValueTemplate {
    Literal(Value),
    Text(Template),
    Expression(TypedExpression),
    List(Vec<ValueTemplate>),
    Map(Vec<(String, ValueTemplate)>),
}

/// An expression whose value keeps its type.
#[derive(Clone)]
pub(crate) struct TypedExpression(Arc<Expression<'static, 'static>>);

impl fmt::Debug for TypedExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expression")
    }
}

impl ValueTemplate {
    /// Compiles a value. `named` gives the template that `{"$ref": name}` stands for.
    pub(crate) fn compile(source: &Value, named: &dyn Fn(&str) -> Option<Template>) -> Result<Self, String> {
        Ok(match source {
            Value::String(text) if is_template(text) => Self::string(text)?,
            Value::Array(items) => {
                Self::List(items.iter().map(|item| Self::compile(item, named)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => match (map.get("$ref"), map.len()) {
                (Some(Value::String(name)), 1) => {
                    Self::Text(named(name).ok_or_else(|| format!("names the template {name:?}, which there is not"))?)
                }
                (Some(_), _) => return Err("has a `$ref` that is not alone or no template's name".to_owned()),
                (None, _) => {
                    let entries = map.iter().map(|(key, value)| Ok((key.clone(), Self::compile(value, named)?)));
                    Self::Map(entries.collect::<Result<_, String>>()?)
                }
            },
            other => Self::Literal(other.clone()),
        })
    }

    fn string(text: &str) -> Result<Self, String> {
        // It finds unknown names and too long a text, whichever of both it is.
        let template = Template::text(text)?;
        let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let inner = inner.map(|inner| inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).to_owned());
        // Of `{{ a }} and {{ b }}`, what is between the outer braces is no expression.
        let expression = inner.and_then(|inner| TEXT.compile_expression_owned(inner).ok());
        Ok(expression
            .map_or(Self::Text(template), |expression| Self::Expression(TypedExpression(Arc::new(expression)))))
    }

    /// The value for a dispatch.
    pub(crate) fn render(&self, context: &Context) -> Result<Value, String> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Text(template) => Value::String(template.render(context)?),
            Self::Expression(expression) => evaluate(expression, context).map_err(|failed| failed.to_string())?,
            Self::List(items) => items.iter().map(|item| item.render(context)).collect::<Result<_, _>>()?,
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.clone(), value.render(context)?)));
                Value::Object(entries.collect::<Result<_, String>>()?)
            }
        })
    }
}

fn evaluate(expression: &TypedExpression, context: &Context) -> Result<Value, Failed> {
    let found = expression.0.eval(context.0.clone())?;
    let mut written = Limited(Vec::new());
    serde_json::to_writer(&mut written, &found).map_err(|_| Failed::TooLong)?;
    serde_json::from_slice(&written.0).map_err(|_| Failed::TooLong)
}

/// What templates see of a dispatch.
pub(crate) struct Context(Dynamic);

impl Context {
    pub(crate) fn of(dispatch: &Dispatch<'_>) -> Self {
        let payload: Value = serde_json::from_str(dispatch.payload.get()).unwrap_or_default();
        let metadata = Dynamic::from(Serde(&*dispatch.metadata));
        let extra = dispatch.extra.iter().map(|(key, value)| (key.as_str(), Dynamic::from(Serde(value))));
        let text = |text: &str| Dynamic::from(text);
        let maybe =
            |value: &Option<std::borrow::Cow<'_, str>>| value.as_deref().map_or_else(|| Dynamic::from(()), text);
        let own = [
            ("id", text(&dispatch.action_id)),
            ("dispatch_id", text(&dispatch.dispatch_id)),
            ("namespace", text(&dispatch.namespace)),
            ("tenant", text(&dispatch.tenant)),
            ("provider", text(&dispatch.provider)),
            ("action_type", text(&dispatch.action_type)),
            ("dedup_key", maybe(&dispatch.dedup_key)),
            ("status", maybe(&dispatch.status)),
            ("fingerprint", maybe(&dispatch.fingerprint)),
            ("created_at", maybe(&dispatch.created_at)),
        ];
        let action = Dynamic::from_pairs(extra.chain(own));
        Self(context! { action => action, payload => Dynamic::from(Serde(&payload)), metadata => metadata })
    }

    /// What a template sees that may choose a destination: the names in an action, and nothing that is free text.
    pub(crate) fn names(namespace: &str, tenant: &str, provider: &str, action_type: &str) -> Self {
        Self(context! {
            action => context! {
                namespace => namespace, tenant => tenant, provider => provider, action_type => action_type,
            }
        })
    }

    fn nothing() -> Self {
        let nothing = || Dynamic::from(Serde(&Value::Object(serde_json::Map::new())));
        Self(context! { action => nothing(), payload => nothing(), metadata => nothing() })
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

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(error) => f.write_str(&say(error)),
            Self::TooLong => write!(f, "the result is longer than {MAX_RENDERED_BYTES} bytes"),
        }
    }
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

/// Takes so many bytes and no more.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
