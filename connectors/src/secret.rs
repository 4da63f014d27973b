//! Secrets in configuration: where they may stand, and that they are shown nowhere.

mod cipher;
#[cfg(test)]
mod tests;

pub use cipher::{AUTH_KEY_VARIABLE, encrypt};

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::io::Read as _;

/// What stands in for a secret wherever one would be shown.
pub const REDACTED: &str = "[REDACTED]";
/// Largest file that a secret is read from, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A value of the configuration that is shown nowhere: not by `Debug`, not when serialised.
///
/// Written in one of these forms, and resolved when the configuration is read:
///
/// - `env:NAME`: the environment variable;
/// - text with `${NAME}` in it: the same within a text, as in `Bearer ${TOKEN}`; `${NAME:-default}` does without the
///   variable; `$${` is a plain `${`;
/// - `file:/path`: the file's content without the line break at its end;
/// - `ENC[AES256-GCM,data:…,iv:…,tag:…]`: what `acteon secret encrypt` prints, decrypted with the key in
///   `ACTEON_AUTH_KEY`;
/// - anything else: the secret itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret that is known already.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret. It goes to the provider and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Text)?;
        resolve(&text, &environment, &read_file).map(Self).map_err(D::Error::custom)
    }
}

/// For serde: text that is no secret, with `${NAME}` and `${NAME:-default}` in it as in a [`Secret`].
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = deserializer.deserialize_any(Text)?;
    expand(&text, &|name, default| variable(&environment, name, default)).map_err(D::Error::custom)
}

/// For serde: [`text`] of a key that may be absent.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

/// Takes a string. Of anything else serde would show the value, which may be a secret that lacks its quotes.
struct Text;

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<String, E> {
        Err(E::custom("must be a string"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<String, E> {
        Err(E::custom("must be a string: put it in quotes"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<String, E> {
        Err(E::custom("must be a string: put it in quotes"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<String, E> {
        Err(E::custom("must be a string: put it in quotes"))
    }
}

/// The secret that `text` stands for. Errors never hold a part of one.
fn resolve(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        variable(environment, name.trim(), None)
    } else if let Some(path) = text.strip_prefix("file:") {
        file(path)
    } else if cipher::is_encrypted(text) {
        cipher::decrypt(text, environment(AUTH_KEY_VARIABLE).as_deref())
    } else {
        expand(text, &|name, default| variable(environment, name, default))
    }
}

/// The value of an environment variable, or the default where it is not set or empty.
fn variable(environment: &dyn Fn(&str) -> Option<String>, name: &str, default: Option<&str>) -> Result<String, String> {
    match (environment(name), default) {
        _ if !is_variable(name) => {
            Err(format!("names the environment variable {name:?}; a name has letters, digits and `_`"))
        }
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(_), None) => Err(format!("is taken from the environment variable {name}, which is empty")),
        (None, None) => Err(format!("is taken from the environment variable {name}, which is not set")),
    }
}

/// Puts variables in the place of `${NAME}` and `${NAME:-default}`.
fn expand(text: &str, variable: &dyn Fn(&str, Option<&str>) -> Result<String, String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        let Some((name, after)) = from[2..].split_once('}') else {
            return Err("has `${` without `}`; write `$${` for a plain `${`".to_owned());
        };
        expanded.push_str(before);
        let (name, default) = name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
        expanded.push_str(&variable(name, default)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn read_file(path: &str) -> Result<String, String> {
    let refused = |error: std::io::Error| format!("is taken from the file {path}, which can't be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("is taken from the file {path}, which has more than {MAX_FILE_BYTES} bytes"));
    }
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(format!("is taken from the file {path}, which is empty"));
    }
    Ok(text.to_owned())
}
