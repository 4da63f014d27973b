//! Requests for approval. One is looked at and decided by its signed link alone.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, SignedLink};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

/// What a browser shows for a link: programs that look at links before people do must not decide anything, so a link that
/// is only opened changes nothing.
const CONFIRM: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
    content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\"><title>Acteon</title>\
    <form method=\"post\"><p>Please confirm your decision.</p><button>Confirm</button></form></html>";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .route("/v1/approvals", get(list))
        .route("/v1/approvals/{namespace}/{tenant}/{id}", get(show))
        .route("/v1/approvals/{namespace}/{tenant}/{id}/approve", get(confirm).post(approve))
        .route("/v1/approvals/{namespace}/{tenant}/{id}/reject", get(confirm).post(reject))
}

/// What a signed link carries behind its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: Option<String>,
    expires_at: Option<i64>,
    kid: Option<String>,
}

impl Signature {
    /// Without a signature, a command would be taken for one of somebody who has proven who they are.
    fn link(self) -> Result<Option<SignedLink>, ApiError> {
        match (self.sig, self.expires_at) {
            (Some(sig), Some(expires_at)) => Ok(Some(SignedLink { sig, expires_at, kid: self.kid })),
            _ => {
                let message = "use the whole link, with `sig` and `expires_at`";
                Err(ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
            }
        }
    }
}

type Path = Segments<(String, String, String)>;

async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, status, page) = query.split();
    ask(&api, scope, CommandKind::ListApprovals { status, page }).await
}

async fn show(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::ShowApproval { approval_id, link }).await
}

async fn confirm() -> impl IntoResponse {
    let policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(CONFIRM))
}

async fn approve(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::Approve { approval_id, link }).await
}

async fn reject(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::Reject { approval_id, link, reason: None }).await
}
