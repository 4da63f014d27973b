use crate::args::Global;
use crate::clock;
use crate::definitions::RuleFiles;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use acteon_core::{Explanation, MemoryState};
use acteon_rules::{TraceEntry, TraceResult};
use acteon_schemas::MAX_RECORD_BYTES;
use anyhow::{Context as _, Result};
use chrono::DateTime;
use clap::Args;
use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;

/// Show what the rules would decide about an action, and why, rule by rule
///
/// Nothing is sent or stored. State is empty: no action has been seen before, so that every gate lets this one pass.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon rules explain --action action.json
  head -1 examples/quickstart/actions.ndjson |
    acteon rules explain --action - --rules examples/quickstart/rules --now 2026-01-01T12:00:00Z")]
pub(crate) struct Explain {
    /// The action as JSON; - is standard input
    #[arg(long, value_name = "FILE")]
    action: String,
    /// The rules' directory [default: [rules] directory of the configuration]
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// The time of the decision (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_time(text: &str) -> Result<i64, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_millis())
        .map_err(|error| format!("{error}; use RFC 3339, as in 2026-01-01T12:00:00Z"))
}

impl Explain {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let mut loaded = global.load(&global.overrides())?;
        // Nothing is sent, so that nothing is signed: rules that ask for approval are explained without a secret.
        loaded.config.secrets.approval_keys.push((None, Vec::new()));
        let directory = self.rules.as_deref().unwrap_or(&loaded.config.rules.directory);
        let checked = RuleFiles::read(directory)?.check(&loaded.config, loaded.file.is_some());
        let rules = match checked.into_rules() {
            Ok(rules) => rules,
            Err(errors) => return Err(Failure::error(Exit::Failed, errors.join("\n"))),
        };
        let action = self.read_action()?;
        let now = self.now.unwrap_or_else(clock::now_ms);
        let explanation = acteon_core::explain(&rules, &mut MemoryState::default(), now, action.trim_ascii())
            .with_context(|| format!("the action in {} is refused", self.action))?;
        let mut output = Output::stdout();
        if self.json {
            output.json(&explanation)?;
        } else {
            show(&explanation, &mut output)?;
        }
        output.flush()?;
        Ok(Exit::Done)
    }

    fn read_action(&self) -> Result<Vec<u8>> {
        let reader: Box<dyn Read> = match self.action.as_str() {
            "-" => Box::new(stdin()),
            name => Box::new(File::open(name).with_context(|| format!("can't read {name}"))?),
        };
        // One byte more than a record may have: decoding then says that it is too large.
        let mut bytes = Vec::new();
        reader.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn show(explanation: &Explanation, output: &mut Output) -> Result<()> {
    output.table(
        &["priority", "rule", "action", "result", "why", "source"],
        explanation.trace.entries.iter().map(|entry| {
            vec![
                entry.priority.to_string(),
                entry.rule_name.clone(),
                entry.action.to_owned(),
                entry.result.to_string(),
                why(entry),
                entry.source.clone(),
            ]
        }),
    )?;
    let rule = explanation
        .matched_rule
        .as_ref()
        .map_or_else(|| "no rule decides: the default holds".to_owned(), |rule| format!("rule {rule} decides"));
    output.line(format!("\nverdict   {} ({rule})", explanation.verdict))?;
    output.line(format!("provider  {}", explanation.provider))?;
    output.line(format!("payload   {}", explanation.payload))?;
    Ok(())
}

fn why(entry: &TraceEntry) -> String {
    match entry.result {
        TraceResult::Matched => entry.effect.clone().unwrap_or_default(),
        TraceResult::Skipped => entry.skip_reason.clone().unwrap_or_default(),
        TraceResult::NotMatched => {
            let failures = entry.failures.iter().map(|failure| match &failure.type_mismatch {
                Some(mismatch) => format!("{}: found {}, {mismatch}", failure.predicate, failure.found),
                None => format!("{}: found {}", failure.predicate, failure.found),
            });
            failures.collect::<Vec<_>>().join("; ")
        }
    }
}
