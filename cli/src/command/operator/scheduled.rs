//! Actions that are held until a time.

use super::{Ask, Operator, Part, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 6] = ["action_id", "action_type", "provider", "held_by", "scheduled_for", "created_at"];

/// Actions that are held until a time
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduledActions {
    /// List scheduled actions
    #[command(after_help = "Example:\n  acteon scheduled list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Call a scheduled action off
    #[command(after_help = "Example:\n  acteon scheduled cancel order-1 --namespace monitoring --tenant acme-corp")]
    Cancel {
        #[command(flatten)]
        ask: Ask,
        /// The action's id, or the one of its outcome
        action_id: String,
    },
}

impl Operator for ScheduledActions {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListScheduled { page: part.page() }, &COLUMNS),
            Self::Cancel { ask, action_id } => ask.act(CommandKind::CancelScheduled { action_id: action_id.clone() }),
        })
    }
}
