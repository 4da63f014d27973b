//! What templates of a chain are filled from.

use super::kept::{self, Head, Part, StepResult};
use super::run::{Run, corrupt};
use super::template::{Origin, Source};
use crate::effect::Effects;
use crate::held::Held;
use crate::keys::Store;
use crate::state::{State, StateError};
use crate::value;
use acteon_schemas::Metadata;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The action that a chain began with, read from the state.
pub(super) struct OriginPart {
    pub(super) seen: Origin,
    pub(super) metadata: Metadata,
    pub(super) created_at: Option<String>,
    /// As it came.
    pub(super) action: Map<String, Value>,
}

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Reads the action that the chain began with.
    pub(super) fn origin(&mut self) -> Result<OriginPart, StateError> {
        let head = &self.head;
        let key = kept::part_key(&head.namespace, &head.tenant, &head.root, Part::Origin);
        let bytes = self.turn.state.get(&key)?.ok_or_else(|| corrupt("the action of a chain is gone"))?;
        let (_, held): (_, Held<'_>) = value::decode(bytes, Store::ChainPart)?;
        let unreadable = |_| corrupt("the action of a chain can't be read");
        let action = held.action(Store::ChainPart)?;
        let came = held.payload.as_ref().map_or_else(|| action.payload.get(), |payload| payload.get());
        let fields = json!({
            "namespace": action.namespace, "tenant": action.tenant, "action_type": action.action_type,
            "provider": held.provider, "id": held.action_id, "metadata": action.metadata,
        });
        Ok(OriginPart {
            seen: Origin {
                payload: serde_json::from_str(came).map_err(unreadable)?,
                fields: fields.as_object().cloned().unwrap_or_default(),
            },
            created_at: action.created_at.as_deref().map(str::to_owned),
            action: serde_json::from_str(held.action.get()).map_err(unreadable)?,
            metadata: action.metadata,
        })
    }
}

/// The results of a chain's steps, read as they are asked for.
pub(super) struct Rendering<'r, S> {
    state: &'r mut S,
    head: &'r Head,
    origin: &'r Origin,
    index: usize,
    id: String,
    read: BTreeMap<String, Option<Value>>,
}

impl<'r, S: State> Rendering<'r, S> {
    pub(super) fn new(state: &'r mut S, head: &'r Head, origin: &'r Origin, index: usize) -> Self {
        Self { state, head, origin, index, id: head.id.to_string(), read: BTreeMap::new() }
    }
}

impl<S: State> Source for Rendering<'_, S> {
    fn origin(&mut self) -> Result<&Origin, StateError> {
        Ok(self.origin)
    }

    fn step(&mut self, name: &str) -> Result<Option<Cow<'_, Value>>, StateError> {
        if !self.read.contains_key(name) {
            let head = self.head;
            let scope = (head.namespace.as_str(), head.tenant.as_str(), &head.id);
            // A name that no step has can be of any length; those that have a result are known.
            let known = head.steps.contains_key(name);
            let found: Option<StepResult> =
                if known { kept::get_part(self.state, scope, Part::Result(name))? } else { None };
            self.read.insert(name.to_owned(), found.map(|result| json!(result)));
        }
        Ok(self.read.get(name).and_then(Option::as_ref).map(Cow::Borrowed))
    }

    fn previous(&mut self) -> Result<Option<Cow<'_, Value>>, StateError> {
        let head = self.head;
        match &head.previous {
            Some(name) => self.step(name),
            None => Ok(None),
        }
    }

    fn chain_id(&self) -> &str {
        &self.id
    }

    fn step_index(&self) -> usize {
        self.index
    }
}
