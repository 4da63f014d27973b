//! How long a tenant's state and records are kept.

use super::{Ask, Operator, Request, input};
use acteon_schemas::{CommandKind, RetentionDefinition};
use anyhow::Result;
use clap::Subcommand;

/// How long a tenant's state and records are kept
#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// Show how long they are kept
    #[command(after_help = "Example:\n  acteon retention show --namespace monitoring --tenant acme-corp")]
    Show {
        #[command(flatten)]
        ask: Ask,
    },
    /// Set how long they are kept, in place of what was set before
    #[command(
        after_help = "Example:\n  acteon retention set --audit 604800 --events 172800 --namespace monitoring --tenant acme-corp"
    )]
    Set {
        #[command(flatten)]
        ask: Ask,
        /// Audit records, in seconds
        #[arg(long, value_name = "SECONDS")]
        audit: Option<u64>,
        /// Ended chains and other finished state, in seconds
        #[arg(long, value_name = "SECONDS")]
        state: Option<u64>,
        /// Events since they last changed, in seconds
        #[arg(long, value_name = "SECONDS")]
        events: Option<u64>,
        /// Delete nothing while this is set
        #[arg(long)]
        compliance_hold: bool,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// A free label; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = input::pair)]
        label: Vec<(String, String)>,
    },
    /// Keep them as the configuration says again
    #[command(after_help = "Example:\n  acteon retention delete --namespace monitoring --tenant acme-corp")]
    Delete {
        #[command(flatten)]
        ask: Ask,
    },
}

impl Operator for Retention {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::Show { ask } => ask.act(CommandKind::ShowRetention {}),
            Self::Set { ask, audit, state, events, compliance_hold, description, label } => {
                let retention = RetentionDefinition {
                    audit_ttl_seconds: *audit,
                    state_ttl_seconds: *state,
                    event_ttl_seconds: *events,
                    compliance_hold: *compliance_hold,
                    enabled: None,
                    description: description.clone(),
                    labels: label.iter().cloned().collect(),
                };
                ask.act(CommandKind::SetRetention { retention })
            }
            Self::Delete { ask } => ask.act(CommandKind::DeleteRetention {}),
        })
    }
}
