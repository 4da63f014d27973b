//! Chains begun by hand: no rule looks at the action.

use super::Scope;
use super::ask::ask;
use crate::api::body::Json;
use crate::api::openapi::{Change, Labels, Refused};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, Metadata};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(start))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StartChain)]
struct Start {
    namespace: String,
    tenant: String,
    /// The chain's name.
    chain: String,
    /// What templates read as `origin.provider`.
    provider: String,
    action_type: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Labels)]
    metadata: Metadata,
    /// The action's id; made where absent.
    id: Option<String>,
}

/// A chain that has begun.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartedChain {
    chain_id: String,
    chain_name: String,
    action_id: String,
    total_steps: usize,
    first_step: Option<String>,
}

/// Starts a chain
///
/// No rule looks at the action that it begins with.
#[utoipa::path(post, path = "/v1/chains", tag = "chains", request_body = Start, responses(
    (status = 201, description = "It runs", body = StartedChain),
    Change, Refused<404>,
))]
async fn start(State(api): State<Api>, Json(body): Json<Start>) -> Result<Response, ApiError> {
    let Start { namespace, tenant, chain, provider, action_type, payload, metadata, id } = body;
    let action = json!({
        "namespace": namespace, "tenant": tenant, "provider": provider, "action_type": action_type, "payload": payload,
        "metadata": metadata, "id": id,
    });
    let scope = Scope { namespace, tenant };
    Ok(ask(&api, scope, CommandKind::StartChain { chain, action }).await?.with(StatusCode::CREATED))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Server};
    use serde_json::json;

    #[tokio::test]
    async fn a_chain_is_started_with_an_action_of_the_tenant() {
        let begun =
            json!({"chain_id": "c", "chain_name": "onboard", "action_id": "a", "total_steps": 1, "first_step": "s"});
        let answer = json!({"CommandDone": {"result": begun}});
        let server = Server::start(move |_| Fate::Outcome("command_done", answer.clone())).await;
        let body = json!({
            "namespace": "n", "tenant": "t", "chain": "onboard", "provider": "email", "action_type": "signup",
            "payload": {"x": 1}, "metadata": {"labels": {"k": "v"}},
        });
        let started = server.post("/v1/chains", &body.to_string()).await;
        assert_eq!((started.status, started.body), (201, begun));
        let sent = server.seen().remove(0).value["command"]["start_chain"].clone();
        assert_eq!((&sent["chain"], &sent["action"]["payload"]), (&json!("onboard"), &json!({"x": 1})));
        assert_eq!((&sent["action"]["tenant"], &sent["action"]["metadata"]), (&json!("t"), &json!({"k": "v"})));
        let bad = server.post("/v1/chains", r#"{"chain":"onboard"}"#).await;
        assert_eq!((bad.status, &bad.body["code"]), (422, &json!("INVALID_BODY")));
    }
}
