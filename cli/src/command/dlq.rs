//! `acteon dlq`: what could not be processed or delivered, and what is done with it.
//!
//! A dead letter's id is its place in the dead-letter topic. What was done with one is a record of that topic too
//! ([`acteon_schemas::DeadLetterResolution`]), behind it in its partition: lists fold the two.

mod entry;
mod read;
mod replay;
mod select;
mod write;

use crate::args::Global;
use crate::config::Config;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::output::{Output, count};
use acteon_schemas::Resolution;
use anyhow::Result;
use clap::{Args, Subcommand};
use entry::{Entry, Id};
use replay::{Done, Replayer};
use select::Filter;
use std::collections::BTreeMap;
use std::time::Duration;
use write::Writer;

/// Most dead letters that one command replays or drops.
pub(crate) const MAX_SELECTED: usize = 10_000;
/// Columns of the list.
const COLUMNS: [&str; 8] = ["id", "at", "code", "holds", "provider", "tenant", "source", "message"];
/// The same with what was done.
const RESOLVED_COLUMNS: [&str; 9] =
    ["id", "at", "code", "holds", "provider", "tenant", "source", "resolution", "message"];

/// What could not be processed or delivered: look at it, send it again, drop it
#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List dead letters, the oldest of each partition first
    #[command(after_help = "\
Examples:
  acteon dlq list
  acteon dlq list --provider slack --code TIMEOUT --since 2h
  acteon dlq list --namespace monitoring --tenant acme-corp --json")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// Show those that were replayed or dropped as well
        #[arg(long)]
        resolved: bool,
        /// Most entries
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a dead letter with its value
    #[command(after_help = "Example:\n  acteon dlq show 3/42")]
    Show {
        /// Its id, as in the list: partition/offset
        id: Id,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again: dispatches with their idempotency key, other records to the topic that they came from
    #[command(after_help = "\
Examples:
  acteon dlq replay 3/42 3/57
  acteon dlq replay --all --provider slack --since 2h

A dead letter is marked as replayed once that has been taken. Where no processor answers in time it is
not, and the dispatch may still be made.")]
    Replay {
        #[command(flatten)]
        choice: Choice,
        /// Give up when nothing is answered for this long
        #[arg(long, default_value = "10s", value_parser = duration::parse, value_name = "TIME")]
        timeout: Duration,
    },
    /// Mark dead letters as not wanted any more
    #[command(after_help = "\
Examples:
  acteon dlq drop 3/42
  acteon dlq drop --all --code INVALID_JSON")]
    Drop {
        #[command(flatten)]
        choice: Choice,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// Ids, as in the list: partition/offset
    #[arg(required_unless_present = "all", conflicts_with = "all", num_args = 1..=MAX_SELECTED)]
    ids: Vec<Id>,
    /// All that the filters choose; at most 10,000 at a time
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Who does it, for the record
    #[arg(long, env = "USER", value_name = "NAME")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Dlq {
    /// Does it.
    ///
    /// # Errors
    /// Kafka can't be reached, or there is no such dead letter.
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load_quietly()?;
        match self {
            Self::List { filter, resolved, limit, json } => list(&config, filter, *resolved, *limit as usize, *json),
            Self::Show { id, json } => show(&config, *id, *json),
            Self::Replay { choice, timeout } => {
                let mut replayer = Replayer::start(&config, choice.by.as_deref(), *timeout)?;
                let chosen = choice.choose(&config)?;
                let mut done = Vec::with_capacity(chosen.len());
                read::each(&config, &chosen, |id, record| replayer.take(id, &chosen[&id], record, &mut done))?;
                replayer.finish(&mut done)?;
                choice.tell(Resolution::Replayed, &done)
            }
            Self::Drop { choice } => {
                let writer = Writer::start(&config)?;
                let mut done = Vec::new();
                for id in choice.choose(&config)?.into_keys() {
                    writer.resolve(id, Resolution::Dropped, choice.by.as_deref())?;
                    done.push(Done { id, problem: None });
                }
                choice.tell(Resolution::Dropped, &done)
            }
        }
    }
}

impl Choice {
    /// The dead letters, none of which was dealt with before.
    fn choose(&self, config: &Config) -> Result<BTreeMap<Id, Entry>> {
        if self.all {
            let found = read::scan(config, None, |entry| self.filter.takes(entry))?;
            let open: BTreeMap<_, _> = found.into_iter().filter(|(_, entry)| entry.resolution.is_none()).collect();
            if open.len() > MAX_SELECTED {
                let message = format!(
                    "{} dead letters match; one command takes at most {MAX_SELECTED}: narrow them down by --since, --code, \
                     --provider or --tenant",
                    open.len()
                );
                return Err(Failure::error(Exit::Refused, message));
            }
            return Ok(open);
        }
        if !self.filter.is_empty() {
            return Err(Failure::error(
                Exit::Refused,
                "filters choose among all dead letters: leave the ids out, and add --all",
            ));
        }
        let found = read::scan(config, Some(&self.ids), |entry| self.ids.contains(&entry.id))?;
        for id in &self.ids {
            let problem = match found.get(id) {
                None => format!("there is no dead letter {id} in {}", config.topology.names.dlq()),
                Some(Entry { resolution: Some(done), .. }) => format!("dead letter {id} was {} before", done.as_str()),
                Some(_) => continue,
            };
            return Err(Failure::error(Exit::Failed, problem));
        }
        Ok(found)
    }

    /// Tells what was done.
    fn tell(&self, what: Resolution, done: &[Done]) -> Result<Exit> {
        let mut output = Output::stdout();
        let failed: Vec<_> = done.iter().filter(|done| done.problem.is_some()).collect();
        for one in done.iter().filter(|_| self.json) {
            output.json(&one.shown(what))?;
        }
        if !self.json {
            for one in &failed {
                output.line(format!("{}: {}", one.id, one.problem.as_deref().unwrap_or_default()))?;
            }
            output.line(format!("{} {}", count(done.len() - failed.len(), "dead letter"), what.as_str()))?;
        }
        output.flush()?;
        Ok(if failed.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn list(config: &Config, filter: &Filter, resolved: bool, limit: usize, json: bool) -> Result<Exit> {
    let mut found = read::scan(config, None, |entry| filter.takes(entry))?;
    if !resolved {
        found.retain(|_, entry| entry.resolution.is_none());
    }
    let mut output = Output::stdout();
    if json {
        for entry in found.values().take(limit) {
            output.json(&entry.shown())?;
        }
    } else if found.is_empty() {
        output.line("none")?;
    } else {
        let columns: &[&str] = if resolved { &RESOLVED_COLUMNS } else { &COLUMNS };
        output.table(columns, found.values().take(limit).map(|entry| entry.row(columns)))?;
        if found.len() > limit {
            output.line(format!("{} more: --limit", found.len() - limit))?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn show(config: &Config, id: Id, json: bool) -> Result<Exit> {
    let found = read::scan(config, Some(&[id]), |entry| entry.id == id)?;
    let Some(entry) = found.get(&id) else {
        let message = format!("there is no dead letter {id} in {}", config.topology.names.dlq());
        return Err(Failure::error(Exit::Failed, message));
    };
    let mut shown = entry.shown();
    read::each(config, &found, |_, record| {
        shown["value"] = entry::value(record);
        Ok(())
    })?;
    let mut output = Output::stdout();
    if json {
        output.json(&shown)?;
    } else {
        let fields = shown.as_object().into_iter().flatten().filter(|(name, _)| *name != "value");
        output.table(&["field", "value"], fields.map(|(name, value)| vec![name.clone(), entry::cell(value)]))?;
        output.line(match &shown["value"] {
            serde_json::Value::String(text) => format!("\n{text}"),
            value => format!("\n{value:#}"),
        })?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
