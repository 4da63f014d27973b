use crate::args::Global;
use crate::config::{self, Config, Loaded, Problem, Refused, Severity, shown};
use crate::definitions;
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
        let (errors, warnings) = definitions::problems(&loaded.config);
        let failed = !errors.is_empty();
        let file = loaded.file.as_ref().map(|file| file.display().to_string());
        let problem =
            |severity, message| Problem { severity, source: file.clone().unwrap_or_default(), place: None, message };
        let warnings = warnings.into_iter().map(|message| problem(Severity::Warning, message));
        let errors = errors.into_iter().map(|message| problem(Severity::Error, message));
        let problems: Vec<Problem> = loaded.warnings.iter().cloned().chain(warnings).chain(errors).collect();
        if failed {
            // Written well, and impossible.
            return self.refused(&problems, output);
        }
        if self.json {
            output.json(&json!({ "valid": true, "file": file, "problems": problems, "config": effective }))?;
            return Ok(Exit::Done);
        }
        for problem in &problems {
            output.line(problem.to_string())?;
        }
        let file = file.unwrap_or_else(|| format!("no {}: these are the defaults", config::DEFAULT_FILE));
        let warnings = count(problems.len(), "warning");
        output.line(format!("# {file}, {warnings}; as it takes effect:"))?;
        for line in summary(&loaded.config) {
            output.line(format!("# {line}"))?;
        }
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

/// The names of what the configuration defines, a line for each kind that there is.
fn summary(config: &Config) -> Vec<String> {
    let chains =
        config.chains.definitions.iter().map(|chain| format!("{} ({})", chain.name, count(chain.steps.len(), "step")));
    let machines = config
        .state_machines
        .iter()
        .map(|machine| format!("{} ({})", machine.name, count(machine.states.len(), "state")));
    let intervals = config.time_intervals.iter().map(|interval| interval.name.clone());
    let keys =
        config.secrets.approval_keys.iter().map(|(id, _)| id.clone().unwrap_or_else(|| "approval_secret".to_owned()));
    let lines: [(&str, Vec<String>); 4] = [
        ("chains", chains.collect()),
        ("state machines", machines.collect()),
        ("time intervals", intervals.collect()),
        ("approval keys", keys.collect()),
    ];
    lines
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| format!("{kind}: {}", names.join(", ")))
        .collect()
}
