use super::SettingsError;
use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use std::str::FromStr;

/// Longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 1024;

/// A text with places that are filled from a request: `github.{{header.x-github-event}}`.
///
/// A place is a JSON pointer, into the item that an action is made of (`{{/alert/id}}`) or into the whole body
/// (`{{body/repository/name}}`), or the name of a header. Behind a `|` stands what is used where there is nothing:
/// `{{/severity|warning}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place, Option<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A pointer into the item.
    Item(String),
    /// A pointer into the body.
    Body(String),
    Header(HeaderName),
}

/// What templates are filled from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'f> {
    pub(super) item: &'f Value,
    pub(super) body: &'f Value,
    pub(super) headers: &'f HeaderMap,
}

/// Why a template can't be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfilled {
    /// There is nothing at a place, which has no other text for that.
    #[error("there is no `{0}`")]
    Missing(String),
    /// What is there is no text.
    #[error("`{0}` is a list or an object")]
    NoText(String),
}

impl Template {
    /// Reads a template; `key` is the setting that holds it.
    ///
    /// # Errors
    /// It is empty or too long, a `{{` is not closed, or a place is none.
    pub fn parse(key: &str, source: &str) -> Result<Self, SettingsError> {
        let refuse = |problem: String| SettingsError::new(key, problem);
        if source.is_empty() {
            return Err(refuse("is empty".to_owned()));
        }
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(refuse(format!("has {} bytes; the limit is {MAX_TEMPLATE_BYTES}", source.len())));
        }
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((before, from)) = rest.split_once("{{") {
            let Some((place, after)) = from.split_once("}}") else {
                return Err(refuse("has `{{` without `}}`".to_owned()));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (place, default) = match place.split_once('|') {
                Some((place, default)) => (place.trim(), Some(default.trim().to_owned())),
                None => (place.trim(), None),
            };
            parts.push(Part::Place(Place::parse(place).map_err(refuse)?, default));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The template as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text.
    pub(super) fn fill(&self, from: Filling<'_>) -> Result<String, Unfilled> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(own) => text.push_str(own),
                Part::Place(place, default) => match (place.find(from)?, default) {
                    (Some(found), _) => text.push_str(&found),
                    (None, Some(default)) => text.push_str(default),
                    (None, None) => return Err(Unfilled::Missing(place.to_string())),
                },
            }
        }
        Ok(text)
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("header.") {
            return match HeaderName::from_str(name) {
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => Err(format!("asks for the header {name:?}, which can't be one's name")),
            };
        }
        let (is_body, pointer) = text.strip_prefix("body").map_or((false, text), |pointer| (true, pointer));
        if !is_pointer(pointer) {
            return Err(format!(
                "has the place {text:?}; a place is a JSON pointer such as {{{{/alert/id}}}} or {{{{body/alert/id}}}}, or \
                 {{{{header.x-name}}}}"
            ));
        }
        Ok(if is_body { Self::Body(pointer.to_owned()) } else { Self::Item(pointer.to_owned()) })
    }

    /// The text at the place; nothing where there is null, nothing or an empty text.
    fn find(&self, from: Filling<'_>) -> Result<Option<String>, Unfilled> {
        let found = match self {
            Self::Header(name) => {
                let value = from.headers.get(name).and_then(|value| value.to_str().ok());
                return Ok(value.filter(|text| !text.is_empty()).map(str::to_owned));
            }
            Self::Item(pointer) => from.item.pointer(pointer),
            Self::Body(pointer) => from.body.pointer(pointer),
        };
        match found {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(Value::Array(_) | Value::Object(_)) => Err(Unfilled::NoText(self.to_string())),
            Some(other) => Ok(Some(other.to_string())),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Item(pointer) => f.write_str(pointer),
            Self::Body(pointer) => write!(f, "body{pointer}"),
            Self::Header(name) => write!(f, "header.{name}"),
        }
    }
}

/// Whether text is a JSON pointer (RFC 6901) to something within a value.
pub(super) fn is_pointer(text: &str) -> bool {
    let escapes_are_good = || text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.starts_with('/') && escapes_are_good()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(text: &str) -> Result<String, String> {
        let template = Template::parse("tenant", text).map_err(|error| error.to_string())?;
        assert_eq!(template.source(), text);
        let body = json!({"repository": {"name": "acteon", "a/b~c": 7}, "none": null, "empty": ""});
        let item = json!({"id": 42, "open": true, "labels": {"team": "sre"}});
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-event"), "push".parse().unwrap())]);
        template.fill(Filling { item: &item, body: &body, headers: &headers }).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_filled_from_item_body_and_headers() {
        let cases = [
            ("plain", "plain"),
            ("a {b} }} c", "a {b} }} c"),
            ("{{/id}}", "42"),
            ("{{/open}}", "true"),
            ("github.{{header.X-Event}}", "github.push"),
            ("{{ body/repository/name }}/{{/labels/team}}", "acteon/sre"),
            ("{{body/repository/a~1b~0c}}", "7"),
            ("{{/severity|warning}}", "warning"),
            ("{{/severity | }}x", "x"),
            ("{{body/none|n}}{{body/empty|e}}{{header.x-no|h}}", "neh"),
        ];
        for (text, expected) in cases {
            assert_eq!(fill(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_no_text_is_told_by_its_place() {
        assert_eq!(fill("x{{/severity}}").unwrap_err(), "there is no `/severity`");
        assert_eq!(fill("{{body/none}}").unwrap_err(), "there is no `body/none`");
        assert_eq!(fill("{{header.x-no}}").unwrap_err(), "there is no `header.x-no`");
        assert_eq!(fill("{{/labels}}").unwrap_err(), "`/labels` is a list or an object");
    }

    #[test]
    fn bad_templates_are_refused() {
        let long = "x".repeat(MAX_TEMPLATE_BYTES + 1);
        let cases = [
            ("", "is empty"),
            (long.as_str(), "the limit is 1024"),
            ("{{/a", "has `{{` without `}}`"),
            ("{{payload.id}}", "has the place \"payload.id\"; a place is a JSON pointer"),
            ("{{}}", "has the place \"\""),
            ("{{/a~2}}", "a JSON pointer"),
            ("{{header.}}", "can't be one's name"),
            ("{{header.a b}}", "can't be one's name"),
        ];
        for (text, part) in cases {
            let error = fill(text).unwrap_err();
            assert!(error.starts_with("`tenant` ") && error.contains(part), "{text}: {error}");
        }
    }
}
