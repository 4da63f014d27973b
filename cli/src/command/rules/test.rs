use super::scenario;
use crate::args::Global;
use crate::clock::Stopwatch;
use crate::exit::{Exit, Failure};
use crate::output::{Output, count};
use acteon_scenario::{Case, Mode, Report, junit};
use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Most scenario files of one run.
const MAX_FILES: usize = 10_000;

/// Play scenario files: what shall become of actions, tried on the rules without a broker
///
/// A scenario sends actions and commands, moves the clock, says how providers answer, and what all that shall lead to. The
/// first step that comes out otherwise is shown with its place, what was wanted, what was found, and the rules' trace.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon rules test examples/advanced-patterns/tests
  acteon rules test tests/orders.yaml --junit results.xml
  acteon rules test tests --partitions 8 --restored

A scenario, orders.yaml:
  name: an order that is sent twice is placed once
  config: ../acteon.toml                    # providers, chains, state machines; optional
  rules: ../rules                           # in place of the configuration's; optional
  start: 2026-03-02T10:00:00-05:00          # the clock; it moves only by advance
  defaults: {namespace: shop, tenant: acme, provider: warehouse, action_type: place_order}
  steps:
    - dispatch: {payload: {total: 12}, dedup_key: order-1, times: 2}
      expect: {outcomes: {executed: 1, deduplicated: 1}, dispatched: [{payload: {total: 12}}]}
    - provider: {name: warehouse, fail: {code: TIMEOUT}}
    - advance: 5m
    - dispatch: {payload: {total: 12}, dedup_key: order-1}
      expect: {outcome: failed, detail: {code: TIMEOUT}}

Connectors' own retries are not played: a provider's fail is what is left after them.
Exits with 1 if a scenario does not hold or can't be played.")]
pub(crate) struct Test {
    /// Scenario files, or folders with *.yaml and *.yml files of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the results to a file as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Partitions of the topics; the outcome is the same over any number of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    partitions: u16,
    /// Write the state out and read it back after every input; the outcome is the same
    #[arg(long)]
    restored: bool,
}

/// What came of one scenario.
struct Played {
    file: String,
    name: String,
    /// The report, or why there is none.
    result: Result<Report, String>,
    seconds: f64,
}

impl Played {
    fn holds(&self) -> bool {
        self.result.as_ref().is_ok_and(Report::holds)
    }

    /// What is wrong, over several lines.
    fn problem(&self) -> Option<String> {
        match &self.result {
            Ok(report) if report.holds() => None,
            Ok(report) => Some(report.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
            Err(error) => Some(error.clone()),
        }
    }

    fn json(&self) -> Value {
        let (steps, checked, failures, error) = match &self.result {
            Ok(report) => (report.steps, report.checked, json!(report.failures), None),
            Err(error) => (0, 0, json!([]), Some(error)),
        };
        json!({
            "name": self.name, "file": self.file, "holds": self.holds(), "steps": steps, "checked": checked,
            "failures": failures, "error": error, "seconds": self.seconds,
        })
    }
}

impl Test {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let mode = Mode { partitions: self.partitions, restored: self.restored };
        let mut played = Vec::new();
        for file in scenario_files(&self.files)? {
            let watch = Stopwatch::start();
            let (name, result) = scenario::play(&file, global, mode);
            let seconds = watch.elapsed().as_secs_f64();
            played.push(Played { name, result, seconds, file });
        }
        if let Some(path) = &self.junit {
            let cases: Vec<Case> = played.iter().map(case).collect();
            fs::write(path, junit(&cases)).with_context(|| format!("can't write {}", path.display()))?;
        }
        let failed = played.iter().filter(|played| !played.holds()).count();
        let mut output = Output::stdout();
        if self.json {
            let scenarios: Vec<Value> = played.iter().map(Played::json).collect();
            output.json(&json!({"passed": played.len() - failed, "failed": failed, "scenarios": scenarios}))?;
        } else {
            show(&played, failed, &mut output)?;
        }
        output.flush()?;
        Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
    }
}

fn case(played: &Played) -> Case {
    Case { name: played.name.clone(), file: played.file.clone(), seconds: played.seconds, failure: played.problem() }
}

fn show(played: &[Played], failed: usize, output: &mut Output) -> Result<()> {
    output.table(
        &["result", "scenario", "steps", "checked", "file"],
        played.iter().map(|played| {
            let (steps, checked) = played.result.as_ref().map_or((0, 0), |report| (report.steps, report.checked));
            let result = if played.holds() { "passed" } else { "FAILED" };
            vec![result.to_owned(), played.name.clone(), steps.to_string(), checked.to_string(), played.file.clone()]
        }),
    )?;
    for problem in played.iter().filter_map(Played::problem) {
        output.line(format!("\n{problem}"))?;
    }
    let passed = played.len() - failed;
    output.line(format!("\n{}: {passed} passed, {failed} failed", count(played.len(), "scenario")))?;
    Ok(())
}

/// The files that were named, and those of the folders that were, sorted by name.
fn scenario_files(named: &[PathBuf]) -> Result<Vec<String>> {
    let refuse = |message: String| Err(Failure::error(Exit::Refused, message));
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.display().to_string());
            continue;
        }
        let mut found = in_folder(path).with_context(|| format!("can't read {}", path.display()))?;
        if found.is_empty() {
            return refuse(format!("{}: there is no *.yaml or *.yml file in it", path.display()));
        }
        found.sort();
        files.append(&mut found);
    }
    match files.len() {
        n if n > MAX_FILES => refuse(format!("{n} scenario files; one run may have {MAX_FILES}")),
        _ => Ok(files),
    }
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !is_hidden && path.is_file() {
            files.push(path.display().to_string());
        }
    }
    Ok(files)
}
