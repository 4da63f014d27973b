//! Time intervals of a tenant, which rules name.

use super::{Ask, Operator, Request, input};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 4] = ["name", "location", "time_ranges", "description"];

/// Time intervals of a tenant, which rules name
#[derive(Debug, Subcommand)]
pub(crate) enum TimeIntervals {
    /// List time intervals
    #[command(after_help = "Example:\n  acteon time-intervals list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Define a time interval
    #[command(
        after_help = "Example:\n  acteon time-intervals create office.json --namespace monitoring --tenant acme-corp\n  \n  office.json:\n    {\"name\": \"office\", \"location\": \"Europe/Berlin\",\n     \"time_ranges\": [{\"weekdays\": [\"monday:friday\"], \"times\": [{\"start\": \"09:00\", \"end\": \"17:00\"}]}]}"
    )]
    Create {
        #[command(flatten)]
        ask: Ask,
        /// What it is, as JSON (name, time_ranges, location, description); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Put another one in the place of the one with its name
    #[command(
        after_help = "Example:\n  acteon time-intervals update office.json --namespace monitoring --tenant acme-corp"
    )]
    Update {
        #[command(flatten)]
        ask: Ask,
        /// What it is, as JSON (name, time_ranges, location, description); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Remove one
    #[command(after_help = "Example:\n  acteon time-intervals delete office --namespace monitoring --tenant acme-corp")]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The time interval's name
        name: String,
    },
}

impl Operator for TimeIntervals {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask } => ask.list(CommandKind::ListTimeIntervals {}, &COLUMNS),
            Self::Create { ask, file } => ask.act(CommandKind::CreateTimeInterval { interval: input::file(file)? }),
            Self::Update { ask, file } => ask.act(CommandKind::UpdateTimeInterval { interval: input::file(file)? }),
            Self::Delete { ask, name } => ask.act(CommandKind::DeleteTimeInterval { name: name.clone() }),
        })
    }
}
