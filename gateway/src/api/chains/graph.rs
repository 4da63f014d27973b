//! The steps of a chain as a graph.

use acteon_schemas::{BranchOperator, ChainBranch, ChainDefinition, ChainStep, ParallelJoin};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

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

impl Graph {
    /// The graph of a definition; `shown` is a chain that began with it, as the processor shows it.
    pub(super) fn of(definition: &ChainDefinition, shown: Option<&Value>) -> Self {
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
        Self {
            chain_name: definition.name.clone(),
            chain_id: text("chain_id"),
            status: text("status"),
            nodes: definition.steps.iter().map(|step| Node::of(step, states)).collect(),
            edges,
            execution_path: path,
        }
    }
}

impl Node {
    /// `states` are steps as the processor shows them.
    fn of(step: &ChainStep, states: &[Value]) -> Self {
        let state = states.iter().find(|state| state["name"] == step.name.as_str());
        let text = |name: &str| Some(state?[name].as_str()?.to_owned());
        let inside = state.and_then(|state| state["parallel_steps"].as_array()).map(Vec::as_slice).unwrap_or_default();
        let parallel = step.parallel.as_ref();
        Self {
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
            child_chain_id: text("child_chain_id"),
            parallel_children: parallel
                .map(|parallel| parallel.steps.iter().map(|inner| Self::of(inner, inside)).collect()),
            parallel_join: parallel.map(|parallel| match parallel.join {
                Some(ParallelJoin::Any) => "any",
                Some(ParallelJoin::All) | None => "all",
            }),
            attempt: state.and_then(|state| state["attempt"].as_u64()),
            max_retries: step.retry.as_ref().map(|retry| u64::from(retry.max_retries)),
        }
    }
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
