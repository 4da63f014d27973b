//! What becomes of a dispatch: a record. Pure.

use super::settings::KafkaSettings;
use crate::error::Error;
use crate::provider::TraceContext;
use crate::provider::payload::{Invalid, Keys};
use crate::template::{Context, Template, is_template};
use acteon_schemas::Dispatch;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Header with the dispatch's id, the same on every attempt.
pub(super) const DISPATCH_ID: &str = "acteon-dispatch-id";
/// Headers that Acteon sets itself.
const OWN_HEADERS: [&str; 3] = [DISPATCH_ID, "traceparent", "tracestate"];
/// Most headers of a record, beside Acteon's own.
const MAX_HEADERS: usize = 64;
/// Longest name of a topic, as Kafka has it.
const MAX_TOPIC_BYTES: usize = 249;
/// The keys of a payload that says by itself what the record is.
const KEYS: [&str; 5] = ["value", "key", "headers", "topic", "partition"];

/// A record to write.
#[derive(Debug)]
pub(super) struct Record<'d> {
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
    pub(super) key: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    /// JSON; the form in which it is written is another matter.
    pub(super) value: &'d RawValue,
}

/// The settings, checked and compiled.
pub(super) struct Builder {
    topic: Topic,
    allow_payload_topic: bool,
    key: Template,
    headers: Vec<(String, Template)>,
}

enum Topic {
    Fixed(String),
    Template(Template),
}

impl Builder {
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(super) fn new(name: &str, settings: &KafkaSettings) -> Result<Self, Error> {
        if settings.headers.len() > MAX_HEADERS {
            return Err(Error::provider(name, "headers", format!("has more than {MAX_HEADERS} entries")));
        }
        let mut headers = Vec::with_capacity(settings.headers.len());
        for (header, value) in &settings.headers {
            let bad = |problem: String| Error::provider(name, format!("headers.{header}"), problem);
            check_header(header).map_err(|problem| bad(problem.to_owned()))?;
            headers.push((header.clone(), Template::text(value).map_err(bad)?));
        }
        Ok(Self {
            topic: topic(&settings.topic).map_err(|problem| Error::provider(name, "topic", problem))?,
            allow_payload_topic: settings.allow_payload_topic,
            key: Template::text(&settings.key).map_err(|problem| Error::provider(name, "key", problem))?,
            headers,
        })
    }

    /// The record for a dispatch.
    ///
    /// # Errors
    /// The payload, or what a template makes of the dispatch, is no record.
    pub(super) fn record<'d>(&self, dispatch: &'d Dispatch<'_>, trace: &TraceContext) -> Result<Record<'d>, Invalid> {
        let keys = Keys::of(&dispatch.payload).filter(|keys| keys.has("value") && keys.are_among(&KEYS));
        let context = Context::of(dispatch);
        let render = |template: &Template, part: &str| {
            template.render(&context).map_err(|problem| Invalid::new(part, format!("can't be made: {problem}")))
        };
        let mut headers = BTreeMap::new();
        for (header, template) in &self.headers {
            headers.insert(header.clone(), render(template, "headers")?);
        }
        let mut record = Record {
            topic: String::new(),
            partition: None,
            key: Some(render(&self.key, "key")?),
            headers,
            value: &dispatch.payload,
        };
        let mut own_topic = None;
        if let Some(keys) = keys {
            own_topic = keys.text("topic")?;
            record.value = keys.raw("value").unwrap_or(record.value);
            record.partition = keys.integer("partition", 0..=i32::MAX)?;
            record.key = keys.text("key")?.or(record.key);
            record.headers.extend(keys.map("headers")?.unwrap_or_default());
        }
        record.topic = self.topic(dispatch, own_topic)?;
        record.key = record.key.filter(|key| !key.is_empty());
        if record.headers.len() > MAX_HEADERS {
            return Err(Invalid::new("headers", format!("makes more than {MAX_HEADERS} headers")));
        }
        for header in record.headers.keys() {
            check_header(header)
                .map_err(|problem| Invalid::new("headers", format!("has {header:?}, which {problem}")))?;
        }
        let own = [Some(&*dispatch.dispatch_id), trace.traceparent.as_deref(), trace.tracestate.as_deref()];
        let own = OWN_HEADERS.into_iter().zip(own);
        record.headers.extend(own.filter_map(|(header, value)| Some((header.to_owned(), value?.to_owned()))));
        Ok(record)
    }

    fn topic(&self, dispatch: &Dispatch<'_>, own: Option<String>) -> Result<String, Invalid> {
        let topic = match (own, &self.topic) {
            (Some(_), _) if !self.allow_payload_topic => {
                let problem = "is not allowed; set `allow_payload_topic = true` if actions may choose where they go";
                return Err(Invalid::new("topic", problem));
            }
            (Some(own), _) => Cow::Owned(own),
            (None, Topic::Fixed(topic)) => return Ok(topic.clone()),
            (None, Topic::Template(template)) => {
                let names =
                    Context::names(&dispatch.namespace, &dispatch.tenant, &dispatch.provider, &dispatch.action_type);
                Cow::Owned(template.render(&names).map_err(|problem| {
                    Invalid::new("topic", format!("can't be made of the action's names: {problem}"))
                })?)
            }
        };
        check_topic(&topic).map_err(|problem| Invalid::new("topic", problem))?;
        Ok(topic.into_owned())
    }
}

fn topic(text: &str) -> Result<Topic, String> {
    if !is_template(text) {
        check_topic(text)?;
        return Ok(Topic::Fixed(text.to_owned()));
    }
    let template = Template::strict(text)?;
    // What fails with names that are good fails with all: it reads something else than names.
    let made = template.render(&Context::names("namespace", "tenant", "provider", "type")).map_err(|problem| {
        format!(
            "can't be made of `action.namespace`, `action.tenant`, `action.provider` and `action.action_type`, which is \
             all that a topic may depend on: {problem}"
        )
    })?;
    check_topic(&made)?;
    Ok(Topic::Template(template))
}

fn check_topic(topic: &str) -> Result<(), String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if topic.is_empty() || topic.len() > MAX_TOPIC_BYTES || matches!(topic, "." | "..") || !topic.bytes().all(is_good) {
        return Err(format!("is {topic:?}, which is no name of a topic: letters, digits, `.`, `_` and `-`"));
    }
    Ok(())
}

/// Checks a header's name; the problem continues a sentence that begins with it.
fn check_header(header: &str) -> Result<(), &'static str> {
    if OWN_HEADERS.contains(&header) {
        return Err("is set by Acteon; leave it out");
    }
    if header.is_empty() || header.contains('\0') { Err("is not a header's name") } else { Ok(()) }
}

#[cfg(test)]
mod tests;
