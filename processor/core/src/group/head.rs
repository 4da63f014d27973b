//! The head of a group: what is known of it beside its events.

use crate::effect::Effects;
use crate::gates;
use crate::group::Asked;
use crate::group::flush::Kept;
use crate::keys::{self, Store};
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{ids, value};
use acteon_rules::{FieldPath, FieldValue, ResumePoint, Subject};
use acteon_schemas::{Coordinates, MAX_DEDUP_KEY_BYTES};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Most bytes of a label's text.
const MAX_LABEL_BYTES: usize = 1024;

/// A group, as it is kept in the state.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    /// When it is looked at next, in milliseconds since 1970: what its value begins with.
    #[serde(skip)]
    pub(super) due: i64,
    pub(super) namespace: String,
    pub(super) tenant: String,
    pub(super) id: Uuid,
    /// Its fields and their values, for people.
    pub(super) group_key: String,
    pub(super) labels: Map<String, Value>,
    pub(super) rule: String,
    /// The provider of its first event.
    pub(super) provider: String,
    /// Where the walk of its notifications goes on.
    pub(super) resume: Option<ResumePoint>,
    pub(super) interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) repeat_interval_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) template: Option<String>,
    /// The input that its first event came with.
    pub(super) origin: Coordinates<'static>,
    /// How many times what it holds has been held.
    pub(super) holds: u32,
    pub(super) created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) last_notified: Option<i64>,
    /// Notifications sent.
    pub(super) notifications: u32,
    pub(super) next_seq: u64,
    /// Events in it.
    pub(super) size: u32,
    /// Those of them that it has not told of yet.
    pub(super) pending: u32,
    /// Bytes of their entries.
    pub(super) bytes: usize,
    /// Whether it tells of something when it is due; else it only forgets.
    pub(super) tells: bool,
}

/// The key of the group that an action belongs to.
pub(super) fn key(asked: &Asked<'_>, subject: &Subject<'_>) -> Vec<u8> {
    let mut values = Vec::with_capacity(128);
    keys::push_text(&mut values, &asked.rule.name);
    gates::push_fields(&mut values, asked.group_by, subject);
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Group, subject.namespace, subject.tenant);
    key.extend_from_slice(&ids::digest(&values));
    key
}

/// The group with this key.
pub(super) fn load(state: &mut impl State, key: &[u8]) -> Result<Option<Group>, StateError> {
    state.get(key)?.map(Group::decode).transpose()
}

/// How many groups a tenant has.
pub(super) fn count(state: &mut impl State, namespace: &str, tenant: &str) -> Result<u64, StateError> {
    let counted = state.get(&count_key(namespace, tenant))?;
    Ok(counted.map(|entry| value::decode(entry, Store::GroupEvent)).transpose()?.map_or(0, |(_, count)| count))
}

fn set_count(state: &mut impl State, namespace: &str, tenant: &str, count: u64) {
    let key = count_key(namespace, tenant);
    if count == 0 {
        state.delete(&key);
    } else {
        state.put(&key, &value::encode(value::NEVER, &count));
    }
}

/// The number of a tenant's groups stands in front of all their events.
fn count_key(namespace: &str, tenant: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    keys::scoped(&mut key, Store::GroupEvent, namespace, tenant);
    key
}

impl Group {
    pub(super) fn decode(entry: &[u8]) -> Result<Self, StateError> {
        let (due, group): (_, Self) = value::decode(entry, Store::Group)?;
        Ok(Self { due, ..group })
    }

    /// A group with no event yet, that begins with the action of a decision.
    pub(super) fn begin(
        state: &mut impl State,
        decided: &Decided<'_, '_>,
        asked: &Asked<'_>,
    ) -> Result<Self, StateError> {
        let (subject, arrival) = (decided.subject, decided.arrival);
        let groups = count(state, subject.namespace, subject.tenant)?;
        set_count(state, subject.namespace, subject.tenant, groups + 1);
        let labels = labels(asked.group_by, subject);
        Ok(Self {
            due: value::NEVER,
            namespace: subject.namespace.to_owned(),
            tenant: subject.tenant.to_owned(),
            id: ids::derived(&arrival.identity, &format!("group/{}", asked.rule.name)),
            group_key: text(&labels),
            labels,
            rule: asked.rule.name.clone(),
            provider: subject.provider.as_ref().to_owned(),
            resume: None,
            interval_ms: asked.interval_ms,
            repeat_interval_ms: None,
            template: None,
            origin: arrival.origin.clone().into_owned(),
            holds: 0,
            created_at: decided.now,
            last_notified: None,
            notifications: 0,
            next_seq: 0,
            size: 0,
            pending: 0,
            bytes: 0,
            tells: false,
        })
    }

    /// Takes over what the rule says now: it may have changed since the group began.
    pub(super) fn follow(&mut self, decided: &Decided<'_, '_>, asked: &Asked<'_>) {
        self.resume = decided.decision.resume_point();
        self.interval_ms = asked.interval_ms;
        self.repeat_interval_ms = asked.repeat_interval_ms;
        self.template = asked.template.map(str::to_owned);
        self.holds = self.holds.max(decided.arrival.holds + 1);
    }

    /// When it may be told of again after its last notification, in milliseconds since 1970.
    pub(super) fn rests_until(&self) -> Option<i64> {
        self.last_notified.map(|last| last.saturating_add_unsigned(self.interval_ms))
    }

    /// When something that is new now is told of.
    pub(super) fn next_turn(&self, now: i64, wait_ms: u64) -> i64 {
        match self.rests_until() {
            Some(until) if until > now => until,
            _ => now.saturating_add_unsigned(wait_ms),
        }
    }

    /// Counts the events that stay after a look at the group, and says when to look again: when one of them ends, when it
    /// is time to repeat, when one is forgotten, or, where none stays, when the interval is over.
    pub(super) fn settle(&mut self, now: i64, kept: &Kept<'_>) {
        let Kept { events: kept, bytes, .. } = kept;
        self.size = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        self.bytes = *bytes;
        self.pending = 0;
        let rests_until = self.rests_until().unwrap_or(now);
        if kept.is_empty() {
            (self.due, self.tells) = (rests_until, false);
            return;
        }
        let ends = kept.iter().filter_map(|event| event.ends_at).min();
        let repeats =
            self.repeat_interval_ms.map(|repeat| self.last_notified.unwrap_or(now).saturating_add_unsigned(repeat));
        let tells = ends.into_iter().chain(repeats).min().unwrap_or(value::NEVER);
        let forgets = kept.iter().map(|event| event.lasts_until()).min().unwrap_or(value::NEVER);
        self.tells = tells <= forgets;
        self.due = tells.min(forgets).max(rests_until).max(now.saturating_add(1));
    }

    pub(super) fn save(&self, state: &mut impl State, key: &[u8]) {
        state.put(key, &value::encode(self.due, self));
    }

    /// Ends it.
    pub(super) fn end<S: State, E: Effects>(&self, turn: &mut Turn<'_, S, E>, key: &[u8]) -> Result<(), StateError> {
        turn.state.delete(key);
        let groups = count(turn.state, &self.namespace, &self.tenant)?;
        set_count(turn.state, &self.namespace, &self.tenant, groups.saturating_sub(1));
        Ok(())
    }
}

/// The values of fields, under the fields' names without `action.`; a field that isn't there is null.
fn labels(group_by: &[FieldPath], subject: &Subject<'_>) -> Map<String, Value> {
    let named = group_by.iter().map(|field| {
        let name = field.to_string();
        let name = name.strip_prefix("action.").unwrap_or(&name).to_owned();
        (name, label(&field.read(subject)))
    });
    named.collect()
}

/// A value as a label: texts and numbers as they are, all else as its JSON text; cut where it is long.
fn label(value: &FieldValue<'_>) -> Value {
    match value.to_value() {
        Value::String(text) => Value::String(cut(text, MAX_LABEL_BYTES)),
        nested @ (Value::Array(_) | Value::Object(_)) => Value::String(cut(nested.to_string(), MAX_LABEL_BYTES)),
        simple => simple,
    }
}

/// `payload.floor=2,metadata.zone=null`; `*` for the group of all actions.
fn text(labels: &Map<String, Value>) -> String {
    if labels.is_empty() {
        return "*".to_owned();
    }
    let parts: Vec<String> = labels
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    cut(parts.join(","), MAX_DEDUP_KEY_BYTES)
}

fn cut(mut text: String, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_readable_and_bounded() {
        let labels = [("payload.floor", json!("2")), ("payload.n", json!(3)), ("metadata.zone", Value::Null)];
        let labels: Map<String, Value> = labels.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let parts = ["payload.floor=2", "payload.n=3", "metadata.zone=null"];
        let key = text(&labels);
        assert!(parts.iter().all(|part| key.split(',').any(|found| found == *part)), "{key}");
        assert_eq!(text(&Map::new()), "*");
        assert_eq!(label(&FieldValue::from(&json!({"a": [1]}))), json!(r#"{"a":[1]}"#));
        assert_eq!(label(&FieldValue::from(&json!(true))), json!(true));
        let long = label(&FieldValue::from(&json!("ä".repeat(MAX_LABEL_BYTES))));
        assert_eq!(long.as_str().map(str::len), Some(MAX_LABEL_BYTES));
        let odd = cut(format!("a{}", "ä".repeat(MAX_LABEL_BYTES)), MAX_LABEL_BYTES);
        assert_eq!(odd.len(), MAX_LABEL_BYTES - 1);
    }
}
