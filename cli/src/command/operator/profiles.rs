//! Profiles of a tenant: how payloads are made of those that actions come with.

use super::{Ask, Operator, Part, Request, input};
use acteon_schemas::CommandKind;
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 4] = ["name", "description", "fields", "updated_at"];

/// Profiles of a tenant: how payloads are made of those that actions come with
#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// List profiles
    #[command(after_help = "Example:\n  acteon profiles list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Show one
    #[command(after_help = "Example:\n  acteon profiles show alert-email --namespace monitoring --tenant acme-corp")]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The profile's name
        name: String,
    },
    /// Define a profile, which actions name in `template`
    #[command(
        after_help = "Example:\n  acteon profiles create alert-email.json --namespace monitoring --tenant acme-corp\n  \n  alert-email.json:\n    {\"name\": \"alert-email\",\n     \"fields\": {\"subject\": \"[{{ severity | upper }}] {{ service }}\", \"html_body\": {\"$ref\": \"alert-body\"}}}"
    )]
    Create {
        #[command(flatten)]
        ask: Ask,
        /// What it is, as JSON (name, fields, description, labels); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Put another one in the place of the one with its name
    #[command(
        after_help = "Example:\n  acteon profiles update alert-email.json --namespace monitoring --tenant acme-corp"
    )]
    Update {
        #[command(flatten)]
        ask: Ask,
        /// What it is, as JSON (name, fields, description, labels); - is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Remove one
    #[command(after_help = "Example:\n  acteon profiles delete alert-email --namespace monitoring --tenant acme-corp")]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The profile's name
        name: String,
    },
}

impl Operator for Profiles {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListProfiles { page: part.page() }, &COLUMNS),
            Self::Show { ask, name } => ask.act(CommandKind::ShowProfile { name: name.clone() }),
            Self::Create { ask, file } => ask.act(CommandKind::CreateProfile { profile: input::file(file)? }),
            Self::Update { ask, file } => ask.act(CommandKind::UpdateProfile { profile: input::file(file)? }),
            Self::Delete { ask, name } => ask.act(CommandKind::DeleteProfile { name: name.clone() }),
        })
    }
}
