//! The steps of a chain as a graph.

use super::family::Family;
use acteon_core::Chains;
use acteon_schemas::{BranchOperator, ChainBranch, ChainDefinition, ChainStep, ParallelJoin};
use serde::Serialize;
use serde_json::Value;
use std::cell::Cell;
use utoipa::ToSchema;

/// How deep sub-chains are told: those of steps at this depth are not. Definitions go no deeper.
const MAX_DEPTH: usize = 8;
/// Most steps of a graph, those of its sub-chains with it; a sub-chain that would be beyond it is left out.
const MAX_NODES: usize = 1_000;

/// The steps of a chain, and what leads where.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Graph {
    chain_name: String,
    /// Of a chain that was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// The steps that it has taken, in order.
    execution_path: Vec<String>,
}

/// A step.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    /// `step`, `sub_chain`, `parallel`, `timer` or `signal`.
    node_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_chain_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_chain_id: Option<String>,
    /// The sub-chain, as it was begun or as it would be; absent where the graph would become too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    children: Option<Box<Graph>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    parallel_children: Option<Vec<Self>>,
    /// `all` or `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_join: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u64>,
}

/// One step may follow another.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Edge {
    source: String,
    target: String,
    /// When it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Whether it has.
    on_execution_path: bool,
}

/// What is known of chains, to make a graph of one.
pub(super) struct Known<'k> {
    definitions: &'k Chains,
    begun: &'k Family,
    /// Steps that the graph has room for yet.
    room: Cell<usize>,
}

/// Where in a graph a chain stands: how deep, and the chains around it.
#[derive(Clone, Copy)]
struct Within<'w> {
    name: &'w str,
    depth: usize,
    outer: Option<&'w Self>,
}

impl Within<'_> {
    fn has(&self, name: &str) -> bool {
        self.name == name || self.outer.is_some_and(|outer| outer.has(name))
    }
}

impl<'k> Known<'k> {
    /// The definitions in effect, and the chains that were begun.
    pub(super) fn new(definitions: &'k Chains, begun: &'k Family) -> Self {
        Self { definitions, begun, room: Cell::new(MAX_NODES) }
    }

    /// The graph of a definition; `shown` is a chain that began with it, as the processor shows it.
    pub(super) fn graph(&self, definition: &ChainDefinition, shown: Option<&Value>) -> Graph {
        self.room.set(self.room.get().saturating_sub(nodes(definition)));
        self.inner(definition, shown, Within { name: &definition.name, depth: 0, outer: None })
    }

    fn inner(&self, definition: &ChainDefinition, shown: Option<&Value>, within: Within<'_>) -> Graph {
        let text = |name: &str| Some(shown?[name].as_str()?.to_owned());
        let path = shown.and_then(|shown| shown["execution_path"].as_array()).map(Vec::as_slice).unwrap_or_default();
        let path: Vec<String> = path.iter().filter_map(|step| Some(step.as_str()?.to_owned())).collect();
        let states = shown.and_then(|shown| shown["steps"].as_array()).map(Vec::as_slice).unwrap_or_default();
        let mut edges = Vec::new();
        for (index, step) in definition.steps.iter().enumerate() {
            let next = definition.steps.get(index + 1).map(|next| next.name.as_str());
            edges.extend(ways(step, next).into_iter().map(|(target, label)| Edge {
                on_execution_path: path.windows(2).any(|pair| pair[0] == step.name && pair[1] == target),
                source: step.name.clone(),
                target: target.to_owned(),
                label,
            }));
        }
        Graph {
            chain_name: definition.name.clone(),
            chain_id: text("chain_id"),
            status: text("status"),
            nodes: definition.steps.iter().map(|step| self.node(step, states, within)).collect(),
            edges,
            execution_path: path,
        }
    }

    /// The graph of a step's sub-chain: of the one that was begun, else of the definition in effect.
    fn sub_chain(&self, name: &str, child: Option<&str>, within: Within<'_>) -> Option<Box<Graph>> {
        let depth = within.depth + 1;
        if depth >= MAX_DEPTH || within.has(name) {
            return None;
        }
        let begun = child.and_then(|child| self.begun.get(child));
        let definition = begun.map_or_else(|| self.definitions.get(name), |begun| Some(&begun.definition))?;
        self.room.set(self.room.get().checked_sub(nodes(definition))?);
        let within = Within { name, depth, outer: Some(&within) };
        Some(Box::new(self.inner(definition, begun.map(|begun| &begun.shown), within)))
    }

    /// `states` are steps as the processor shows them.
    fn node(&self, step: &ChainStep, states: &[Value], within: Within<'_>) -> Node {
        let state = states.iter().find(|state| state["name"] == step.name.as_str());
        let text = |name: &str| Some(state?[name].as_str()?.to_owned());
        let inside = state.and_then(|state| state["parallel_steps"].as_array()).map(Vec::as_slice).unwrap_or_default();
        let parallel = step.parallel.as_ref();
        let child_chain_id = text("child_chain_id");
        Node {
            name: step.name.clone(),
            node_type: match step {
                ChainStep { sub_chain: Some(_), .. } => "sub_chain",
                ChainStep { parallel: Some(_), .. } => "parallel",
                ChainStep { timer: Some(_), .. } => "timer",
                ChainStep { wait_for_signal: Some(_), .. } => "signal",
                _ => "step",
            },
            provider: step.provider.clone(),
            action_type: step.action_type.clone(),
            sub_chain_name: step.sub_chain.clone(),
            status: text("status"),
            children: step.sub_chain.as_ref().and_then(|sub| self.sub_chain(sub, child_chain_id.as_deref(), within)),
            child_chain_id,
            parallel_children: parallel
                .map(|parallel| parallel.steps.iter().map(|inner| self.node(inner, inside, within)).collect()),
            parallel_join: parallel.map(|parallel| match parallel.join {
                Some(ParallelJoin::Any) => "any",
                Some(ParallelJoin::All) | None => "all",
            }),
            attempt: state.and_then(|state| state["attempt"].as_u64()),
            max_retries: step.retry.as_ref().map(|retry| u64::from(retry.max_retries)),
        }
    }
}

/// How many steps a definition has, those inside of parallel ones with it.
fn nodes(definition: &ChainDefinition) -> usize {
    let inside = |step: &ChainStep| step.parallel.as_ref().map_or(0, |parallel| parallel.steps.len());
    definition.steps.iter().map(|step| 1 + inside(step)).sum()
}

/// The steps that may follow one, and when.
fn ways<'s>(step: &'s ChainStep, next: Option<&'s str>) -> Vec<(&'s str, Option<String>)> {
    let mut ways: Vec<_> = step.branches.iter().map(|branch| (branch.target.as_str(), Some(when(branch)))).collect();
    let on_timeout = step.wait_for_signal.as_ref().and_then(|wait| wait.on_timeout.as_deref());
    ways.extend(on_timeout.map(|target| (target, Some("timeout".to_owned()))));
    let otherwise = (!ways.is_empty()).then(|| "otherwise".to_owned());
    ways.extend(step.default_next.as_deref().or(next).map(|target| (target, otherwise)));
    ways
}

/// A branch's condition, for people.
fn when(branch: &ChainBranch) -> String {
    let operator = match branch.operator {
        BranchOperator::Eq => "==",
        BranchOperator::Neq => "!=",
        BranchOperator::Contains => "contains",
        BranchOperator::Exists => return format!("{} exists", branch.field),
        BranchOperator::Gt => ">",
        BranchOperator::Lt => "<",
        BranchOperator::Gte => ">=",
        BranchOperator::Lte => "<=",
    };
    let value = branch.value.as_ref().map_or_else(|| "null".to_owned(), Value::to_string);
    format!("{} {operator} {value}", branch.field)
}
