//! One rule.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::Reader;
use super::fields::Fields;
use crate::condition::Condition;
use crate::diagnostic::{Place, nearest};
use crate::limits;
use crate::rule::{Class, Rule, Source};
use crate::yaml::{Data, Node};

const KEYS: &[&str] = &[
    "name",
    "priority",
    "description",
    "enabled",
    "timezone",
    "condition",
    "action",
    "weight",
    "continue",
    "metadata",
    "mute_time_intervals",
    "active_time_intervals",
];

impl Reader<'_> {
    pub(super) fn rule(&mut self, node: &Node) -> Option<Rule> {
        let name = rule_name(node);
        let what = name.map_or_else(|| "a rule".to_owned(), |name| format!("rule `{name}`"));
        let fields = self.fields(node, &what, KEYS)?;
        // Every part is read before the first failure counts, so that all errors are reported.
        let name = self.required_string(&fields, "name", &what);
        let priority = self.priority(&fields);
        let description = self.optional_string(&fields, "description");
        let enabled = match fields.get("enabled") {
            None => Some(true),
            Some(node) => self.boolean(node, "enabled"),
        };
        let timezone = self.timezone(&fields);
        let metadata = self.metadata(&fields);
        let mute_time_intervals = self.strings(&fields, "mute_time_intervals");
        let active_time_intervals = self.strings(&fields, "active_time_intervals");
        let condition = match fields.get("condition") {
            None => Some(Condition::Always),
            Some(node) => self.condition(node),
        };
        let action = match self.required(&fields, "action", &what) {
            None => None,
            Some(node) => self.action(node),
        };
        let class = action.as_ref().map(|(action, _)| action.class());
        let weight = self.weight(&fields, class);
        let within = fields.get("action").and_then(|action| action.get("continue"));
        let continues = self.continues(fields.get("continue"), within, class);
        let name = self.usable_name(name?, fields.place)?;
        let (action, reference) = action?;
        let condition = condition?;
        Some(Rule {
            name,
            index: 0,
            priority: priority?,
            description: description?,
            enabled: enabled?,
            weight: weight?,
            continues: continues?,
            metadata: metadata?,
            mute_time_intervals: mute_time_intervals?,
            active_time_intervals: active_time_intervals?,
            timezone: timezone?,
            source: Source { file: self.file.to_owned(), place: node.place },
            default_block: action.class() == Class::Block && condition.is_scope_only(),
            action,
            condition,
            reference: reference.unwrap_or(node.place),
        })
    }

    /// A name that fits a state key and a line of a log.
    fn usable_name(&mut self, name: String, place: Place) -> Option<String> {
        if name.len() > limits::MAX_NAME_BYTES {
            let max = limits::MAX_NAME_BYTES;
            self.error(place, format!("a rule name of {} bytes; {max} are allowed", name.len()));
            return None;
        }
        if name.contains(char::is_control) {
            self.error(place, "a rule name has a line break or a control character in it");
            return None;
        }
        Some(name)
    }

    fn priority(&mut self, fields: &Fields<'_>) -> Option<i32> {
        let Some(node) = fields.get("priority") else { return Some(0) };
        let value = match node.data {
            Data::Int(value) => i32::try_from(value).ok(),
            _ => None,
        };
        if value.is_none() {
            let message =
                format!("`priority` must be a whole number from {} to {}, found {}", i32::MIN, i32::MAX, node.kind());
            self.error(node.place, message);
        }
        value
    }

    fn timezone(&mut self, fields: &Fields<'_>) -> Option<Tz> {
        let Some(node) = fields.get("timezone") else {
            return Some(self.options.default_timezone);
        };
        let text = self.string(node, "timezone")?;
        match text.parse() {
            Ok(zone) => Some(zone),
            Err(_) => {
                let near = nearest_zone(&text);
                let mut message = format!("unknown time zone `{text}`");
                if near.is_none() {
                    message.push_str(": write an IANA name such as `Europe/London`");
                }
                self.error_near(node.place, message, near);
                None
            }
        }
    }

    fn metadata(&mut self, fields: &Fields<'_>) -> Option<BTreeMap<String, String>> {
        let Some(node) = fields.get("metadata") else { return Some(BTreeMap::new()) };
        let Data::Map(entries) = &node.data else {
            self.error(node.place, format!("`metadata` must be a mapping, found {}", node.kind()));
            return None;
        };
        let mut metadata = BTreeMap::new();
        for (key, value) in entries {
            let value = self.string(value, &format!("metadata.{}", key.text))?;
            metadata.insert(key.text.clone(), value);
        }
        Some(metadata)
    }
}

/// The rule's name, for messages about its other keys.
fn rule_name(node: &Node) -> Option<&str> {
    let Data::Map(entries) = &node.data else { return None };
    let (_, name) = entries.iter().find(|(key, _)| key.text == "name")?;
    match &name.data {
        Data::Str(name) => Some(name),
        _ => None,
    }
}

/// The zone nearest to what was written, by the whole name or by the city alone.
fn nearest_zone(text: &str) -> Option<String> {
    let zones = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let same = |zone: &&str| zone.eq_ignore_ascii_case(text);
    let city = |zone: &&str| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
    if let Some(zone) = zones().find(same).or_else(|| zones().find(city)) {
        return Some(zone.to_owned());
    }
    // `nearest` compares in lower case, where zone names have capitals.
    let lower: Vec<String> = zones().map(str::to_lowercase).collect();
    let near = nearest(text, lower.iter().map(String::as_str))?;
    zones().find(|zone| zone.to_lowercase() == near).map(str::to_owned)
}
