//! Silences: times in which actions that match are not executed.

use super::record::{edit, keep, limit, load};
use crate::ids;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::time::{parse_rfc3339, rfc3339};
use crate::turn::Turn;
use acteon_rules::{FieldPath, FieldValue, Subject};
use acteon_schemas::{MAX_NAME_BYTES, MatchOperator, SilenceDefinition, SilenceMatcher};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// Most silences of a tenant, those that are over and still shown included.
const MAX_SILENCES: usize = 1_000;
/// Most matchers of a silence.
const MAX_MATCHERS: usize = 32;
/// Longest value of a matcher, in bytes.
const MAX_VALUE_BYTES: usize = 1_024;
/// Longest comment, in bytes.
const MAX_COMMENT_BYTES: usize = 1_024;
/// Largest compiled expression of a matcher, in bytes: it is compiled for actions that it may silence.
const MAX_REGEX_COMPILED_BYTES: usize = 256 * 1024;
/// Longest time until a silence ends, in milliseconds (366 days).
const MAX_DURATION_MS: i64 = 366 * 24 * 3600 * 1000;
/// How long a silence that is over is still shown, in milliseconds (5 days); the next change of the policy drops it then.
const KEPT_MS: i64 = 5 * 24 * 3600 * 1000;

/// A silence as it is kept. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Silence {
    pub(super) id: String,
    matchers: Vec<SilenceMatcher>,
    starts_at: i64,
    ends_at: i64,
    comment: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    created_by: Option<String>,
    created_at: i64,
}

impl Silence {
    pub(super) fn is_kept(&self, now: i64) -> bool {
        self.ends_at.saturating_add(KEPT_MS) > now
    }

    fn is_active(&self, now: i64) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether it silences an action: all of its matchers have to match.
    pub(super) fn silences(&self, subject: &Subject<'_>, now: i64) -> bool {
        let costly =
            |matcher: &&SilenceMatcher| matches!(matcher.op, Some(MatchOperator::Regex | MatchOperator::NotRegex));
        self.is_active(now)
            && self.matchers.iter().filter(|matcher| !costly(matcher)).all(|matcher| holds(matcher, subject))
            && self.matchers.iter().filter(costly).all(|matcher| holds(matcher, subject))
    }

    fn shown(&self, scope: (&str, &str), now: i64) -> Value {
        let matchers: Vec<Value> = self
            .matchers
            .iter()
            .map(|m| json!({"name": m.name, "value": m.value, "op": m.op.unwrap_or(MatchOperator::Equal)}))
            .collect();
        let status = match (self.is_active(now), self.ends_at <= now) {
            (true, _) => "active",
            (false, true) => "expired",
            (false, false) => "pending",
        };
        json!({
            "id": self.id, "namespace": scope.0, "tenant": scope.1, "matchers": matchers, "status": status,
            "starts_at": rfc3339(self.starts_at), "ends_at": rfc3339(self.ends_at), "comment": self.comment,
            "created_by": self.created_by, "created_at": rfc3339(self.created_at),
        })
    }
}

fn holds(matcher: &SilenceMatcher, subject: &Subject<'_>) -> bool {
    let found = found(&matcher.name, subject);
    match matcher.op.unwrap_or(MatchOperator::Equal) {
        MatchOperator::Equal => found == matcher.value,
        MatchOperator::NotEqual => found != matcher.value,
        // Expressions were compiled when the silence was made.
        MatchOperator::Regex => whole(&matcher.value).is_ok_and(|regex| regex.is_match(&found)),
        MatchOperator::NotRegex => whole(&matcher.value).is_ok_and(|regex| !regex.is_match(&found)),
    }
}

/// The label of a name, else the field of that path; an empty text where there is neither.
fn found<'s>(name: &str, subject: &'s Subject<'_>) -> Cow<'s, str> {
    if let Some(label) = subject.metadata.get(name) {
        return Cow::Borrowed(label);
    }
    let Ok(path) = FieldPath::key_field(name) else { return Cow::Borrowed("") };
    match path.read(subject) {
        FieldValue::Null => Cow::Borrowed(""),
        FieldValue::Str(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_value().to_string()),
    }
}

/// An expression that matches whole values alone.
fn whole(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{text})$")).size_limit(MAX_REGEX_COMPILED_BYTES).build()
}

/// `create_silence`.
pub(crate) fn create<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &SilenceDefinition,
    issued_by: Option<&str>,
    identity: &Uuid,
) -> Result<Reply, StateError> {
    let (starts_at, ends_at) = match check(definition).and_then(|()| times(definition, turn.now)) {
        Ok(times) => times,
        Err(problem) => return Ok(Reply::invalid(problem)),
    };
    let mut policy = edit(turn, scope.0, scope.1)?;
    let id = definition.id.clone().unwrap_or_else(|| ids::derived(identity, "silence").to_string());
    if policy.silences.iter().any(|silence| silence.id == id) {
        return Ok(Reply::conflict(format!("there is a silence `{id}` already; update it, or leave `id` out")));
    }
    policy.silences.retain(|silence| silence.is_kept(turn.now));
    if policy.silences.len() >= MAX_SILENCES {
        return Ok(limit(format!("{}/{} has {MAX_SILENCES} silences, which is the most", scope.0, scope.1)));
    }
    let silence = Silence {
        id,
        matchers: definition.matchers.clone(),
        starts_at,
        ends_at,
        comment: definition.comment.clone(),
        created_by: definition.created_by.clone().or_else(|| issued_by.map(str::to_owned)),
        created_at: turn.now,
    };
    let shown = silence.shown(scope, turn.now);
    policy.silences.push(silence);
    Ok(keep(turn, scope, policy, shown))
}

fn times(definition: &SilenceDefinition, now: i64) -> Result<(i64, i64), String> {
    let starts_at = match &definition.starts_at {
        Some(text) => moment("starts_at", text)?,
        None => now,
    };
    let ends_at = match (&definition.ends_at, definition.duration_seconds) {
        (Some(text), None) => moment("ends_at", text)?,
        (None, Some(seconds)) => starts_at.saturating_add_unsigned(seconds.saturating_mul(1000)),
        _ => return Err("give one of `ends_at` and `duration_seconds`".to_owned()),
    };
    if ends_at <= starts_at {
        return Err("the silence ends before it begins".to_owned());
    }
    ends(ends_at, now)?;
    Ok((starts_at, ends_at))
}

fn moment(name: &str, text: &str) -> Result<i64, String> {
    parse_rfc3339(text).ok_or_else(|| format!("`{name}`: `{text}` is not a time such as 2026-03-02T10:00:00Z"))
}

/// Checks when a silence shall end.
fn ends(ends_at: i64, now: i64) -> Result<(), String> {
    if ends_at <= now {
        return Err(format!("the silence would have ended at {}", rfc3339(ends_at)));
    }
    if ends_at > now.saturating_add(MAX_DURATION_MS) {
        return Err(format!("the silence would end at {}, more than 366 days from now", rfc3339(ends_at)));
    }
    Ok(())
}

fn check(definition: &SilenceDefinition) -> Result<(), String> {
    let names = [("id", &definition.id), ("created_by", &definition.created_by)];
    for (name, text) in names.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        super::check_text(name, text, 1, MAX_NAME_BYTES)?;
    }
    super::check_text("comment", &definition.comment, 0, MAX_COMMENT_BYTES)?;
    if definition.matchers.is_empty() || definition.matchers.len() > MAX_MATCHERS {
        return Err(format!("`matchers` has {} entries; give 1 to {MAX_MATCHERS}", definition.matchers.len()));
    }
    for matcher in &definition.matchers {
        super::check_text("name", &matcher.name, 1, MAX_NAME_BYTES)?;
        super::check_text("value", &matcher.value, 0, MAX_VALUE_BYTES)?;
        if matches!(matcher.op, Some(MatchOperator::Regex | MatchOperator::NotRegex)) {
            // Alone first: parentheses that do not match would end the group around it.
            let compiled = Regex::new(&matcher.value).and_then(|_| whole(&matcher.value));
            compiled.map_err(|error| format!("matcher `{}`: {error}", matcher.name))?;
        }
    }
    Ok(())
}

/// `update_silence`.
pub(crate) fn update<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    id: &str,
    ends_at: Option<&str>,
    comment: Option<&str>,
) -> Result<Reply, StateError> {
    let now = turn.now;
    change(turn, scope, id, |silence| {
        if let Some(text) = ends_at {
            let at = moment("ends_at", text)?;
            ends(at, now)?;
            if at <= silence.starts_at {
                return Err("the silence ends before it begins".to_owned());
            }
            silence.ends_at = at;
        }
        if let Some(text) = comment {
            super::check_text("comment", text, 0, MAX_COMMENT_BYTES)?;
            text.clone_into(&mut silence.comment);
        }
        Ok(())
    })
}

/// `delete_silence`: it ends now, and is shown among those that are over.
pub(crate) fn delete<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    id: &str,
) -> Result<Reply, StateError> {
    let now = turn.now;
    change(turn, scope, id, |silence| {
        silence.ends_at = now;
        silence.starts_at = silence.starts_at.min(now);
        Ok(())
    })
}

fn change<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    id: &str,
    change: impl FnOnce(&mut Silence) -> Result<(), String>,
) -> Result<Reply, StateError> {
    let mut policy = edit(turn, scope.0, scope.1)?;
    let Some(silence) = policy.silences.iter_mut().find(|silence| silence.id == id) else {
        return Ok(Reply::not_found(format!("no silence `{id}` in {}/{}", scope.0, scope.1)));
    };
    if silence.ends_at <= turn.now {
        return Ok(Reply::conflict(format!("the silence `{id}` is over since {}", rfc3339(silence.ends_at))));
    }
    if let Err(problem) = change(silence) {
        return Ok(Reply::invalid(problem));
    }
    let shown = silence.shown(scope, turn.now);
    Ok(keep(turn, scope, policy, shown))
}

/// `list_silences`.
pub(crate) fn list<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    include_expired: bool,
) -> Result<Reply, StateError> {
    let (policy, now) = (load(turn, scope.0, scope.1)?, turn.now);
    let silences: Vec<Value> = policy
        .iter()
        .flat_map(|policy| &policy.silences)
        .filter(|silence| silence.ends_at > now || (include_expired && silence.is_kept(now)))
        .map(|silence| silence.shown(scope, now))
        .collect();
    Ok(Reply::done(json!({"count": silences.len(), "silences": silences})))
}
