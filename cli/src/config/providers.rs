//! `[[providers]]`: the keys that every type has are read here, and those of a type by the connectors that have it.

use super::fields;
use super::keys::{Spans, key_at, nearest};
use super::problem::Report;
use super::raw::{RawLongRetry, RawProvider};
use acteon_connectors::{Error, ProviderConfig, ProviderSettings, TemplateLibrary};
use acteon_schemas::LongRetryDefinition;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// The keys of one entry that are its type's.
pub(super) type TypeKeys<'d> = Spanned<DeTable<'d>>;

/// The keys that every type has.
pub(super) fn common() -> &'static [&'static str] {
    fields::of::<RawProvider>()
}

/// The keys of a type beside the common ones; `None` if there is no such type.
pub(super) fn keys_of(type_name: &str) -> Option<&'static [&'static str]> {
    ProviderSettings::TYPES
        .contains(&type_name)
        .then(|| fields::asked_by(|names| ProviderSettings::parse(type_name, names).err()))
}

/// The types that have a key.
pub(super) fn types_with(key: &str) -> Vec<&'static str> {
    let has = |name: &&&str| keys_of(name).is_some_and(|keys| keys.contains(&key));
    ProviderSettings::TYPES.iter().filter(has).copied().collect()
}

/// Takes the keys that are a type's out of the entries, in their order.
pub(super) fn take_type_keys<'d>(document: &mut DeTable<'d>) -> Vec<TypeKeys<'d>> {
    let Some(DeValue::Array(list)) = document.get_mut("providers").map(Spanned::get_mut) else { return Vec::new() };
    let mut taken = Vec::new();
    for entry in list.iter_mut() {
        let span = entry.span();
        let mut keys = DeTable::new();
        if let DeValue::Table(table) = entry.get_mut() {
            let names: Vec<String> = table
                .keys()
                .map(|key| key.get_ref().to_string())
                .filter(|key| !common().contains(&key.as_str()))
                .collect();
            for (key, value) in names.iter().filter_map(|name| table.remove_entry(name.as_str())) {
                keys.insert(key, value);
            }
        }
        taken.push(Spanned::new(span, keys));
    }
    taken
}

/// What the rest of the configuration has for providers.
pub(super) struct Allowed<'a> {
    /// `[[templates]]` and `[[profiles]]`.
    pub(super) templates: &'a TemplateLibrary,
    /// `[connectors] allow_exec`.
    pub(super) exec: bool,
}

/// Checks the entries, and the templates and profiles that they are sent with; problems go to the report.
pub(super) fn providers(
    raw: Vec<RawProvider>,
    type_keys: Vec<TypeKeys<'_>>,
    allowed: &Allowed<'_>,
    spans: &Spans,
    report: &mut Report<'_>,
) -> Vec<ProviderConfig> {
    let mut check = Check { spans, report };
    let Allowed { templates, exec } = *allowed;
    if let Err(error) = templates.validate() {
        match error {
            Error::Template { place, problem } => check.error(&place, problem),
            other => check.report.error(None, other.to_string()),
        }
    }
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut providers = Vec::with_capacity(raw.len());
    for (index, (raw, keys)) in raw.into_iter().zip(type_keys).enumerate() {
        let Some(provider) = check.provider(index, raw, keys) else { continue };
        let checked = provider.validate().and_then(|()| templates.check_profile(&provider));
        if let Err(error) = checked.and_then(|()| provider.check_allowed(exec)) {
            check.refused(index, &error);
        }
        if let Some(first) = places.insert(provider.name.clone(), index) {
            let problem = format!("is {:?}, as in [[providers]] number {}", provider.name, first + 1);
            check.error(&format!("providers[{index}].name"), format!("{problem}; names tell providers apart"));
        }
        providers.push(provider);
    }
    providers
}

struct Check<'c, 't> {
    spans: &'c Spans,
    report: &'c mut Report<'t>,
}

impl Check<'_, '_> {
    /// An error at a key, or at the nearest one around it that has a place.
    fn error(&mut self, key: &str, problem: impl Display) {
        let around = std::iter::successors(Some(key), |key| key.rsplit_once('.').map(|(parent, _)| parent));
        let span = around.filter_map(|key| self.spans.get(key)).next().cloned();
        self.report.error(span, format!("`{key}` {problem}"));
    }

    fn missing(&mut self, index: usize, key: &str, meaning: &str) {
        let span = self.spans.get(&format!("providers[{index}]")).cloned();
        self.report.error(span, format!("[[providers]] number {} lacks `{key}`{meaning}", index + 1));
    }

    fn refused(&mut self, index: usize, error: &Error) {
        match error {
            Error::Provider { key, problem, .. } => {
                let key = if key == "timeout" { "timeout_seconds" } else { key.as_str() };
                self.error(&format!("providers[{index}].{key}"), problem);
            }
            other => self.report.error(self.spans.get(&format!("providers[{index}]")).cloned(), other.to_string()),
        }
    }

    fn provider(&mut self, index: usize, raw: RawProvider, keys: TypeKeys<'_>) -> Option<ProviderConfig> {
        if raw.name.is_none() {
            self.missing(index, "name", ": the name by which rules and actions call the provider");
        }
        let settings = self.settings(index, raw.provider_type.as_deref(), keys);
        Some(ProviderConfig {
            name: raw.name?,
            settings: settings?,
            ordered: raw.ordered.unwrap_or(false),
            max_retries: raw.max_retries,
            timeout: raw.timeout_seconds.map(Duration::from_secs),
            max_concurrent: raw.max_concurrent,
            rate_per_second: raw.rate_per_second,
            profile: raw.profile,
            long_retry: raw.long_retry.as_ref().map(long_retry),
        })
    }

    fn settings(&mut self, index: usize, type_name: Option<&str>, keys: TypeKeys<'_>) -> Option<ProviderSettings> {
        let types = ProviderSettings::TYPES.join(", ");
        let Some(type_name) = type_name else {
            self.missing(index, "type", &format!(": one of {types}"));
            return None;
        };
        match ProviderSettings::parse(type_name, Deserializer::from(keys)) {
            Ok(Some(settings)) => return Some(settings),
            Ok(None) => {
                let near = nearest(type_name, ProviderSettings::TYPES)
                    .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                let problem = "which this version does not have; its types are";
                self.error(&format!("providers[{index}].type"), format!("is {type_name:?}, {problem} {types}{near}"));
            }
            Err(error) => self.unreadable(index, type_name, &error),
        }
        None
    }

    /// What serde says of a type's keys, in our words.
    fn unreadable(&mut self, index: usize, type_name: &str, error: &toml::de::Error) {
        let entry = format!("providers[{index}]");
        let message = error.message();
        let span = error.span();
        let key = span.as_ref().and_then(|span| key_at(self.spans, span)).unwrap_or(&entry);
        // The first entry begins where the list of them does.
        let key = if entry.starts_with(key) { &entry } else { key }.to_owned();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        match quoted.split_first() {
            Some((missing, _)) if message.starts_with("missing field") && key == entry => {
                self.missing(index, missing, &format!(", which type {type_name:?} needs"));
            }
            Some((missing, _)) if message.starts_with("missing field") => {
                self.error(&key, format!("lacks `{missing}`"));
            }
            Some((unknown, known)) if message.starts_with("unknown field") => {
                let near = match nearest(unknown, known) {
                    Some(near) => format!(" (did you mean `{near}`?)"),
                    None => format!("; known are {}", known.join(", ")),
                };
                self.report.error(span, format!("`{key}` has an unknown key `{unknown}`{near}"));
            }
            _ => self.report.error(span.or_else(|| self.spans.get(&key).cloned()), told(&key, message)),
        }
    }
}

/// Five retries, after a minute, two, four, eight and sixteen, where it doesn't say otherwise.
fn long_retry(raw: &RawLongRetry) -> LongRetryDefinition {
    let initial_seconds = raw.initial_seconds.unwrap_or(60);
    LongRetryDefinition {
        max_retries: raw.max_retries.unwrap_or(5),
        initial_ms: initial_seconds.saturating_mul(1000),
        max_ms: raw.max_seconds.unwrap_or_else(|| initial_seconds.max(3_600)).saturating_mul(1000),
    }
}

/// An error of serde's without the value, which may be a secret at a wrong place.
fn told(key: &str, message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => format!("`{key}` must be {expected}"),
        _ => format!("`{key}` {message}"),
    }
}
