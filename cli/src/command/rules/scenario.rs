//! A scenario file on a configuration file.

use crate::args::Global;
use crate::config::{self, Config, Refused, Severity};
use crate::definitions::{self, RuleFiles};
use acteon_connectors::ProviderConfig;
use acteon_scenario::{Mode, Report, Scenario, Setup};
use std::path::Path;

/// Type of the providers that answer by themselves.
const LOG: &str = "log";

/// Plays the scenario of a file: its name (its file's, where it can't be read), and the report or why there is none.
pub(super) fn play(file: &str, global: &Global, mode: Mode) -> (String, Result<Report, String>) {
    let scenario = match acteon_scenario::read(file) {
        Ok(scenario) => scenario,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return (file.to_owned(), Err(lines.join("\n")));
        }
    };
    let result = setup(&scenario, global)
        .and_then(|setup| acteon_scenario::run(&scenario, &setup, mode).map_err(|error| format!("{file}: {error}")));
    (scenario.name, result)
}

/// What a scenario runs on: the configuration that it names, else the one of the command line where there is one.
fn setup(scenario: &Scenario, global: &Global) -> Result<Setup, String> {
    let configured = match scenario.config.as_deref().or(global.config.as_deref()) {
        Some(path) => Some(configured(path, scenario, global)?),
        None => None,
    };
    Setup::new(scenario, configured).map_err(|error| format!("{}: {error}", scenario.file))
}

fn configured(path: &Path, scenario: &Scenario, global: &Global) -> Result<Setup, String> {
    let loaded = config::load(Some(path), &global.overrides()).map_err(|Refused(problems)| {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })?;
    let mut config = loaded.config;
    let files = if scenario.rules.is_empty() {
        find_rules(path, &mut config);
        RuleFiles::configured(&config).map_err(|error| format!("{}: {error:#}", path.display()))?
    } else {
        RuleFiles::default()
    };
    let is_log = |provider: &&ProviderConfig| provider.settings.type_name() == LOG;
    Ok(Setup {
        parts: definitions::parts(&config, &files),
        log_providers: config.providers.iter().filter(is_log).map(|provider| provider.name.clone()).collect(),
    })
}

/// A folder of rules that is not there from the working directory is looked for beside the configuration: a scenario is
/// played from anywhere.
fn find_rules(path: &Path, config: &mut Config) {
    let beside = path.parent().unwrap_or_else(|| Path::new("")).join(&config.rules.directory);
    if !config.rules.directory.exists() && beside.exists() {
        config.rules.directory = beside;
    }
}
