use crate::args::Global;
use crate::config::{self, Loaded, Problem, Refused, Severity, shown};
use crate::exit::Exit;
use crate::output::{Output, count};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

/// Look at the configuration
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Check(Check),
}

/// Say what is wrong with the configuration, or show it as it takes effect, without secrets
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon config check
  acteon config check -c production.toml --json

Exits with 1 if there are errors.")]
pub(crate) struct Check {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ConfigCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let Self::Check(check) = self;
        let mut output = Output::stdout();
        let exit = match config::load(global.config.as_deref(), &global.overrides()) {
            Ok(loaded) => check.accepted(&loaded, &mut output)?,
            Err(Refused(problems)) => check.refused(&problems, &mut output)?,
        };
        output.flush()?;
        Ok(exit)
    }
}

impl Check {
    fn accepted(&self, loaded: &Loaded, output: &mut Output) -> Result<Exit> {
        let effective = shown(&loaded.config);
        let file = loaded.file.as_ref().map(|file| file.display().to_string());
        if self.json {
            output.json(&json!({ "valid": true, "file": file, "problems": loaded.warnings, "config": effective }))?;
            return Ok(Exit::Done);
        }
        for warning in &loaded.warnings {
            output.line(warning.to_string())?;
        }
        let file = file.unwrap_or_else(|| format!("no {}: these are the defaults", config::DEFAULT_FILE));
        let warnings = count(loaded.warnings.len(), "warning");
        output.line(format!("# {file}, {warnings}; as it takes effect:"))?;
        output.line(toml::to_string(&effective)?)?;
        Ok(Exit::Done)
    }

    fn refused(&self, problems: &[Problem], output: &mut Output) -> Result<Exit> {
        if self.json {
            output.json(&json!({ "valid": false, "problems": problems }))?;
            return Ok(Exit::Failed);
        }
        for problem in problems {
            output.line(problem.to_string())?;
        }
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        output.line(format!("{}, {}", count(errors, "error"), count(problems.len() - errors, "warning")))?;
        Ok(Exit::Failed)
    }
}
