//! Chains as people look at them: their definitions, as graphs too, and how a running one has fared.

mod family;
mod graph;

use super::commands;
use super::openapi::{Question, Refused};
use super::params::{Params, Segments};
use super::{Api, ApiError};
use acteon_schemas::{ChainDefinition, ChainFailure, CommandKind};
use axum::Json;
use axum::extract::State;
use family::Family;
use graph::{Graph, Known};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(definitions))
        .routes(routes!(definition))
        .routes(routes!(definition_graph))
        .routes(routes!(history))
        .routes(routes!(chain_graph))
}

/// A chain's definition in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DefinitionSummary {
    name: String,
    description: Option<String>,
    steps_count: usize,
    has_branches: bool,
    has_parallel: bool,
    has_sub_chains: bool,
    /// `abort` or `abort_no_dlq`.
    #[schema(value_type = String)]
    on_failure: ChainFailure,
    timeout_seconds: Option<u64>,
}

impl DefinitionSummary {
    fn of(chain: &ChainDefinition) -> Self {
        Self {
            name: chain.name.clone(),
            description: chain.description.clone(),
            steps_count: chain.steps.len(),
            has_branches: chain.steps.iter().any(|step| !step.branches.is_empty()),
            has_parallel: chain.steps.iter().any(|step| step.parallel.is_some()),
            has_sub_chains: chain.steps.iter().any(|step| step.sub_chain.is_some()),
            on_failure: chain.on_failure.unwrap_or(ChainFailure::Abort),
            timeout_seconds: chain.timeout_seconds,
        }
    }
}

/// All definitions of chains.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DefinitionList {
    definitions: Vec<DefinitionSummary>,
    count: usize,
}

/// Lists the definitions of chains
#[utoipa::path(get, path = "/v1/chains/definitions", tag = "chains", responses(
    (status = 200, description = "All of them, by name", body = DefinitionList),
))]
async fn definitions(State(api): State<Api>) -> Result<Json<DefinitionList>, ApiError> {
    let definitions: Vec<_> = api.definitions()?.chains.iter().map(DefinitionSummary::of).collect();
    Ok(Json(DefinitionList { count: definitions.len(), definitions }))
}

fn find(api: &Api, name: &str) -> Result<ChainDefinition, ApiError> {
    let found = api.definitions()?.chains.get(name).cloned();
    found.ok_or_else(|| ApiError::refused("NOT_FOUND", &format!("there is no chain named `{name}`")))
}

/// A chain's definition
#[utoipa::path(get, path = "/v1/chains/definitions/{name}", tag = "chains", params(("name" = String, Path)), responses(
    (status = 200, description = "As it is in effect", body = Object),
    Refused<404>,
))]
async fn definition(
    State(api): State<Api>,
    Segments(name): Segments<String>,
) -> Result<Json<ChainDefinition>, ApiError> {
    find(&api, &name).map(Json)
}

/// A chain's definition as a graph
#[utoipa::path(get, path = "/v1/chains/definitions/{name}/dag", tag = "chains", params(("name" = String, Path)), responses(
    (status = 200, description = "Its steps and those of its sub-chains, and what leads where", body = Graph),
    Refused<404>,
))]
async fn definition_graph(State(api): State<Api>, Segments(name): Segments<String>) -> Result<Json<Graph>, ApiError> {
    let definition = find(&api, &name)?;
    Ok(Json(Known::new(&api.definitions()?.chains, &Family::default()).graph(&definition, None)))
}

/// Whose chain is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChainScope {
    namespace: String,
    tenant: String,
}

/// How the calls of a chain have fared.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct History {
    chain_id: String,
    chain_name: String,
    status: String,
    steps: Vec<StepHistory>,
}

#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepHistory {
    name: String,
    /// Its place among the steps; that of the parallel step which it is a part of.
    step_index: usize,
    current_attempt: u64,
    max_retries: u64,
    attempts: Vec<Attempt>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Attempt {
    /// From 0.
    attempt: u64,
    started_at: String,
    completed_at: String,
    success: bool,
    duration_ms: u64,
    #[serde(default)]
    error: Option<String>,
}

/// The attempts of each step of a chain
#[utoipa::path(get, path = "/v1/chains/{id}/history", tag = "chains", params(("id" = String, Path), ChainScope), responses(
    (status = 200, description = "All that are known", body = History),
    Question, Refused<404>,
))]
async fn history(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Params(scope): Params<ChainScope>,
) -> Result<Json<History>, ApiError> {
    let shown = show(&api, &scope, chain_id, false).await?;
    Ok(Json(told(&shown)))
}

fn told(shown: &Value) -> History {
    let mut steps = Vec::new();
    for (index, step) in shown["steps"].as_array().into_iter().flatten().enumerate() {
        steps.push(step_told(index, step));
        steps.extend(step["parallel_steps"].as_array().into_iter().flatten().map(|inner| step_told(index, inner)));
    }
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    History { chain_id: text("chain_id"), chain_name: text("chain_name"), status: text("status"), steps }
}

fn step_told(step_index: usize, step: &Value) -> StepHistory {
    let number = |name: &str| step[name].as_u64().unwrap_or_default();
    let attempts = step["attempts"].as_array().into_iter().flatten();
    StepHistory {
        name: step["name"].as_str().unwrap_or_default().to_owned(),
        step_index,
        current_attempt: number("attempt"),
        max_retries: number("max_retries"),
        attempts: attempts.filter_map(|attempt| serde_json::from_value(attempt.clone()).ok()).collect(),
    }
}

/// A chain as a graph, with the way that it has taken
#[utoipa::path(get, path = "/v1/chains/{id}/dag", tag = "chains", params(("id" = String, Path), ChainScope), responses(
    (status = 200, description = "The steps that it began with, and what leads where", body = Graph),
    Question, Refused<404>,
))]
async fn chain_graph(
    State(api): State<Api>,
    Segments(chain_id): Segments<String>,
    Params(scope): Params<ChainScope>,
) -> Result<Json<Graph>, ApiError> {
    let definitions = api.definitions()?;
    let family = Family::ask(&api, &scope, &chain_id).await?;
    let whole = family.get(&chain_id).ok_or_else(|| ApiError::unavailable("NO_ANSWER", "the chain is not told of"))?;
    Ok(Json(Known::new(&definitions.chains, &family).graph(&whole.definition, Some(&whole.shown))))
}

async fn show(api: &Api, scope: &ChainScope, chain_id: String, with_definition: bool) -> Result<Value, ApiError> {
    let kind = CommandKind::ShowChain { chain_id, with_definition };
    commands::ask_for(api, &scope.namespace, &scope.tenant, kind).await
}

#[cfg(test)]
mod tests;
