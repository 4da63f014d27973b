//! A group's notification: one action that tells of all its events.

use crate::action::{Arrival, go, refuse, subject};
use crate::effect::Effects;
use crate::group::event::{Event, RESOLVED};
use crate::group::flush::Cause;
use crate::group::head::Group;
use crate::held::{MAX_HOLDS, Release};
use crate::keys::Store;
use crate::progress::Progress;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{ids, time};
use acteon_schemas::{Action, Coordinates, Metadata, Outcome};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// The action type of notifications.
const ACTION_TYPE: &str = "group_notification";
/// Most ids that the audit record of a notification lists.
const MAX_AUDIT_IDS: usize = 100;

#[derive(Serialize)]
struct Payload<'p> {
    group_id: String,
    group_key: &'p str,
    rule: &'p str,
    labels: &'p Map<String, Value>,
    count: usize,
    first_at: String,
    last_at: String,
    events: Vec<Told<'p>>,
}

#[derive(Serialize)]
struct Told<'p> {
    action_id: &'p str,
    action_type: &'p str,
    /// Where it is not the group's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'p str>,
    payload: &'p RawValue,
    metadata: &'p Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    received_at: String,
}

fn payload<'p>(group: &'p Group, events: &'p [&Event<'_>], now: i64) -> Payload<'p> {
    let received = events.iter().map(|event| event.received_at);
    Payload {
        group_id: group.id.to_string(),
        group_key: &group.group_key,
        rule: &group.rule,
        labels: &group.labels,
        count: events.len(),
        first_at: time::rfc3339(received.clone().min().unwrap_or(now)),
        last_at: time::rfc3339(received.max().unwrap_or(now)),
        events: events.iter().map(|event| told(group, event, now)).collect(),
    }
}

fn told<'p>(group: &Group, event: &'p Event<'_>, now: i64) -> Told<'p> {
    Told {
        action_id: &event.action_id,
        action_type: &event.action_type,
        provider: (*event.provider != *group.provider).then_some(&*event.provider),
        payload: &event.payload,
        metadata: &event.metadata,
        fingerprint: event.fingerprint.as_deref(),
        status: if event.has_ended(now) { Some(RESOLVED) } else { event.status.as_deref() },
        ends_at: event.ends_at.map(time::rfc3339),
        received_at: time::rfc3339(event.received_at),
    }
}

/// Lets the notification of a group go, behind the rule that made it.
pub(super) fn send<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    group: &Group,
    events: &[&Event<'_>],
    cause: Cause,
    forgotten: usize,
) -> Result<Outcome, StateError> {
    let broken = |_| StateError::Corrupt { store: Store::GroupEvent.name(), problem: "an event is not JSON" };
    let payload = to_raw_value(&payload(group, events, turn.now)).map_err(broken)?;
    let came: Value = serde_json::from_str(payload.get()).map_err(broken)?;
    let action_id = ids::derived(&group.id, &format!("notification/{}", group.notifications)).to_string();
    let action = Action {
        id: Some(Cow::Borrowed(&action_id)),
        namespace: Cow::Borrowed(&group.namespace),
        tenant: Cow::Borrowed(&group.tenant),
        provider: Cow::Borrowed(&group.provider),
        action_type: Cow::Borrowed(ACTION_TYPE),
        payload: Cow::Owned(payload),
        metadata: metadata(&group.labels),
        dedup_key: None,
        status: None,
        fingerprint: None,
        created_at: Some(Cow::Owned(time::rfc3339(turn.now))),
        dispatch_at: None,
        extra: group.template.iter().map(|name| ("template".to_owned(), json!(name))).collect(),
    };
    let arrival = Arrival {
        action: &action,
        action_id: &action_id,
        identity: ids::identity(&group.namespace, &group.tenant, &action_id, &group.origin),
        origin: &group.origin,
        came: &came,
        resume: group.resume.as_ref(),
        released_by: Some(Release::Group),
        holds: group.holds,
    };
    let listed: Vec<&str> = events.iter().take(MAX_AUDIT_IDS).map(|event| &*event.action_id).collect();
    let mut details = json!({
        "group_id": group.id.to_string(), "group_key": group.group_key, "cause": cause.tag(),
        "count": events.len(), "action_ids": listed,
    });
    if forgotten > 0 {
        details["forgotten"] = json!(forgotten);
    }
    if events.iter().all(|event| event.has_ended(turn.now)) {
        details["resolved"] = json!(true);
    }
    let about = About { action: &action, action_id: &action_id, provider: &group.provider, rule: &group.rule };
    tell(turn, &about, &arrival.identity, &group.origin, details);
    let subject = subject(&action, &action_id, &came);
    if group.holds > MAX_HOLDS {
        return refuse(turn, &arrival, &subject, "HELD_TOO_OFTEN", "held and released too often");
    }
    go(turn, &arrival, subject)
}

/// Those of a group's labels that are metadata of all its events.
fn metadata(labels: &Map<String, Value>) -> Metadata {
    let shared = labels.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata.")?;
        Some((name.to_owned(), value.as_str()?.to_owned()))
    });
    Metadata(shared.collect())
}

/// Tells that an action goes on by itself, and why it was not grouped.
pub(super) fn tell_alone<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>, cause: Cause) {
    let arrival = decided.arrival;
    let details = json!({"cause": cause.tag(), "count": 1, "action_ids": [arrival.action_id]});
    let about = About {
        action: arrival.action,
        action_id: arrival.action_id,
        provider: &decided.subject.provider,
        rule: decided.decision.rule.map_or("", |rule| rule.name.as_str()),
    };
    tell(turn, &about, &arrival.identity, arrival.origin, details);
}

/// What the audit record of a flush is about.
struct About<'a> {
    action: &'a Action<'a>,
    action_id: &'a str,
    provider: &'a str,
    rule: &'a str,
}

fn tell<S, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    about: &About<'_>,
    identity: &Uuid,
    origin: &Coordinates<'_>,
    details: Value,
) {
    let record = Progress {
        id: ids::derived(identity, "flushed"),
        action_id: about.action_id,
        namespace: &about.action.namespace,
        tenant: &about.action.tenant,
        provider: about.provider,
        action_type: &about.action.action_type,
        verdict: "group",
        rule: Some(about.rule),
        outcome: Outcome::GroupFlushed,
        details,
        began: turn.now,
        source: origin,
    };
    record.tell(turn);
}
