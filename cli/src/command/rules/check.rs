use crate::args::Global;
use crate::definitions::RuleFiles;
use crate::exit::Exit;
use crate::output::{Output, count};
use acteon_rules::Severity;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Say what is wrong or doubtful with rule files: file, line, column, and what may have been meant
///
/// Providers that rules name are looked up in the configuration file, where there is one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon rules check rules
  acteon rules check examples/quickstart/rules -c examples/quickstart/acteon.toml --json

Exits with 1 if there are errors. Warnings, such as a rule that can never fire, are no errors.")]
pub(crate) struct Check {
    /// The directory [default: [rules] directory of the configuration]
    directory: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let loaded = global.load(&global.overrides())?;
        let directory = self.directory.as_deref().unwrap_or(&loaded.config.rules.directory);
        let files = RuleFiles::read(directory)?;
        let checked = files.check(&loaded.config, loaded.file.is_some());
        let diagnostics = checked.diagnostics();
        let errors = checked.errors().len();
        let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).count();
        let mut output = Output::stdout();
        if self.json {
            output.json(&json!({
                "valid": errors == 0,
                "files": files.len(),
                "rules": checked.rule_count(),
                "diagnostics": diagnostics,
                "definitions": checked.definitions(),
            }))?;
        } else {
            for diagnostic in diagnostics {
                output.line(diagnostic.to_string())?;
            }
            for problem in checked.definitions() {
                output.line(format!("error: {problem}"))?;
            }
            let files = count(files.len(), "file");
            let what = match checked.rule_count() {
                Some(rules) => format!("{} in {files}", count(rules, "rule")),
                None => files,
            };
            let warnings = count(warnings, "warning");
            output.line(format!("{what}: {}, {warnings}", count(errors, "error")))?;
        }
        output.flush()?;
        Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
    }
}
