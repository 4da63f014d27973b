//! Templates of a tenant: texts that its profiles refer to.

use super::{Ask, Operator, Part, Request, input};
use acteon_schemas::{CommandKind, RenderRequest, TemplateDefinition};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns of the list.
const COLUMNS: [&str; 4] = ["name", "description", "content", "updated_at"];

/// Templates of a tenant: texts that its profiles refer to
#[derive(Debug, Subcommand)]
pub(crate) enum Templates {
    /// List templates
    #[command(after_help = "Example:\n  acteon templates list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        part: Part,
    },
    /// Show one
    #[command(after_help = "Example:\n  acteon templates show alert-body --namespace monitoring --tenant acme-corp")]
    Show {
        #[command(flatten)]
        ask: Ask,
        /// The template's name
        name: String,
    },
    /// Define a template
    #[command(
        after_help = "Example:\n  acteon templates create alert-body alert.html --namespace monitoring --tenant acme-corp\n  \n  alert.html:\n    <h2>{{ severity | upper }}: {{ service }}</h2>"
    )]
    Create {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        definition: Definition,
    },
    /// Put another one in the place of the one with its name
    #[command(
        after_help = "Example:\n  acteon templates update alert-body alert.html --namespace monitoring --tenant acme-corp"
    )]
    Update {
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        definition: Definition,
    },
    /// Remove one that no profile refers to
    #[command(after_help = "Example:\n  acteon templates delete alert-body --namespace monitoring --tenant acme-corp")]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The template's name
        name: String,
    },
    /// Show what a profile or a template makes of a payload
    #[command(
        after_help = "Example:\n  acteon templates render alert-email '{\"severity\": \"high\"}' --namespace monitoring --tenant acme-corp"
    )]
    Render {
        #[command(flatten)]
        ask: Ask,
        /// The name of a profile or else of a template, or a text with templates
        #[arg(value_name = "NAME")]
        template: String,
        /// The action's payload, as JSON
        #[arg(value_parser = input::json, default_value = "{}")]
        payload: Value,
        /// A label of the action: key=value
        #[arg(long, value_parser = input::pair)]
        metadata: Vec<(String, String)>,
    },
}

/// What a template is.
#[derive(Debug, Args)]
pub(crate) struct Definition {
    /// The template's name
    name: String,
    /// The file with its text; - is standard input
    file: String,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// A label: key=value
    #[arg(long = "label", value_parser = input::pair, value_name = "KEY=VALUE")]
    labels: Vec<(String, String)>,
}

impl Definition {
    fn read(&self) -> Result<TemplateDefinition> {
        Ok(TemplateDefinition {
            name: self.name.clone(),
            content: input::text(&self.file)?,
            description: self.description.clone(),
            labels: self.labels.iter().cloned().collect(),
        })
    }
}

impl Operator for Templates {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, part } => ask.list(CommandKind::ListTemplates { page: part.page() }, &COLUMNS),
            Self::Show { ask, name } => ask.act(CommandKind::ShowTemplate { name: name.clone() }),
            Self::Create { ask, definition } => ask.act(CommandKind::CreateTemplate { template: definition.read()? }),
            Self::Update { ask, definition } => ask.act(CommandKind::UpdateTemplate { template: definition.read()? }),
            Self::Delete { ask, name } => ask.act(CommandKind::DeleteTemplate { name: name.clone() }),
            Self::Render { ask, template, payload, metadata } => {
                let metadata: BTreeMap<String, String> = metadata.iter().cloned().collect();
                let request = RenderRequest { template: template.clone(), payload: payload.clone(), metadata };
                ask.act(CommandKind::RenderTemplate { request })
            }
        })
    }
}
