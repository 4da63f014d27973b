use super::View;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::io;

/// What came of a command.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was carried out, and led to this.
    Done(Value),
    /// It was not.
    Refused { code: String, message: String },
}

impl Answer {
    /// Prints it. A refusal ends with exit code 1; people read it on standard error, programs as JSON like any answer.
    pub(super) fn show(&self, view: View, json: bool) -> Result<Exit> {
        let mut output = Output::stdout();
        let exit = match self {
            Self::Done(result) if json => output.json(result).map(|()| Exit::Done)?,
            Self::Done(result) => show(result, view, &mut output).map(|()| Exit::Done)?,
            Self::Refused { code, message } if json => {
                output.json(&json!({ "error": { "code": code, "message": message } }))?;
                Exit::Failed
            }
            Self::Refused { code, message } => {
                return Err(Failure::error(Exit::Failed, format!("{code}: {message}")));
            }
        };
        output.flush()?;
        Ok(exit)
    }
}

fn show(result: &Value, view: View, output: &mut Output) -> io::Result<()> {
    let Value::Object(fields) = result else { return output.line(cell(result)) };
    let View::List(columns) = view else { return show_fields(fields, output) };
    let list = fields.values().find_map(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return output.line("none");
    }
    table(columns, list, output)?;
    match fields.get("next").and_then(Value::as_str) {
        Some(next) => output.line(format!("more: --after {next}")),
        None => Ok(()),
    }
}

/// One field a line; what is a list of objects is a table below them.
fn show_fields(fields: &Map<String, Value>, output: &mut Output) -> io::Result<()> {
    let (tables, plain): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| entries(value).is_some());
    output.table(&["field", "value"], plain.iter().map(|(name, value)| vec![(*name).clone(), cell(value)]))?;
    for (name, list) in tables.iter().filter_map(|(name, value)| Some((name, entries(value)?))) {
        let mut columns: Vec<&str> = Vec::new();
        for key in list.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            if !columns.contains(&key.as_str()) {
                columns.push(key);
            }
        }
        output.line(format!("\n{name}:"))?;
        table(&columns, list, output)?;
    }
    Ok(())
}

/// A list of objects that is not empty.
fn entries(value: &Value) -> Option<&[Value]> {
    let list = value.as_array().filter(|list| !list.is_empty() && list.iter().all(Value::is_object))?;
    Some(list)
}

fn table(columns: &[&str], list: &[Value], output: &mut Output) -> io::Result<()> {
    let row = |entry: &Value| columns.iter().map(|column| cell(&entry[*column])).collect();
    let header: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    output.table(&header.iter().map(String::as_str).collect::<Vec<_>>(), list.iter().map(row))
}

/// A value in a table: text without quotes, and nothing for null. A row is one line, whatever its texts hold.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace(char::is_control, " "),
        other => other.to_string(),
    }
}
