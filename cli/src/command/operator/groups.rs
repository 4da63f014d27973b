//! Groups: actions that are collected into one notification.

use super::{Ask, Operator, Part, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 6] = ["group_id", "group_key", "event_count", "state", "notify_at", "created_at"];

/// Groups: actions that are collected into one notification
#[derive(Debug, Subcommand)]
pub(crate) enum Groups {
    /// List groups
    #[command(after_help = "Example:\n  acteon groups list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Show a group and its events
    #[command(
        after_help = "Example:\n  acteon groups show 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// Its id or key
        group: String,
    },
    /// Send a group's notification now
    #[command(
        after_help = "Example:\n  acteon groups flush 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Flush {
        #[command(flatten)]
        ask: Ask,
        /// Its id or key
        group: String,
    },
}

impl Operator for Groups {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListGroups { page: part.page() }, &COLUMNS),
            Self::Show { ask, group } => ask.act(CommandKind::ShowGroup { group: group.clone() }),
            Self::Flush { ask, group } => ask.act(CommandKind::FlushGroup { group: group.clone() }),
        })
    }
}
