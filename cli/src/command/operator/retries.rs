//! Dispatches that wait to be made again: long retries.

use super::{Ask, Operator, Part, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 7] = ["dispatch_id", "action_id", "action_type", "provider", "code", "retry", "retry_at"];

/// Failed dispatches that wait to be made again
#[derive(Debug, Subcommand)]
pub(crate) enum Retries {
    /// List waiting dispatches
    #[command(after_help = "Example:\n  acteon retries list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Make a waiting dispatch again now
    #[command(after_help = "\
Example:
  acteon retries now 0e6b3a52-5f2c-5a37-9f0c-8a8fd8d0a8b1 --namespace monitoring --tenant acme-corp")]
    Now {
        #[command(flatten)]
        ask: Ask,
        /// Its id, as in the list
        dispatch_id: String,
    },
    /// Give a waiting dispatch up: it fails with its last error
    #[command(after_help = "\
Example:
  acteon retries cancel 0e6b3a52-5f2c-5a37-9f0c-8a8fd8d0a8b1 --namespace monitoring --tenant acme-corp")]
    Cancel {
        #[command(flatten)]
        ask: Ask,
        /// Its id, as in the list
        dispatch_id: String,
    },
}

impl Operator for Retries {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListRetries { page: part.page() }, &COLUMNS),
            Self::Now { ask, dispatch_id } => ask.act(CommandKind::RetryNow { dispatch_id: dispatch_id.clone() }),
            Self::Cancel { ask, dispatch_id } => ask.act(CommandKind::CancelRetry { dispatch_id: dispatch_id.clone() }),
        })
    }
}
