use crate::args::Global;
use crate::definitions::{self, RuleFiles};
use crate::exit::{Exit, Failure};
use crate::output::{Output, count};
use acteon_schemas::Definition;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Publish rules and settings to a running system
///
/// Nothing is published if anything is wrong. Processors take the new rules between two actions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon rules apply
  acteon rules apply rules -c production.toml")]
pub(crate) struct Apply {
    /// The directory [default: [rules] directory of the configuration]
    directory: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Apply {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load(&global.overrides())?.config;
        let directory = self.directory.as_deref().unwrap_or(&config.rules.directory);
        let files = RuleFiles::read(directory)?;
        let checked = files.check(&config, true);
        if checked.has_errors() {
            return Err(Failure::error(
                Exit::Failed,
                format!("{}\nnothing was published", checked.errors().join("\n")),
            ));
        }
        let definitions: Vec<Definition> = definitions::of(&config, &files)?;
        let changed = acteon_runtime::definitions::publish(&config.kafka, &config.topology.names, &definitions)?;
        let rules = checked.rule_count().unwrap_or(0);
        let mut output = Output::stdout();
        if self.json {
            output.json(&json!({ "rules": rules, "changed": changed }))?;
        } else if changed == 0 {
            output.line(format!("{}: as they are running", count(rules, "rule")))?;
        } else {
            output.line(format!("{} published; {} changed", count(rules, "rule"), count(changed, "definition")))?;
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}
