//! Recurring actions: sent again and again.

use super::{Ask, Operator, Part, Request, input};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 8] =
    ["id", "cron_expr", "timezone", "enabled", "provider", "action_type", "next_execution_at", "execution_count"];

/// Recurring actions: sent again and again
#[derive(Debug, Subcommand)]
pub(crate) enum Recurring {
    /// List recurring actions
    #[command(after_help = "Example:\n  acteon recurring list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Show one
    #[command(
        after_help = "Example:\n  acteon recurring show 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
    },
    /// Begin to send an action again and again
    #[command(
        after_help = "Example:\n  acteon recurring create heartbeat.json --namespace monitoring --tenant acme-corp\n  \n  heartbeat.json:\n    {\"cron_expression\": \"*/5 * * * *\", \"timezone\": \"Europe/Berlin\",\n     \"action\": {\"provider\": \"log\", \"action_type\": \"heartbeat\", \"payload\": {\"at\": \"{{execution_time}}\"}}}"
    )]
    Create {
        #[command(flatten)]
        ask: Ask,
        /// What it is, as JSON (cron_expression, action, timezone, …); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Change one
    #[command(
        after_help = "Example:\n  acteon recurring update 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 heartbeat.json --namespace monitoring --tenant acme-corp"
    )]
    Update {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
        /// What it is, as JSON (cron_expression, action, timezone, …); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// End one
    #[command(
        after_help = "Example:\n  acteon recurring delete 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
    },
    /// Pass over its occurrences until it is resumed
    #[command(
        after_help = "Example:\n  acteon recurring pause 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Pause {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
    },
    /// End a pause
    #[command(
        after_help = "Example:\n  acteon recurring resume 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Resume {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
    },
    /// Send the occurrences of a time that has passed
    #[command(
        after_help = "Example:\n  acteon recurring backfill 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --start 2026-03-01T00:00:00Z --end 2026-03-02T00:00:00Z --namespace monitoring --tenant acme-corp"
    )]
    Backfill {
        #[command(flatten)]
        ask: Ask,
        /// The recurring action's id
        recurring_id: String,
        /// First moment (RFC 3339)
        #[arg(long, value_name = "TIME")]
        start: String,
        /// The moment after the last one (RFC 3339)
        #[arg(long, value_name = "TIME")]
        end: String,
        /// Most occurrences
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
}

impl Operator for Recurring {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListRecurring { page: part.page() }, &COLUMNS),
            Self::Show { ask, recurring_id } => {
                ask.act(CommandKind::ShowRecurring { recurring_id: recurring_id.clone() })
            }
            Self::Create { ask, file } => ask.act(CommandKind::CreateRecurring { recurring: input::file(file)? }),
            Self::Update { ask, recurring_id, file } => ask.act(CommandKind::UpdateRecurring {
                recurring_id: recurring_id.clone(),
                recurring: input::file(file)?,
            }),
            Self::Delete { ask, recurring_id } => {
                ask.act(CommandKind::DeleteRecurring { recurring_id: recurring_id.clone() })
            }
            Self::Pause { ask, recurring_id } => {
                ask.act(CommandKind::PauseRecurring { recurring_id: recurring_id.clone() })
            }
            Self::Resume { ask, recurring_id } => {
                ask.act(CommandKind::ResumeRecurring { recurring_id: recurring_id.clone() })
            }
            Self::Backfill { ask, recurring_id, start, end, limit } => ask.act(CommandKind::BackfillRecurring {
                recurring_id: recurring_id.clone(),
                start: start.clone(),
                end: end.clone(),
                limit: *limit,
            }),
        })
    }
}
