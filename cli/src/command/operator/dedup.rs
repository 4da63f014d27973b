//! What gates remember.

use super::{Ask, Operator, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Deduplication state
#[derive(Debug, Subcommand)]
pub(crate) enum Dedup {
    /// Forget that a deduplication key was seen: the next action with it passes
    #[command(
        after_help = "Example:\n  acteon dedup forget --namespace monitoring --tenant acme-corp --key db-unreachable"
    )]
    Forget {
        #[command(flatten)]
        ask: Ask,
        /// The deduplication key
        #[arg(long)]
        key: String,
    },
}

/// Throttle state
#[derive(Debug, Subcommand)]
pub(crate) enum Throttle {
    /// Forget what a throttle rule has counted for a tenant
    #[command(
        after_help = "Example:\n  acteon throttle reset --namespace notifications --tenant tenant-1 --rule throttle-notifications"
    )]
    Reset {
        #[command(flatten)]
        ask: Ask,
        /// The rule's name
        #[arg(long)]
        rule: String,
    },
}

impl Operator for Dedup {
    fn request(&self) -> Result<Request<'_>> {
        let Self::Forget { ask, key } = self;
        Ok(ask.act(CommandKind::ForgetDedupKey { dedup_key: key.clone() }))
    }
}

impl Operator for Throttle {
    fn request(&self) -> Result<Request<'_>> {
        let Self::Reset { ask, rule } = self;
        Ok(ask.act(CommandKind::ResetThrottle { rule: rule.clone() }))
    }
}
