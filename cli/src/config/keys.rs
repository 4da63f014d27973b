//! Which keys may stand where. Everything unknown is refused with the nearest known key, and all of it at once.

use super::background::{POLLING, RawBackground, RawQuotas, RawRetention};
use super::chains::RawChains;
use super::circuits::{RawCircuit, RawCircuitBreaker};
use super::ingest::{RawAlertmanager, RawIngest, RawSignature};
use super::problem::Report;
use super::raw::{
    RawApprovalKey, RawAudit, RawConfig, RawConnectors, RawEgress, RawExecutor, RawLongRetry, RawProcessor, RawRedact,
    RawRules, RawServer, RawTopology,
};
use super::{fields, legacy, providers};
use acteon_connectors::{ProfileDefinition, TemplateDefinition};
use acteon_schemas::{
    ChainBranch, ChainCancel, ChainDefinition, ChainParallel, ChainRetry, ChainSignal, ChainStep, ChainTimer,
    StateMachineDefinition, StateTimeout, TimeIntervalDefinition, TimeOfDay, TimeRange, TrackDefinition,
    TransitionDefinition, TransitionEffects,
};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where each key's value stands, by dotted path (`server.port`, `providers[0].url`).
pub(super) type Spans = BTreeMap<String, Range<usize>>;

/// Checks every key of a document, and notes where the values stand. Keys that have no meaning are taken out.
pub(super) fn check(document: &mut DeTable<'_>, report: &mut Report<'_>) -> Spans {
    let mut walk = Walk { report, spans: Spans::new(), told_of_polling: false };
    walk.section("", document, fields::of::<RawConfig>());
    walk.spans
}

/// The section that a path names, as written in a file: `[server]`, `[[providers]]`.
fn title(path: &str) -> String {
    match without_indexes(path) {
        _ if path.is_empty() => "the top level".to_owned(),
        name if path.ends_with(']') => format!("[[{name}]]"),
        name => format!("[{name}]"),
    }
}

/// `chains.definitions[0].steps[1]` as `chains.definitions.steps`.
fn without_indexes(path: &str) -> String {
    let names: Vec<&str> = path.split('.').map(|part| part.split_once('[').map_or(part, |(name, _)| name)).collect();
    names.join(".")
}

/// The keys of a section, or of the entries of a list of sections; `None` for what is not one of ours.
fn known(path: &str) -> Option<&'static [&'static str]> {
    // A parallel step is a step.
    let path = without_indexes(path).replace(".parallel.steps", "");
    Some(match path.as_str() {
        "server" => fields::of::<RawServer>(),
        "server.approval_keys" => fields::of::<RawApprovalKey>(),
        "topology" => fields::of::<RawTopology>(),
        "processor" => fields::of::<RawProcessor>(),
        "rules" => fields::of::<RawRules>(),
        "executor" => fields::of::<RawExecutor>(),
        "audit" => fields::of::<RawAudit>(),
        "audit.redact" => fields::of::<RawRedact>(),
        "background" => fields::of::<RawBackground>(),
        "quotas" => fields::of::<RawQuotas>(),
        "retention" => fields::of::<RawRetention>(),
        "egress" => fields::of::<RawEgress>(),
        "connectors" => fields::of::<RawConnectors>(),
        "templates" => fields::of::<TemplateDefinition>(),
        "profiles" => fields::of::<ProfileDefinition>(),
        "circuit_breaker" => fields::of::<RawCircuitBreaker>(),
        "ingest" => fields::of::<RawIngest>(),
        "alertmanager" => fields::of::<RawAlertmanager>(),
        "ingest.signature" | "alertmanager.signature" => fields::of::<RawSignature>(),
        "providers.long_retry" => fields::of::<RawLongRetry>(),
        "chains" => fields::of::<RawChains>(),
        "chains.definitions" => fields::of::<ChainDefinition>(),
        "chains.definitions.on_cancel" => fields::of::<ChainCancel>(),
        "chains.definitions.steps" => fields::of::<ChainStep>(),
        "chains.definitions.steps.branches" => fields::of::<ChainBranch>(),
        "chains.definitions.steps.parallel" => fields::of::<ChainParallel>(),
        "chains.definitions.steps.retry" => fields::of::<ChainRetry>(),
        "chains.definitions.steps.timer" => fields::of::<ChainTimer>(),
        "chains.definitions.steps.wait_for_signal" => fields::of::<ChainSignal>(),
        "state_machines" => fields::of::<StateMachineDefinition>(),
        "state_machines.transitions" => fields::of::<TransitionDefinition>(),
        "state_machines.transitions.on_transition" | "state_machines.timeouts.on_transition" => {
            fields::of::<TransitionEffects>()
        }
        "state_machines.timeouts" => fields::of::<StateTimeout>(),
        "state_machines.track" => fields::of::<TrackDefinition>(),
        "time_intervals" => fields::of::<TimeIntervalDefinition>(),
        "time_intervals.time_ranges" => fields::of::<TimeRange>(),
        "time_intervals.time_ranges.times" => fields::of::<TimeOfDay>(),
        _ => return None,
    })
}

struct Walk<'r, 't> {
    report: &'r mut Report<'t>,
    spans: Spans,
    told_of_polling: bool,
}

impl Walk<'_, '_> {
    fn section(&mut self, path: &str, table: &mut DeTable<'_>, known: &[&str]) {
        let mut without_meaning = Vec::new();
        for (key, value) in table.iter_mut() {
            let name: &str = key.get_ref();
            let child = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let is_table = matches!(value.get_ref(), DeValue::Table(_));
            if let Some(advice) = legacy::advice(&child, is_table) {
                let shown = if path.is_empty() { format!("[{name}]") } else { format!("`{child}`") };
                self.report.warn(Some(key.span()), format!("{shown} has no effect: {advice}"));
            } else if path == "background" && POLLING.contains(&name) {
                self.polling(key.span());
            } else if known.contains(&name) {
                self.spans.insert(child.clone(), value.span());
                self.value(&child, value);
                continue;
            } else {
                self.unknown(key, path, known);
            }
            without_meaning.push(name.to_owned());
        }
        for name in without_meaning {
            table.remove(name.as_str());
        }
    }

    /// Says once that nothing is polled.
    fn polling(&mut self, span: Range<usize>) {
        if !std::mem::replace(&mut self.told_of_polling, true) {
            let message = "[background] sets nothing but limits of recurring actions: the processor fires timers when they \
                           are due, and there is no polling to switch or to configure";
            self.report.warn(Some(span), message);
        }
    }

    /// Goes into the value of a known key, where it has keys of its own.
    fn value(&mut self, path: &str, value: &mut Spanned<DeValue<'_>>) {
        match path {
            "providers" => return self.providers(value.get_mut()),
            "kafka" => return self.properties(path, value.get_ref()),
            path if path.starts_with("profiles[") => return self.properties(path, value.get_ref()),
            "circuit_breaker.providers" => return self.circuits(path, value.get_mut()),
            _ => {}
        }
        let Some(known) = known(path) else { return };
        match value.get_mut() {
            DeValue::Table(table) => self.section(path, table, known),
            DeValue::Array(list) => {
                for (index, entry) in list.iter_mut().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.spans.insert(path.clone(), entry.span());
                    if let DeValue::Table(table) = entry.get_mut() {
                        self.section(&path, table, known);
                    }
                }
            }
            _ => {}
        }
    }

    /// Circuits stand under their providers' names, which are no keys.
    fn circuits(&mut self, path: &str, value: &mut DeValue<'_>) {
        let DeValue::Table(table) = value else { return };
        for (name, circuit) in table.iter_mut() {
            let path = format!("{path}.{}", name.get_ref());
            self.spans.insert(path.clone(), name.span());
            if let DeValue::Table(keys) = circuit.get_mut() {
                self.section(&path, keys, fields::of::<RawCircuit>());
            }
        }
    }

    fn providers(&mut self, value: &mut DeValue<'_>) {
        let DeValue::Array(list) = value else { return };
        for (index, provider) in list.iter_mut().enumerate() {
            let path = format!("providers[{index}]");
            self.spans.insert(path.clone(), provider.span());
            let DeValue::Table(table) = provider.get_mut() else { continue };
            let kind = table.get("type").and_then(|kind| kind.get_ref().as_str()).map(str::to_owned);
            let common = providers::common();
            let own = match &kind {
                Some(kind) => providers::keys_of(kind),
                None => Some(&[][..]),
            };
            // The keys of a type that we don't have can't be judged; the type is refused by itself.
            let Some(own) = own else {
                self.properties(&path, provider.get_ref());
                continue;
            };
            self.keys_of_other_types(&path, table, &[common, own].concat(), kind.as_deref());
            self.section(&path, table, &[common, own].concat());
            for (key, value) in table.iter().filter(|(key, _)| own.contains(&&**key.get_ref())) {
                self.properties(&format!("{path}.{}", key.get_ref()), value.get_ref());
            }
        }
    }

    /// Reports and takes out keys that stand in the wrong type of provider.
    fn keys_of_other_types(&mut self, path: &str, table: &mut DeTable<'_>, known: &[&str], kind: Option<&str>) {
        let mut without_meaning = Vec::new();
        for key in table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let name: &str = key.get_ref();
            let types = providers::types_with(name);
            if !types.is_empty() {
                let problem = match kind {
                    Some(kind) => format!("has no meaning for type {kind:?}"),
                    None => "needs a `type`".to_owned(),
                };
                let types = types.join(", ");
                self.report.error(Some(key.span()), format!("`{path}.{name}` {problem}: it is a key of {types}"));
                without_meaning.push(name.to_owned());
            }
        }
        for name in without_meaning {
            table.remove(name.as_str());
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
