//! `request_approval`: an action is held until a person decides, or the time for that is over.
//!
//! The first decision counts. What was decided is remembered for [`DECIDED_TTL_MS`], so that a second click learns who
//! decided and when; then the request is gone. The signature of the links is in the notification alone: neither outcomes
//! nor audit records have it.

mod link;
mod notice;
#[cfg(test)]
mod tests;

pub(crate) use link::percent_encode;

use crate::effect::Effects;
use crate::held::{Held, Release};
use crate::ids;
use crate::keys::{self, Store};
use crate::progress::Progress;
use crate::record::{Decided, End, end_held};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{time, value};
use acteon_rules::RuleAction;
use acteon_schemas::{Action, Command, Outcome, OutcomeDetail, Page, SignedLink};
use link::Target;
use notice::notify;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// How long a request that was decided, or has expired, is remembered, in milliseconds (24 hours).
const DECIDED_TTL_MS: i64 = 24 * 3600 * 1000;

/// What is kept of a request for approval.
#[derive(Debug, Serialize, Deserialize)]
struct Approval<'a> {
    status: Status,
    rule: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    message: Option<Cow<'a, str>>,
    action_id: Cow<'a, str>,
    provider: Cow<'a, str>,
    action_type: Cow<'a, str>,
    /// Times are in milliseconds since 1970.
    created_at: i64,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    decided_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    decided_by: Option<Cow<'a, str>>,
    /// The action; gone once it has been decided about.
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    held: Option<Held<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Approved,
    Rejected,
    Expired,
    Cancelled,
}

impl Status {
    const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Cancelled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Approval<'_> {
    /// The status at `now`: from the moment of expiry on nobody can decide, though the timer may come later.
    fn status(&self, now: i64) -> Status {
        match self.status {
            Status::Pending if self.expires_at <= now => Status::Expired,
            status => status,
        }
    }

    /// As lists show it.
    fn shown(&self, id: &str, now: i64) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("token".to_owned(), json!(id));
        shown.insert("approval_id".to_owned(), json!(id));
        shown.insert("status".to_owned(), json!(self.status(now)));
        shown.insert("rule".to_owned(), json!(self.rule));
        shown.insert("action_id".to_owned(), json!(self.action_id));
        shown.insert("provider".to_owned(), json!(self.provider));
        shown.insert("action_type".to_owned(), json!(self.action_type));
        shown.insert("created_at".to_owned(), json!(time::rfc3339(self.created_at)));
        shown.insert("expires_at".to_owned(), json!(time::rfc3339(self.expires_at)));
        if let Some(at) = self.decided_at {
            shown.insert("decided_at".to_owned(), json!(time::rfc3339(at)));
        }
        if let Some(by) = &self.decided_by {
            shown.insert("decided_by".to_owned(), json!(by));
        }
        if let Some(message) = &self.message {
            shown.insert("message".to_owned(), json!(message));
        }
        shown
    }
}

fn key(target: Target<'_>) -> Vec<u8> {
    let mut key = prefix(target.namespace, target.tenant);
    let start = key.len();
    key.extend_from_slice(target.id.as_bytes());
    keys::limit_rest(&mut key, start);
    key
}

fn prefix(namespace: &str, tenant: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Approval, namespace, tenant);
    key
}

/// Holds the action of a decision, and asks a person about it.
pub(crate) fn capture<S: State, E: Effects>(turn: &mut Turn<'_, S, E>, decided: &Decided<'_, '_>) -> Outcome {
    let (notify_provider, timeout_ms, message) = match decided.decision.rule.map(|rule| &rule.action) {
        Some(RuleAction::RequestApproval { notify_provider, timeout_ms, message }) => {
            (notify_provider.as_deref(), *timeout_ms, message.as_deref())
        }
        _ => (None, 0, None),
    };
    let action = decided.arrival.action;
    let id = ids::derived(&decided.arrival.identity, "approval").to_string();
    let target = Target { namespace: &action.namespace, tenant: &action.tenant, id: &id };
    let expires_at = turn.now.saturating_add_unsigned(timeout_ms);
    let approval = Approval {
        status: Status::Pending,
        rule: Cow::Borrowed(decided.decision.rule.map_or("", |rule| rule.name.as_str())),
        message: message.map(Cow::Borrowed),
        action_id: Cow::Borrowed(decided.arrival.action_id),
        provider: Cow::Borrowed(&decided.subject.provider),
        action_type: Cow::Borrowed(&action.action_type),
        created_at: turn.now,
        expires_at,
        decided_at: None,
        decided_by: None,
        held: Some(Held::of(decided)),
    };
    turn.state.put(&key(target), &value::encode(expires_at, &approval));
    let problem = match notify_provider {
        None => Some("the rule names no `notify_provider`".to_owned()),
        Some(name) => notify(turn, decided, target, &approval, name).err(),
    };
    let expires = time::rfc3339(expires_at);
    let mut details = json!({
        "approval_id": id, "expires_at": expires, "notify_provider": notify_provider,
        "notification_sent": problem.is_none(),
    });
    if let Some(problem) = &problem {
        details["notification_problem"] = json!(problem);
    }
    let external_url = turn.definitions.settings.external_url.as_deref();
    let detail = OutcomeDetail::PendingApproval {
        approval_id: Cow::Borrowed(&id),
        expires_at: Cow::Borrowed(&expires),
        approve_url: Cow::Owned(target.url(external_url, "approve")),
        reject_url: Cow::Owned(target.url(external_url, "reject")),
        notification_sent: problem.is_none(),
    };
    decided.tell(Outcome::PendingApproval, detail, Some(details), turn.effects);
    Outcome::PendingApproval
}

/// Ends a request that nobody decided about in time; or forgets one whose end was long ago.
pub(crate) fn fire<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    key: &[u8],
    entry: &[u8],
) -> Result<Stepped, StateError> {
    let (_, approval): (_, Approval<'_>) = value::decode(entry, Store::Approval)?;
    let Some(held) = &approval.held else {
        turn.state.delete(key);
        return Ok(Stepped::Fired(None));
    };
    let ruling = Ruling { status: Status::Expired, by: None, reason: None };
    let outcome = end(turn, key, &approval, held, &ruling)?;
    Ok(Stepped::Fired(Some(outcome)))
}

/// How a request ends.
struct Ruling<'r> {
    status: Status,
    by: Option<&'r str>,
    reason: Option<&'r str>,
}

/// Ends a request: remembers how, and does with the action what was decided.
fn end<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    key: &[u8],
    approval: &Approval<'_>,
    held: &Held<'_>,
    ruling: &Ruling<'_>,
) -> Result<Outcome, StateError> {
    let id = ids::derived(&held.identity, "approval").to_string();
    let ended = Approval {
        status: ruling.status,
        rule: Cow::Borrowed(&approval.rule),
        message: approval.message.as_deref().map(Cow::Borrowed),
        action_id: Cow::Borrowed(&approval.action_id),
        provider: Cow::Borrowed(&approval.provider),
        action_type: Cow::Borrowed(&approval.action_type),
        decided_at: Some(turn.now),
        decided_by: ruling.by.map(Cow::Borrowed),
        held: None,
        ..*approval
    };
    turn.state.put(key, &value::encode(turn.now.saturating_add(DECIDED_TTL_MS), &ended));
    let mut details = json!({"approval_id": id, "decision": ruling.status, "decided_by": ruling.by});
    if let Some(reason) = ruling.reason {
        details["reason"] = json!(reason);
    }
    let outcome = match ruling.status {
        Status::Approved => {
            tell_approved(turn, approval, held, details)?;
            return held.release(turn, Release::Approval, Store::Approval);
        }
        Status::Rejected => Outcome::Rejected,
        Status::Cancelled => Outcome::Cancelled,
        Status::Expired | Status::Pending => Outcome::Expired,
    };
    let detail = match ruling.by.filter(|_| outcome == Outcome::Cancelled) {
        Some(by) => OutcomeDetail::Cancelled { reason: by.into() },
        None => OutcomeDetail::ApprovalResolved {
            approval_id: Cow::Borrowed(&id),
            decision: Cow::Borrowed(ruling.status.as_str()),
            decided_by: ruling.by.map(Cow::Borrowed),
        },
    };
    let what = "approval/ended";
    let rule = Some(&*approval.rule);
    end_held(turn, held, Store::Approval, End { what, rule, outcome, detail, details: Some(details) })?;
    Ok(outcome)
}

fn tell_approved<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    approval: &Approval<'_>,
    held: &Held<'_>,
    details: Value,
) -> Result<(), StateError> {
    let action: Action<'_> = held.action(Store::Approval)?;
    let record = Progress {
        id: ids::derived(&held.identity, "approval/ended"),
        action_id: &approval.action_id,
        namespace: &action.namespace,
        tenant: &action.tenant,
        provider: &approval.provider,
        action_type: &approval.action_type,
        verdict: "request_approval",
        rule: Some(&approval.rule),
        outcome: Outcome::Approved,
        details,
        began: approval.created_at,
        source: &held.origin,
    };
    record.tell(turn);
    Ok(())
}

/// Calls off the request of the decision with this identity; does nothing where it has ended.
pub(crate) fn call_off<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    identity: &Uuid,
    by: &str,
) -> Result<(), StateError> {
    let id = ids::derived(identity, "approval").to_string();
    let key = key(Target { namespace, tenant, id: &id });
    let Some(entry) = turn.state.get(&key)?.map(<[u8]>::to_vec) else { return Ok(()) };
    let (_, approval): (_, Approval<'_>) = value::decode(&entry, Store::Approval)?;
    if let Some(held) = &approval.held {
        let ruling = Ruling { status: Status::Cancelled, by: Some(by), reason: None };
        end(turn, &key, &approval, held, &ruling)?;
    }
    Ok(())
}

/// `approve`.
pub(crate) fn approve<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    link: Option<&SignedLink>,
) -> Result<Reply, StateError> {
    decide(turn, command, id, link, Status::Approved, None)
}

/// `reject`.
pub(crate) fn reject<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    link: Option<&SignedLink>,
    reason: Option<&str>,
) -> Result<Reply, StateError> {
    decide(turn, command, id, link, Status::Rejected, reason)
}

fn decide<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    link: Option<&SignedLink>,
    status: Status,
    reason: Option<&str>,
) -> Result<Reply, StateError> {
    let target = Target { namespace: &command.namespace, tenant: &command.tenant, id };
    if let Some(refused) = refuse_link(turn, target, link) {
        return Ok(refused);
    }
    let key = key(target);
    let Some(entry) = turn.state.get(&key)?.map(<[u8]>::to_vec) else { return Ok(unknown(target)) };
    let (_, approval): (_, Approval<'_>) = value::decode(&entry, Store::Approval)?;
    let held = match (approval.status(turn.now), &approval.held) {
        (Status::Pending, Some(held)) => held,
        (Status::Approved | Status::Rejected | Status::Cancelled, _) => {
            return Ok(Reply::conflict(decided_before(&approval, id)));
        }
        _ => {
            let message = format!("approval `{id}` expired at {}", time::rfc3339(approval.expires_at));
            return Ok(Reply::Refused { code: "GONE", message });
        }
    };
    // Whoever holds a link may use it: who that was is known only where the sender says so.
    let by = command.issued_by.as_deref().or_else(|| link.map(|_| "signed link"));
    let outcome = end(turn, &key, &approval, held, &Ruling { status, by, reason })?;
    Ok(Reply::done(json!({"id": id, "approval_id": id, "status": status, "outcome": outcome})))
}

fn unknown(target: Target<'_>) -> Reply {
    Reply::not_found(format!("no approval `{}` in {}/{}", target.id, target.namespace, target.tenant))
}

fn decided_before(approval: &Approval<'_>, id: &str) -> String {
    let at = time::rfc3339(approval.decided_at.unwrap_or(approval.created_at));
    let by = approval.decided_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
    format!("approval `{id}` was {} already{by} at {at}", approval.status.as_str())
}

/// Why a link may not be used, if it may not. A command without one comes from an operator.
fn refuse_link<S, E>(turn: &Turn<'_, S, E>, target: Target<'_>, link: Option<&SignedLink>) -> Option<Reply> {
    let link = link?;
    if !target.is_signed(&turn.definitions.secrets.approval_keys, link) {
        let message = "the link's signature is not right for this approval".to_owned();
        return Some(Reply::Refused { code: "FORBIDDEN", message });
    }
    let expires_at = link.expires_at.saturating_mul(1000);
    if expires_at <= turn.now {
        let message = format!("the link expired at {}", time::rfc3339(expires_at));
        return Some(Reply::Refused { code: "GONE", message });
    }
    None
}

/// `list_approvals`.
pub(crate) fn list<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    status: Option<&str>,
    page: &Page,
) -> Result<Reply, StateError> {
    if let Some(name) = status.filter(|name| Status::ALL.iter().all(|known| known.as_str() != *name)) {
        let known = Status::ALL.map(Status::as_str).join("`, `");
        return Ok(Reply::invalid(format!("`status`: unknown value `{name}`; expected one of `{known}`")));
    }
    let now = turn.now;
    let prefix = prefix(namespace, tenant);
    let start = prefix.len();
    crate::page::list(turn.state, &prefix, page, "approvals", |key, entry| {
        let (_, approval): (_, Approval<'_>) = value::decode(entry, Store::Approval)?;
        let wanted = status.is_none_or(|name| approval.status(now).as_str() == name);
        // Ids are made here and are UUIDs, so the key ends with the id as it is.
        let id = String::from_utf8_lossy(key.get(start..).unwrap_or_default());
        Ok(wanted.then(|| Value::Object(approval.shown(&id, now))))
    })
}

/// `show_approval`.
pub(crate) fn show<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    id: &str,
    link: Option<&SignedLink>,
) -> Result<Reply, StateError> {
    let target = Target { namespace: &command.namespace, tenant: &command.tenant, id };
    if let Some(refused) = refuse_link(turn, target, link) {
        return Ok(refused);
    }
    let now = turn.now;
    let Some(entry) = turn.state.get(&key(target))? else { return Ok(unknown(target)) };
    let (_, approval): (_, Approval<'_>) = value::decode(entry, Store::Approval)?;
    let mut shown = approval.shown(id, now);
    shown.insert("namespace".to_owned(), json!(command.namespace));
    shown.insert("tenant".to_owned(), json!(command.tenant));
    Ok(Reply::done(Value::Object(shown)))
}
