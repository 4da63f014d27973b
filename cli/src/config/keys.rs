//! Which keys may stand where. Everything unknown is refused with the nearest known key, and all of it at once.

use super::problem::Report;
use super::raw::{
    RawAudit, RawConfig, RawExecutor, RawProcessor, RawProvider, RawRedact, RawRules, RawServer, RawTopology,
};
use super::{fields, legacy};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Provider types of this version.
pub(super) const PROVIDER_TYPES: [&str; 2] = ["log", "webhook"];

/// Where each key's value stands, by dotted path (`server.port`, `providers[0].url`).
pub(super) type Spans = BTreeMap<String, Range<usize>>;

/// Checks every key of a document, and notes where the values stand.
pub(super) fn check(document: &DeTable<'_>, report: &mut Report<'_>) -> Spans {
    let mut walk = Walk { report, spans: Spans::new() };
    walk.section("", document, fields::of::<RawConfig>());
    walk.spans
}

/// The section that a path names, as written in a file: `[server]`, `[[providers]]`.
fn title(path: &str) -> String {
    match path.split_once('[') {
        _ if path.is_empty() => "the top level".to_owned(),
        Some((name, _)) => format!("[[{name}]]"),
        None => format!("[{path}]"),
    }
}

struct Walk<'r, 't> {
    report: &'r mut Report<'t>,
    spans: Spans,
}

impl Walk<'_, '_> {
    fn section(&mut self, path: &str, table: &DeTable<'_>, known: &[&str]) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let child = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            if let Some(advice) = legacy::advice(&child) {
                let shown = if path.is_empty() { format!("[{name}]") } else { format!("`{child}`") };
                self.report.warn(Some(key.span()), format!("{shown} has no effect: {advice}"));
            } else if known.contains(&name) {
                self.spans.insert(child.clone(), value.span());
                self.value(&child, value);
            } else {
                self.unknown(key, path, known);
            }
        }
    }

    /// Goes into the value of a known key, where it has keys of its own.
    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        let known = match path {
            "server" => fields::of::<RawServer>(),
            "topology" => fields::of::<RawTopology>(),
            "processor" => fields::of::<RawProcessor>(),
            "rules" => fields::of::<RawRules>(),
            "executor" => fields::of::<RawExecutor>(),
            "audit" => fields::of::<RawAudit>(),
            "audit.redact" => fields::of::<RawRedact>(),
            "providers" => return self.providers(value.get_ref()),
            "kafka" => return self.properties(path, value.get_ref()),
            _ => return,
        };
        if let Some(table) = value.get_ref().as_table() {
            self.section(path, table, known);
        }
    }

    fn providers(&mut self, value: &DeValue<'_>) {
        for (index, provider) in value.as_array().into_iter().flat_map(|list| list.iter()).enumerate() {
            let Some(table) = provider.get_ref().as_table() else { continue };
            let path = format!("providers[{index}]");
            self.spans.insert(path.clone(), provider.span());
            // The keys of a type that we don't have can't be judged; the type is refused by itself.
            let known_type = match table.get("type").and_then(|kind| kind.get_ref().as_str()) {
                Some(kind) => PROVIDER_TYPES.contains(&kind),
                None => true,
            };
            if known_type {
                self.section(&path, table, fields::of::<RawProvider>());
            } else if let Some(kind) = table.get("type") {
                self.spans.insert(format!("{path}.type"), kind.span());
            }
        }
    }

    /// Kafka's properties are known to librdkafka, which is asked later: here only their places are noted.
    fn properties(&mut self, path: &str, value: &DeValue<'_>) {
        for (key, value) in value.as_table().into_iter().flat_map(|table| table.iter()) {
            let child = format!("{path}.{}", key.get_ref());
            self.properties(&child, value.get_ref());
            self.spans.insert(child, value.span());
        }
    }

    fn unknown(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, path: &str, known: &[&str]) {
        let name: &str = key.get_ref();
        let mut message = format!("unknown key `{name}` in {}", title(path));
        match nearest(name, known) {
            Some(near) => message.push_str(&format!(" (did you mean `{near}`?)")),
            None => message.push_str(&format!("; known are {}", known.join(", "))),
        }
        self.report.error(Some(key.span()), message);
    }
}

/// The known name nearest to `name`, if one is near enough to have been meant.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // A third of the letters may be wrong, and at least one.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The innermost key whose value holds `span`.
pub(super) fn key_at<'s>(spans: &'s Spans, span: &Range<usize>) -> Option<&'s str> {
    spans
        .iter()
        .filter(|(_, value)| value.start <= span.start && span.end <= value.end)
        .min_by_key(|(_, value)| value.len())
        .map(|(key, _)| key.as_str())
}
