//! Events of state machines: what is going on, and in which state.

use super::{Ask, Operator, Part, Request};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 5] = ["fingerprint", "state", "state_machine", "action_type", "updated_at"];

/// Events of state machines: what is going on, and in which state
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// List events
    #[command(after_help = "Example:\n  acteon events list --namespace monitoring --tenant acme-corp --state firing")]
    List {
        #[command(flatten)]
        ask: Ask,
        /// Those in this state
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show an event
    #[command(after_help = "Example:\n  acteon events show web-1:cpu --namespace monitoring --tenant acme-corp")]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The event
        fingerprint: String,
    },
    /// Move an event to another state
    #[command(
        after_help = "Example:\n  acteon events transition web-1:cpu acknowledged --namespace monitoring --tenant acme-corp"
    )]
    Transition {
        #[command(flatten)]
        ask: Ask,
        /// The event
        fingerprint: String,
        /// The state
        to: String,
    },
}

impl Operator for Events {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, state, part } => {
                ask.list(CommandKind::ListEvents { state: state.clone(), page: part.page() }, &COLUMNS)
            }
            Self::Show { ask, fingerprint } => ask.act(CommandKind::ShowEvent { fingerprint: fingerprint.clone() }),
            Self::Transition { ask, fingerprint, to } => {
                ask.act(CommandKind::Transition { fingerprint: fingerprint.clone(), to: to.clone() })
            }
        })
    }
}
