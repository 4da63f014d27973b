//! JSON that an operator gives: as an argument or as a file.

use acteon_schemas::MAX_RECORD_BYTES;
use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, stdin};

/// Reads a file, or standard input for `-`, as JSON of a type.
///
/// # Errors
/// It can't be read, or is not of that type.
pub(super) fn file<T: DeserializeOwned>(name: &str) -> Result<T> {
    serde_json::from_slice(&bytes(name)?).with_context(|| format!("{name} is refused"))
}

/// Reads a file, or standard input for `-`, as text.
///
/// # Errors
/// It can't be read, or is no UTF-8.
pub(super) fn text(name: &str) -> Result<String> {
    String::from_utf8(bytes(name)?).with_context(|| format!("{name} is refused"))
}

fn bytes(name: &str) -> Result<Vec<u8>> {
    let reader: Box<dyn Read> = match name {
        "-" => Box::new(stdin()),
        name => Box::new(File::open(name).with_context(|| format!("can't read {name}"))?),
    };
    let mut bytes = Vec::new();
    reader.take(MAX_RECORD_BYTES as u64).read_to_end(&mut bytes).with_context(|| format!("can't read {name}"))?;
    Ok(bytes)
}

/// Parses an argument as JSON.
pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}; use JSON, as in '{{\"approved\": true}}'"))
}

/// Parses `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("use key=value".to_owned()),
    }
}
