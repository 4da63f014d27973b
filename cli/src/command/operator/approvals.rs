//! Requests for approval: what is held until a person decides.

use super::{Ask, Operator, Part, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 6] = ["token", "status", "rule", "created_at", "expires_at", "message"];

/// Requests for approval: what is held until a person decides
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List requests
    #[command(
        after_help = "Example:\n  acteon approvals list --namespace monitoring --tenant acme-corp --status pending"
    )]
    List {
        #[command(flatten)]
        ask: Ask,
        /// Those of this status: pending, approved, rejected or expired
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show a request
    #[command(
        after_help = "Example:\n  acteon approvals show 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The request
        approval_id: String,
    },
    /// Approve: what is held goes on
    #[command(
        after_help = "Example:\n  acteon approvals approve 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp --by ann"
    )]
    Approve {
        #[command(flatten)]
        ask: Ask,
        /// The request
        approval_id: String,
    },
    /// Reject: what is held is dropped
    #[command(
        after_help = "Example:\n  acteon approvals reject 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp --reason \"not today\""
    )]
    Reject {
        #[command(flatten)]
        ask: Ask,
        /// The request
        approval_id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
}

impl Operator for Approvals {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, status, part } => {
                ask.list(CommandKind::ListApprovals { status: status.clone(), page: part.page() }, &COLUMNS)
            }
            Self::Show { ask, approval_id } => {
                ask.act(CommandKind::ShowApproval { approval_id: approval_id.clone(), link: None })
            }
            Self::Approve { ask, approval_id } => {
                ask.act(CommandKind::Approve { approval_id: approval_id.clone(), link: None })
            }
            Self::Reject { ask, approval_id, reason } => {
                ask.act(CommandKind::Reject { approval_id: approval_id.clone(), link: None, reason: reason.clone() })
            }
        })
    }
}
