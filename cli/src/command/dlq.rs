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
use entry::Entry;
pub(crate) use entry::Id;
pub(crate) use replay::Done;
use replay::Replayer;
pub(crate) use select::Filter;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
                let done = replay(&config, choice.chosen()?, choice.by.as_deref(), *timeout)?;
                choice.tell(Resolution::Replayed, &done)
            }
            Self::Drop { choice } => {
                let done = discard(&config, choice.chosen()?, choice.by.as_deref())?;
                choice.tell(Resolution::Dropped, &done)
            }
        }
    }
}

/// Which dead letters something is done with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chosen<'c> {
    /// These.
    Ids(&'c [Id]),
    /// All that fit and were not dealt with.
    All(&'c Filter),
}

/// Why nothing is done with dead letters.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// There is none of this id.
    Unknown(String),
    /// It was dealt with before.
    Resolved(String),
    /// Too many fit.
    TooMany(String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(text) | Self::Resolved(text) | Self::TooMany(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Unfit {}

impl Unfit {
    /// The exit code of a command that meets it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unknown(_) | Self::Resolved(_) => Exit::Failed,
            Self::TooMany(_) => Exit::Refused,
        }
    }
}

/// The dead letters, none of which was dealt with before.
///
/// # Errors
/// [`Unfit`], or the topic can't be read.
fn choose(config: &Config, chosen: Chosen<'_>) -> Result<BTreeMap<Id, Entry>> {
    let ids = match chosen {
        Chosen::Ids(ids) => ids,
        Chosen::All(filter) => {
            let found = read::scan(config, None, |entry| filter.takes(entry))?;
            let open: BTreeMap<_, _> = found.into_iter().filter(|(_, entry)| entry.resolution.is_none()).collect();
            if open.len() > MAX_SELECTED {
                let message = format!(
                    "{} dead letters match; {MAX_SELECTED} are dealt with at a time: narrow them down by since, code, \
                     provider or tenant",
                    open.len()
                );
                return Err(Unfit::TooMany(message).into());
            }
            return Ok(open);
        }
    };
    let wanted: BTreeSet<Id> = ids.iter().copied().collect();
    let found = read::scan(config, Some(ids), |entry| wanted.contains(&entry.id))?;
    for id in ids {
        return Err(match found.get(id) {
            None => Unfit::Unknown(format!("there is no dead letter {id} in {}", config.topology.names.dlq())),
            Some(Entry { resolution: Some(done), .. }) => {
                Unfit::Resolved(format!("dead letter {id} was {} before", done.as_str()))
            }
            Some(_) => continue,
        }
        .into());
    }
    Ok(found)
}

/// Sends dead letters again.
///
/// # Errors
/// [`Unfit`], or Kafka can't be reached.
pub(crate) fn replay(config: &Config, chosen: Chosen<'_>, by: Option<&str>, timeout: Duration) -> Result<Vec<Done>> {
    let mut replayer = Replayer::start(config, by, timeout)?;
    let chosen = choose(config, chosen)?;
    let mut done = Vec::with_capacity(chosen.len());
    read::each(config, &chosen, |id, record| replayer.take(id, &chosen[&id], record, &mut done))?;
    replayer.finish(&mut done)?;
    Ok(done)
}

/// Marks dead letters as not wanted any more.
///
/// # Errors
/// [`Unfit`], or Kafka can't be reached.
pub(crate) fn discard(config: &Config, chosen: Chosen<'_>, by: Option<&str>) -> Result<Vec<Done>> {
    let writer = Writer::start(config)?;
    let mut done = Vec::new();
    for id in choose(config, chosen)?.into_keys() {
        writer.resolve(id, Resolution::Dropped, by)?;
        done.push(Done { id, problem: None });
    }
    Ok(done)
}

/// Dead letters as they are shown, without their values; with `resolved` those as well that were dealt with.
///
/// # Errors
/// The topic can't be read, or too many fit.
pub(crate) fn found(config: &Config, filter: &Filter, resolved: bool) -> Result<Vec<Value>> {
    let found = read::scan(config, None, |entry| filter.takes(entry))?;
    Ok(found.values().filter(|entry| resolved || entry.resolution.is_none()).map(Entry::shown).collect())
}

/// A dead letter with its value.
///
/// # Errors
/// There is none of this id, or the topic can't be read.
pub(crate) fn one(config: &Config, id: Id) -> Result<Value> {
    let found = read::scan(config, Some(&[id]), |entry| entry.id == id)?;
    let unknown = || Unfit::Unknown(format!("there is no dead letter {id} in {}", config.topology.names.dlq()));
    let mut shown = found.get(&id).ok_or_else(unknown)?.shown();
    read::each(config, &found, |_, record| {
        shown["value"] = entry::value(record);
        Ok(())
    })?;
    Ok(shown)
}

impl Choice {
    /// What the flags choose.
    fn chosen(&self) -> Result<Chosen<'_>> {
        if self.all {
            return Ok(Chosen::All(&self.filter));
        }
        if !self.filter.is_empty() {
            return Err(Failure::error(
                Exit::Refused,
                "filters choose among all dead letters: leave the ids out, and add --all",
            ));
        }
        Ok(Chosen::Ids(&self.ids))
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
    let shown = one(config, id)?;
    let mut output = Output::stdout();
    if json {
        output.json(&shown)?;
    } else {
        let fields = shown.as_object().into_iter().flatten().filter(|(name, _)| *name != "value");
        output.table(&["field", "value"], fields.map(|(name, value)| vec![name.clone(), entry::cell(value)]))?;
        output.line(match &shown["value"] {
            Value::String(text) => format!("\n{text}"),
            value => format!("\n{value:#}"),
        })?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
