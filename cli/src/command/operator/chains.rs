//! Chains: several steps, one after the other.

use super::{Ask, Operator, Part, Request, input};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

/// Columns of the list.
const COLUMNS: [&str; 7] =
    ["chain_id", "chain_name", "status", "current_step", "total_steps", "started_at", "updated_at"];

/// Chains: several steps, one after the other
#[derive(Debug, Subcommand)]
pub(crate) enum Chains {
    /// List chains
    #[command(after_help = "Example:\n  acteon chains list --namespace monitoring --tenant acme-corp --status running")]
    List {
        #[command(flatten)]
        ask: Ask,
        /// Those of this status: running, paused, completed, failed, cancelled, timed_out, …
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show a chain with its steps and their attempts
    #[command(
        after_help = "Example:\n  acteon chains show 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The chain's id
        chain_id: String,
    },
    /// Start a chain with an action that no rule looks at
    #[command(
        after_help = "Example:\n  acteon chains start order-processing --action order.json --namespace monitoring --tenant acme-corp"
    )]
    Start {
        #[command(flatten)]
        ask: Ask,
        /// Its definition
        chain: String,
        /// The action as JSON; - is standard input. It belongs to the command's namespace and tenant, and need not name them
        #[arg(long, value_name = "FILE")]
        action: String,
    },
    /// Call a chain off
    #[command(
        after_help = "Example:\n  acteon chains cancel 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp --reason \"wrong order\""
    )]
    Cancel {
        #[command(flatten)]
        ask: Ask,
        /// The chain's id
        chain_id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take no further step until it is resumed
    #[command(
        after_help = "Example:\n  acteon chains pause 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Pause {
        #[command(flatten)]
        ask: Ask,
        /// The chain's id
        chain_id: String,
    },
    /// End a pause
    #[command(
        after_help = "Example:\n  acteon chains resume 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Resume {
        #[command(flatten)]
        ask: Ask,
        /// The chain's id
        chain_id: String,
    },
    /// Give a chain the signal that a step of it waits for
    #[command(
        after_help = "Example:\n  acteon chains signal 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 delivered --payload '{\"signed\":true}' --namespace monitoring --tenant acme-corp"
    )]
    Signal {
        #[command(flatten)]
        ask: Ask,
        /// The chain's id
        chain_id: String,
        /// The signal's name
        signal: String,
        /// What it says, as JSON: the step's body
        #[arg(long, value_name = "JSON", value_parser = input::json)]
        payload: Option<Value>,
    },
}

impl Operator for Chains {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, status, part } => {
                ask.list(CommandKind::ListChains { status: status.clone(), page: part.page() }, &COLUMNS)
            }
            Self::Show { ask, chain_id } => {
                ask.act(CommandKind::ShowChain { chain_id: chain_id.clone(), with_definition: false })
            }
            Self::Start { ask, chain, action } => {
                let action = belonging(ask, input::file(action)?);
                ask.act(CommandKind::StartChain { chain: chain.clone(), action })
            }
            Self::Cancel { ask, chain_id, reason } => ask.act(CommandKind::CancelChain {
                chain_id: chain_id.clone(),
                reason: reason.clone(),
                cancelled_by: ask.by.clone(),
            }),
            Self::Pause { ask, chain_id } => ask.act(CommandKind::PauseChain { chain_id: chain_id.clone() }),
            Self::Resume { ask, chain_id } => ask.act(CommandKind::ResumeChain { chain_id: chain_id.clone() }),
            Self::Signal { ask, chain_id, signal, payload } => ask.act(CommandKind::Signal {
                chain_id: chain_id.clone(),
                signal: signal.clone(),
                payload: payload.clone().unwrap_or_default(),
            }),
        })
    }
}

/// An action with the namespace and tenant of the command, where it names none. Others are the processor's to refuse.
fn belonging(ask: &Ask, mut action: Value) -> Value {
    if let Value::Object(fields) = &mut action {
        for (name, value) in [("namespace", &ask.namespace), ("tenant", &ask.tenant)] {
            fields.entry(name).or_insert_with(|| json!(value));
        }
    }
    action
}
