//! Requests for approval. One is looked at and decided by its signed link alone.

use super::ask::{Answer, ask};
use super::{ListParams, Scope};
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, SignedLink};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a browser shows for a link: programs that look at links before people do must not decide anything, so a link that
/// is only opened changes nothing.
const CONFIRM: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
    content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\"><title>Acteon</title>\
    <form method=\"post\"><p>Please confirm your decision.</p><button>Confirm</button></form></html>";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(confirm_approve, approve))
        .routes(routes!(confirm_reject, reject))
}

/// A request for approval in a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalSummary {
    /// As `approval_id`.
    token: String,
    approval_id: String,
    /// `pending`, `approved`, `rejected`, `expired` or `cancelled`.
    status: String,
    rule: String,
    /// The action that it holds.
    action_id: String,
    provider: String,
    action_type: String,
    created_at: String,
    expires_at: String,
    decided_at: Option<String>,
    decided_by: Option<String>,
    message: Option<String>,
}

/// A part of the requests for approval.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalList {
    count: usize,
    approvals: Vec<ApprovalSummary>,
    /// What the next part begins `after`; absent where there is none.
    next: Option<String>,
}

/// A request for approval.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApprovalDetail {
    namespace: String,
    tenant: String,
    /// As `approval_id`.
    token: String,
    approval_id: String,
    /// `pending`, `approved`, `rejected`, `expired` or `cancelled`.
    status: String,
    rule: String,
    /// The action that it holds.
    action_id: String,
    provider: String,
    action_type: String,
    created_at: String,
    expires_at: String,
    decided_at: Option<String>,
    decided_by: Option<String>,
    message: Option<String>,
}

/// A decision about a request for approval.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decided {
    /// As `approval_id`.
    id: String,
    approval_id: String,
    /// `approved` or `rejected`.
    status: String,
    /// What became of the action, by its tag.
    outcome: Option<String>,
}

/// What a signed link carries behind its path.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
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

/// Requests for approval
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(ListParams), responses(
    (status = 200, description = "In the order of their ids", body = ApprovalList),
    Question,
))]
async fn list(State(api): State<Api>, Params(query): Params<ListParams>) -> Result<Answer, ApiError> {
    let (scope, status, page) = query.split();
    ask(&api, scope, CommandKind::ListApprovals { status, page }).await
}

/// One request for approval, by its signed link
#[utoipa::path(get, path = "/v1/approvals/{namespace}/{tenant}/{id}", tag = "approvals", params(("namespace" = String, Path), ("tenant" = String, Path), ("id" = String, Path), Signature), responses(
    (status = 200, description = "As it is now", body = ApprovalDetail),
    Question, Refused<403>, Refused<404>, Refused<410>,
))]
async fn show(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::ShowApproval { approval_id, link }).await
}

/// A page that asks to confirm the decision
#[utoipa::path(get, path = "/v1/approvals/{namespace}/{tenant}/{id}/approve", tag = "approvals", params(("namespace" = String, Path), ("tenant" = String, Path), ("id" = String, Path)), responses(
    (status = 200, description = "Its form posts to the same link", body = String, content_type = "text/html"),
))]
async fn confirm_approve() -> impl IntoResponse {
    confirm()
}

/// A page that asks to confirm the decision
#[utoipa::path(get, path = "/v1/approvals/{namespace}/{tenant}/{id}/reject", tag = "approvals", params(("namespace" = String, Path), ("tenant" = String, Path), ("id" = String, Path)), responses(
    (status = 200, description = "Its form posts to the same link", body = String, content_type = "text/html"),
))]
async fn confirm_reject() -> impl IntoResponse {
    confirm()
}

fn confirm() -> impl IntoResponse {
    let policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(CONFIRM))
}

/// Approves what a signed link is for
#[utoipa::path(post, path = "/v1/approvals/{namespace}/{tenant}/{id}/approve", tag = "approvals", params(("namespace" = String, Path), ("tenant" = String, Path), ("id" = String, Path), Signature), responses(
    (status = 200, description = "The decision", body = Decided),
    Change, Refused<403>, Refused<404>, Refused<409>, Refused<410>,
))]
async fn approve(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::Approve { approval_id, link }).await
}

/// Rejects what a signed link is for
#[utoipa::path(post, path = "/v1/approvals/{namespace}/{tenant}/{id}/reject", tag = "approvals", params(("namespace" = String, Path), ("tenant" = String, Path), ("id" = String, Path), Signature), responses(
    (status = 200, description = "The decision", body = Decided),
    Change, Refused<403>, Refused<404>, Refused<409>, Refused<410>,
))]
async fn reject(
    State(api): State<Api>,
    Segments((namespace, tenant, approval_id)): Path,
    Params(signature): Params<Signature>,
) -> Result<Answer, ApiError> {
    let link = signature.link()?;
    ask(&api, Scope { namespace, tenant }, CommandKind::Reject { approval_id, link, reason: None }).await
}
