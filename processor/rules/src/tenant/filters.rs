//! Filters of tenants' templates: each pays for what it reads and writes, and none makes much out of little.

use crate::limits;
use minijinja::value::{Kwargs, Object, Rest, Value as Dynamic, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name under which templates' [`Work`] stands among what they see; none can write it.
pub(super) const WORK: &str = " work";
/// What an item of a list costs, in bytes.
const ITEM_BYTES: usize = 32;
/// What a filter costs that reads and writes nothing, in bytes.
const CALL_BYTES: usize = 16;
/// Longest text of conversions that `format` takes, in bytes.
const MAX_FORMAT_BYTES: usize = 256;
/// Most digits of a width or a precision in it.
const MAX_FORMAT_DIGITS: usize = 2;

/// How many bytes the filters of one action's templates have read and written.
#[derive(Debug, Default)]
pub(super) struct Work(AtomicU64);

impl Object for Work {}

/// Puts the filters into the environment in the place of those that come with it.
pub(super) fn install(environment: &mut Environment<'static>) {
    // What they make is a multiple of what they get, or holds the same value many times.
    for name in ["batch", "chain", "indent", "pprint", "slice", "zip"] {
        environment.remove_filter(name);
    }
    for (name, function) in builtin() {
        add(environment, name, function);
    }
    let own = [
        ("format", Dynamic::from_function(format)),
        ("join", Dynamic::from_function(join)),
        ("map", Dynamic::from_function(map)),
        ("replace", Dynamic::from_function(replace)),
        ("string", Dynamic::from_function(string)),
        ("tojson", Dynamic::from_function(to_json)),
    ];
    for (name, function) in own {
        add(environment, name, function);
    }
}

fn builtin() -> [(&'static str, Dynamic); 35] {
    [
        ("abs", Dynamic::from_function(filters::abs)),
        ("attr", Dynamic::from_function(filters::attr)),
        ("bool", Dynamic::from_function(filters::bool)),
        ("count", Dynamic::from_function(filters::length)),
        ("d", Dynamic::from_function(filters::default)),
        ("default", Dynamic::from_function(filters::default)),
        ("dictsort", Dynamic::from_function(filters::dictsort)),
        ("e", Dynamic::from_function(filters::escape)),
        ("escape", Dynamic::from_function(filters::escape)),
        ("first", Dynamic::from_function(filters::first)),
        ("float", Dynamic::from_function(filters::float)),
        ("groupby", Dynamic::from_function(filters::groupby)),
        ("int", Dynamic::from_function(filters::int)),
        ("items", Dynamic::from_function(filters::items)),
        ("last", Dynamic::from_function(filters::last)),
        ("length", Dynamic::from_function(filters::length)),
        ("lines", Dynamic::from_function(filters::lines)),
        ("list", Dynamic::from_function(filters::list)),
        ("lower", Dynamic::from_function(filters::lower)),
        ("max", Dynamic::from_function(filters::max)),
        ("min", Dynamic::from_function(filters::min)),
        ("reject", Dynamic::from_function(filters::reject)),
        ("rejectattr", Dynamic::from_function(filters::rejectattr)),
        ("reverse", Dynamic::from_function(filters::reverse)),
        ("round", Dynamic::from_function(filters::round)),
        ("safe", Dynamic::from_function(filters::safe)),
        ("select", Dynamic::from_function(filters::select)),
        ("selectattr", Dynamic::from_function(filters::selectattr)),
        ("sort", Dynamic::from_function(filters::sort)),
        ("split", Dynamic::from_function(filters::split)),
        ("sum", Dynamic::from_function(filters::sum)),
        ("title", Dynamic::from_function(filters::title)),
        ("trim", Dynamic::from_function(filters::trim)),
        ("unique", Dynamic::from_function(filters::unique)),
        ("upper", Dynamic::from_function(filters::upper)),
    ]
}

fn add(environment: &mut Environment<'static>, name: &'static str, function: Dynamic) {
    environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        pay(state, args.iter().map(size).sum())?;
        let made = function.call(state, &args)?;
        pay(state, size(&made))?;
        Ok::<_, Error>(made)
    });
}

fn size(value: &Dynamic) -> usize {
    let bytes = match value.as_str() {
        Some(text) => text.len(),
        None => value.len().unwrap_or(0).saturating_mul(ITEM_BYTES),
    };
    bytes.saturating_add(CALL_BYTES)
}

fn pay(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let found = state.lookup(WORK);
    let done = found.as_ref().and_then(|work| work.downcast_object_ref::<Work>()).map_or(u64::MAX, |work| {
        let bytes = bytes as u64;
        work.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
    });
    let most = limits::MAX_TENANT_TEMPLATE_WORK;
    if done > most {
        return Err(failed(format!("filters read and write more than {most} bytes for one action")));
    }
    Ok(())
}

fn failed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// Takes as much text as a template may make, and no more.
#[derive(Default)]
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > limits::MAX_TEMPLATE_OUTPUT_BYTES {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn too_long(name: &str) -> Error {
    failed(format!("`{name}` makes more than {} bytes", limits::MAX_TEMPLATE_OUTPUT_BYTES))
}

fn string(value: &Dynamic) -> Result<String, Error> {
    let mut written = Bounded::default();
    write!(written, "{value}").map_err(|_| too_long("string"))?;
    Ok(written.0)
}

fn to_json(value: &Dynamic) -> Result<String, Error> {
    let mut written = super::Limited::new(limits::MAX_TEMPLATE_OUTPUT_BYTES);
    serde_json::to_writer(&mut written, value).map_err(|_| too_long("tojson"))?;
    Ok(String::from_utf8_lossy(&written.bytes).into_owned())
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let length = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if length > limits::MAX_TEMPLATE_OUTPUT_BYTES {
        return Err(too_long("replace"));
    }
    Ok(text.replace(from, to))
}

// The shape that the engine asks for.
#[allow(clippy::needless_pass_by_value)]
fn join(value: &Dynamic, between: Option<&str>, given: Kwargs) -> Result<String, Error> {
    let attribute = given.get::<Option<&str>>("attribute")?;
    given.assert_all_used()?;
    let mut written = Bounded::default();
    for (index, item) in value.try_iter()?.enumerate() {
        if index > 0 {
            written.write_str(between.unwrap_or_default()).map_err(|_| too_long("join"))?;
        }
        let item = attribute.map_or_else(|| Ok(item.clone()), |path| at(&item, path))?;
        write!(written, "{item}").map_err(|_| too_long("join"))?;
    }
    Ok(written.0)
}

/// `map(attribute="a.b")`. Each item has its own value there, or none.
// The shape that the engine asks for.
#[allow(clippy::needless_pass_by_value)]
fn map(value: &Dynamic, given: Kwargs) -> Result<Vec<Dynamic>, Error> {
    let attribute = given.get::<&str>("attribute")?;
    given.assert_all_used()?;
    value.try_iter()?.map(|item| at(&item, attribute)).collect()
}

fn at(item: &Dynamic, path: &str) -> Result<Dynamic, Error> {
    path.split('.').try_fold(item.clone(), |value, name| {
        if value.is_undefined() || value.is_none() { Ok(Dynamic::UNDEFINED) } else { value.get_attr(name) }
    })
}

/// `"%.2f" | format(amount)`, with widths that stay small.
fn format(state: &mut State<'_, '_>, text: &str, args: Rest<ValueOrKwargs>) -> Result<Dynamic, Error> {
    let digits = text.split(|sign: char| !sign.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if text.len() > MAX_FORMAT_BYTES || text.contains('*') || digits > MAX_FORMAT_DIGITS {
        let limits = format!("{MAX_FORMAT_BYTES} bytes, and widths of {MAX_FORMAT_DIGITS} digits");
        return Err(failed(format!("`format` takes a text of at most {limits}")));
    }
    filters::format(state, &Dynamic::from(text), args)
}
