//! Chain definitions that operators set, beside those of the configuration and over them.

use super::body::Json;
use super::openapi::Refused;
use super::params::Segments;
use super::{Api, ApiError};
use acteon_schemas::{ChainDefinition, Definition};
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(set, remove))
}

/// What became of a definition.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChainDefinitionRemoved {
    name: String,
    /// Always `deleted`.
    status: &'static str,
    /// Whether the configuration has one of this name, which counts again.
    configured: bool,
}

fn key(name: &str) -> String {
    format!("chain/{name}")
}

/// Defines a chain
///
/// It takes the place of one of the configuration that has its name. Chains that run keep the definition that they began
/// with.
#[utoipa::path(put, path = "/v1/chains/definitions/{name}", tag = "chains", params(("name" = String, Path)),
request_body(content = Object, description = "The chain as in the configuration: `steps` and what else it has"), responses(
    (status = 200, description = "As it is now", body = Object),
))]
async fn set(
    State(api): State<Api>,
    Segments(name): Segments<String>,
    Json(mut body): Json<Map<String, Value>>,
) -> Result<axum::Json<ChainDefinition>, ApiError> {
    let given = body.insert("name".to_owned(), name.clone().into());
    if given.is_some_and(|given| given != name.as_str()) {
        let message = format!("field `name`: is another than `{name}` of the path; leave it out");
        return Err(ApiError::unprocessable("INVALID_FIELD", message));
    }
    let chain: ChainDefinition =
        serde_json::from_value(body.into()).map_err(|error| ApiError::invalid(vec![error.to_string()]))?;
    let definitions = api.edit(key(&name), Some(Definition::Chain(chain.clone()))).await?;
    // Somebody else may have set it once more meanwhile.
    Ok(axum::Json(definitions.chains.get(&name).cloned().unwrap_or(chain)))
}

/// Takes a chain's definition back
#[utoipa::path(delete, path = "/v1/chains/definitions/{name}", tag = "chains", params(("name" = String, Path)), responses(
    (status = 200, description = "It is gone", body = ChainDefinitionRemoved),
    Refused<404>, Refused<409>, Refused<422>,
))]
async fn remove(
    State(api): State<Api>,
    Segments(name): Segments<String>,
) -> Result<axum::Json<ChainDefinitionRemoved>, ApiError> {
    let before = api.definitions()?;
    if !before.operators.contains(&key(&name)) {
        return Err(if before.chains.get(&name).is_some() {
            let message = format!("the chain `{name}` is defined in the configuration: remove it there");
            ApiError::refused("CONFLICT", &message)
        } else {
            ApiError::refused("NOT_FOUND", &format!("there is no chain `{name}`"))
        });
    }
    let after = api.edit(key(&name), None).await?;
    let configured = after.chains.get(&name).is_some();
    Ok(axum::Json(ChainDefinitionRemoved { name, status: "deleted", configured }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Server};
    use serde_json::json;

    const PATH: &str = "/v1/chains/definitions/onboard";

    #[tokio::test]
    async fn chains_are_defined_changed_and_removed() {
        let server = Server::start(|_| Fate::Silent).await;
        let chain = json!({"steps": [{"name": "mail", "provider": "email", "action_type": "welcome"}]});
        let made = server.request("PUT", PATH, "", &chain.to_string()).await;
        let shown = json!({"name": "onboard", "steps": chain["steps"]});
        assert_eq!((made.status, &made.body), (200, &shown));
        assert_eq!(server.request("PUT", PATH, "", &shown.to_string()).await.body, shown, "its name may be in it");
        let outer = json!({"steps": [{"name": "all", "sub_chain": "onboard"}]});
        assert_eq!(server.request("PUT", "/v1/chains/definitions/outer", "", &outer.to_string()).await.status, 200);
        let needed = server.request("DELETE", PATH, "", "").await;
        assert_eq!((needed.status, &needed.body["code"]), (422, &json!("INVALID_DEFINITION")), "{needed:?}");
        assert_eq!(server.request("DELETE", "/v1/chains/definitions/outer", "", "").await.status, 200);
        let gone = server.request("DELETE", PATH, "", "").await;
        assert_eq!(gone.body, json!({"name": "onboard", "status": "deleted", "configured": false}));
        assert_eq!(server.request("DELETE", PATH, "", "").await.status, 404);
    }

    #[tokio::test]
    async fn everything_that_is_wrong_is_told() {
        let server = Server::start(|_| Fate::Silent).await;
        let step = |step: &str| format!(r#"{{"steps":[{step}]}}"#);
        let cases = [
            (
                step(r#"{"name":"s","provider":"fax","action_type":"a"},{"name":"s","sub_chain":"none"}"#),
                vec!["`fax`", "unknown sub-chain `none`", "two steps"],
            ),
            (r#"{"steps":[]}"#.to_owned(), vec!["no steps"]),
            (r#"{"step":[]}"#.to_owned(), vec!["unknown field `step`"]),
            (r#"{"steps":7}"#.to_owned(), vec!["invalid type"]),
        ];
        for (body, parts) in cases {
            let answer = server.request("PUT", PATH, "", &body).await;
            assert_eq!((answer.status, &answer.body["code"]), (422, &json!("INVALID_DEFINITION")), "{answer:?}");
            let details = answer.body["details"].to_string();
            assert!(parts.iter().all(|part| details.contains(part)), "{body}: {details}");
            assert!(answer.body["details"].as_array().is_some_and(|details| details.len() >= parts.len()), "{details}");
        }
        let named = server.request("PUT", PATH, "", r#"{"name":"other","steps":[]}"#).await;
        assert_eq!((named.status, &named.body["code"]), (422, &json!("INVALID_FIELD")));
        let away = step(r#"{"name":"s","provider":"email","action_type":"a"}"#);
        let away = server.request("PUT", "/v1/chains/definitions/away", "", &away).await;
        assert_eq!((away.status, &away.body["code"]), (503, &json!("KAFKA_UNAVAILABLE")));
    }
}
