//! What operators ask of a tenant's state: each request is a record of the commands topic, and the processor's answer to it
//! is the answer. Lists and details are asked in the same way, so they are never older than what was done before.

mod approvals;
mod ask;
mod chain_start;
mod chains;
mod circuits;
mod events;
mod groups;
mod merge;
mod profiles;
mod quotas;
mod recurring;
mod retention;
mod scheduled;
mod silences;
mod templates;
#[cfg(test)]
mod tests;
mod time_intervals;

use super::{Api, ApiError};
use acteon_schemas::{CommandKind, Page};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(approvals::routes())
        .merge(chain_start::routes())
        .merge(chains::routes())
        .merge(circuits::routes())
        .merge(events::routes())
        .merge(groups::routes())
        .merge(profiles::routes())
        .merge(quotas::routes())
        .merge(recurring::routes())
        .merge(retention::routes())
        .merge(scheduled::routes())
        .merge(silences::routes())
        .merge(templates::routes())
        .merge(time_intervals::routes())
}

/// Whose state is asked.
#[derive(Debug, Clone, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Scope {
    namespace: String,
    tenant: String,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    namespace: String,
    tenant: String,
    /// Those of this status, where the list has one.
    status: Option<String>,
    /// Most entries.
    limit: Option<u32>,
    /// The `next` of the part before.
    after: Option<String>,
}

impl ListParams {
    fn split(self) -> (Scope, Option<String>, Page) {
        let scope = Scope { namespace: self.namespace, tenant: self.tenant };
        (scope, self.status, Page { limit: self.limit, after: self.after })
    }
}

/// A scope that may be in the query or in the body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MaybeScope {
    namespace: Option<String>,
    tenant: Option<String>,
}

impl MaybeScope {
    /// The scope of the query, or else of the body.
    fn or_of(self, body: &Map<String, Value>) -> Result<Scope, ApiError> {
        let find = |own: Option<String>, name: &'static str| {
            own.or_else(|| body.get(name)?.as_str().map(str::to_owned)).ok_or_else(|| {
                ApiError::unprocessable(
                    "INVALID_BODY",
                    format!("missing field `{name}`: put it into the body or the query"),
                )
            })
        };
        Ok(Scope { namespace: find(self.namespace, "namespace")?, tenant: find(self.tenant, "tenant")? })
    }
}

/// Asks a question of a tenant's processor, and gives the answer.
///
/// # Errors
/// The processor refuses, or does not answer.
pub(super) async fn ask_for(api: &Api, namespace: &str, tenant: &str, kind: CommandKind) -> Result<Value, ApiError> {
    let scope = Scope { namespace: namespace.to_owned(), tenant: tenant.to_owned() };
    ask::ask(api, scope, kind).await?.value()
}
