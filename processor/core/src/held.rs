//! Actions that are held: kept with everything that it takes to go on with them later.

use crate::action::{Arrival, subject};
use crate::effect::Effects;
use crate::ids;
use crate::record::Decided;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::{ResumePoint, Subject};
use acteon_schemas::{Action, Coordinates, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use uuid::Uuid;

/// Most times that one action is held and released: a walk goes on behind the rule that held it, so only rules that are
/// moved about meanwhile can hold an action again and again.
pub(crate) const MAX_HOLDS: u32 = 100;

/// What lets a held action go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Group,
    Schedule,
    Approval,
    Throttle,
    Event,
    Recurring,
}

impl Release {
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Schedule => "schedule",
            Self::Approval => "approval",
            Self::Throttle => "throttle",
            Self::Event => "event",
            Self::Recurring => "recurring",
        }
    }
}

/// A held action, as it is kept in the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Held<'a> {
    /// The action as it came.
    #[serde(borrow)]
    pub(crate) action: Cow<'a, RawValue>,
    /// Its payload, where rules had rewritten it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) payload: Option<Cow<'a, RawValue>>,
    /// The provider it was meant for, as rerouted.
    pub(crate) provider: Cow<'a, str>,
    /// Where the walk goes on; absent where it begins from the start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) resume: Option<ResumePoint>,
    pub(crate) action_id: Cow<'a, str>,
    pub(crate) identity: Uuid,
    pub(crate) origin: Coordinates<'a>,
    /// When it was held, in milliseconds since 1970.
    pub(crate) held_at: i64,
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(crate) holds: u32,
}

fn is_zero(holds: &u32) -> bool {
    *holds == 0
}

impl<'a> Held<'a> {
    /// The action of a decision that holds it.
    pub(crate) fn of(decided: &'a Decided<'a, '_>) -> Self {
        let arrival = decided.arrival;
        Self {
            action: raw(arrival.action),
            payload: match &decided.subject.payload {
                Cow::Borrowed(_) => None,
                Cow::Owned(payload) => to_raw_value(payload).ok().map(Cow::Owned),
            },
            provider: Cow::Borrowed(&decided.subject.provider),
            resume: decided.decision.resume_point(),
            action_id: Cow::Borrowed(arrival.action_id),
            identity: arrival.identity,
            origin: arrival.origin.clone(),
            held_at: decided.now,
            holds: arrival.holds + 1,
        }
    }

    /// The action of an arrival that no rule has looked at yet.
    pub(crate) fn unwalked(arrival: &'a Arrival<'a>, now: i64) -> Self {
        Self {
            action: raw(arrival.action),
            payload: None,
            provider: arrival.action.provider.clone(),
            resume: None,
            action_id: Cow::Borrowed(arrival.action_id),
            identity: arrival.identity,
            origin: arrival.origin.clone(),
            held_at: now,
            holds: arrival.holds + 1,
        }
    }

    /// Decodes the action.
    ///
    /// # Errors
    /// The state holds what no version wrote.
    pub(crate) fn action(&self, store: crate::keys::Store) -> Result<Action<'_>, StateError> {
        Action::decode(self.action.get().as_bytes())
            .map_err(|_| StateError::Corrupt { store: store.name(), problem: "the held action can't be decoded" })
    }

    /// Goes on with the action: the walk resumes behind the rule that held it.
    ///
    /// # Errors
    /// State can't be read, or holds what no version wrote.
    pub(crate) fn release<S: State, E: Effects>(
        &self,
        turn: &mut Turn<'_, S, E>,
        by: Release,
        store: crate::keys::Store,
    ) -> Result<Outcome, StateError> {
        self.open(store, |action, came, subject| {
            let arrival = Arrival {
                action,
                action_id: &self.action_id,
                // Its own records differ from those of the decision that held it, and are the same whenever it is released.
                identity: ids::derived(&self.identity, &format!("release/{}/{}", by.tag(), self.holds)),
                origin: &self.origin,
                came,
                resume: self.resume.as_ref(),
                released_by: Some(by),
                holds: self.holds,
            };
            if self.holds > MAX_HOLDS {
                return crate::action::refuse(
                    turn,
                    &arrival,
                    &subject,
                    "HELD_TOO_OFTEN",
                    "held and released too often",
                );
            }
            crate::action::go(turn, &arrival, subject)
        })
    }

    /// Decodes the action, and hands it on with its payload as it came and as the rules left it.
    pub(crate) fn open<T>(
        &self,
        store: crate::keys::Store,
        then: impl FnOnce(&Action<'_>, &Value, Subject<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let action = self.action(store)?;
        let corrupt = |_| StateError::Corrupt { store: store.name(), problem: "the held payload can't be decoded" };
        let came: Value = serde_json::from_str(action.payload.get()).map_err(corrupt)?;
        let rewritten: Option<Value> =
            self.payload.as_ref().map(|payload| serde_json::from_str(payload.get())).transpose().map_err(corrupt)?;
        let mut subject = subject(&action, &self.action_id, &came);
        if let Some(payload) = rewritten {
            subject.payload = Cow::Owned(payload);
        }
        subject.provider = Cow::Borrowed(&self.provider);
        then(&action, &came, subject)
    }
}

/// Actions hold strings, numbers and JSON text alone, which always serialise.
pub(crate) fn raw<'r>(action: &Action<'_>) -> Cow<'r, RawValue> {
    Cow::Owned(to_raw_value(action).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}
