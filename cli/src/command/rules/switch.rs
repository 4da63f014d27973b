use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use acteon_core::Definitions;
use acteon_runtime::definitions::{self, EditError};
use acteon_schemas::{Definition, RuleSwitch};
use anyhow::Result;
use clap::Args;
use serde_json::json;

/// Enable a rule of a running system, whatever its file says
#[derive(Debug, Args)]
#[command(
    after_help = "It stays so until it is disabled, or restored to what its file says.\n\nExample:\n  acteon rules enable dedup-alerts"
)]
pub(crate) struct Enable {
    #[command(flatten)]
    which: Which,
}

/// Disable a rule of a running system, whatever its file says
#[derive(Debug, Args)]
#[command(
    after_help = "It stays so until it is enabled, or restored to what its file says.\n\nExample:\n  acteon rules disable dedup-alerts"
)]
pub(crate) struct Disable {
    #[command(flatten)]
    which: Which,
}

/// Let a rule's file say again whether it is enabled
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acteon rules restore dedup-alerts")]
pub(crate) struct Restore {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The rule's name
    rule: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Enable {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        self.which.set(global, Some(true))
    }
}

impl Disable {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        self.which.set(global, Some(false))
    }
}

impl Restore {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        self.which.set(global, None)
    }
}

impl Which {
    fn set(&self, global: &Global, enabled: Option<bool>) -> Result<Exit> {
        let config = global.load_quietly()?;
        let (kafka, names) = (&config.kafka, &config.topology.names);
        let failed = |message: String| Failure::error(Exit::Failed, message);
        let known = definitions::read(kafka, names)?.compile(&config.secrets)?;
        if known.ok_or_else(|| failed(EditError::Unpublished.to_string()))?.rules.rule(&self.rule).is_none() {
            let message = format!("there is no rule `{}` among those that are published", self.rule);
            return Err(failed(message));
        }
        let switch = RuleSwitch { name: self.rule.clone(), enabled: enabled.unwrap_or_default() };
        let switch = Definition::RuleSwitch(switch);
        let (key, value) = (switch.key(), enabled.map(|_| &switch));
        let edited = definitions::edit(kafka, names, &config.secrets, &key, value);
        let now = edited.map_err(|error| match error {
            EditError::Refused(_) | EditError::Unpublished => failed(error.to_string()),
            EditError::Kafka(error) => error.into(),
        })?;
        self.show(&now)
    }

    fn show(&self, now: &Definitions) -> Result<Exit> {
        let enabled = now.rules.rule(&self.rule).is_some_and(|rule| rule.enabled);
        let switched = now.switches.contains_key(&self.rule);
        let status = if enabled { "enabled" } else { "disabled" };
        let mut output = Output::stdout();
        if self.json {
            output.json(&json!({"name": self.rule, "enabled": enabled, "status": status, "switched": switched}))?;
        } else {
            let by = if switched { "by hand" } else { "as its file says" };
            output.line(format!("{} is {status}, {by}", self.rule))?;
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}
