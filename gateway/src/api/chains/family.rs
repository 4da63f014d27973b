//! A chain that was begun, with the sub-chains that it has begun, as the processor shows them.

use super::{ChainScope, show};
use crate::api::{Api, ApiError};
use acteon_schemas::ChainDefinition;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Most chains of a graph that the processor is asked for; those beyond it are told by their definitions alone.
const MAX_ASKED: usize = 32;

/// A chain as it was begun.
pub(super) struct Begun {
    /// What it began with.
    pub(super) definition: ChainDefinition,
    /// As the processor shows it.
    pub(super) shown: Value,
}

/// Chains by their ids.
#[derive(Default)]
pub(super) struct Family(BTreeMap<String, Begun>);

impl Family {
    /// Asks for a chain, and then for its sub-chains, level by level.
    ///
    /// # Errors
    /// The chain itself can't be shown. One of its sub-chains that can't be is left out.
    pub(super) async fn ask(api: &Api, scope: &ChainScope, chain_id: &str) -> Result<Self, ApiError> {
        let mut family = Self::default();
        let mut wanted = VecDeque::from([chain_id.to_owned()]);
        while let Some(id) = wanted.pop_front() {
            if family.0.len() >= MAX_ASKED {
                break;
            }
            if family.0.contains_key(&id) {
                continue;
            }
            match ask(api, scope, &id).await {
                Ok(begun) => {
                    wanted.extend(children(&begun.shown));
                    family.0.insert(id, begun);
                }
                Err(error) if id == chain_id => return Err(error),
                Err(error) => tracing::debug!(error = error.message, id, "a sub-chain is told by its definition alone"),
            }
        }
        Ok(family)
    }

    pub(super) fn get(&self, chain_id: &str) -> Option<&Begun> {
        self.0.get(chain_id)
    }
}

async fn ask(api: &Api, scope: &ChainScope, chain_id: &str) -> Result<Begun, ApiError> {
    let mut shown = show(api, scope, chain_id.to_owned(), true).await?;
    let definition = serde_json::from_value(shown["definition"].take()).map_err(|error| {
        // It was asked before all processors were of this version.
        let message = format!("the processor does not tell the chain's definition: {error}");
        ApiError::unavailable("NO_ANSWER", message)
    })?;
    Ok(Begun { definition, shown })
}

/// The sub-chains that the steps of a chain have begun.
fn children(shown: &Value) -> impl Iterator<Item = String> {
    let steps = shown["steps"].as_array().into_iter().flatten();
    steps.filter_map(|step| Some(step["child_chain_id"].as_str()?.to_owned()))
}
