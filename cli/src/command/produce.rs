//! Sending actions from a file, and waiting for what becomes of them.

mod histogram;
mod input;
mod record;
mod sender;
mod tally;
mod waiting;

pub(crate) use sender::{Report, Sender};

use crate::args::Global;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;
use acteon_schemas::OutcomeRecord;
use acteon_topology::{Follower, From, Next};
use anyhow::Result;
use clap::Args;
use input::{Input, Line};
use rdkafka::Message as _;
use record::Prepared;
use serde_json::json;
use std::time::Duration;
use tally::{Row, Tally};
use waiting::{Answer, Sent, Waiting};

/// Most actions that are waited for at a time; reading pauses above it.
const MAX_WAITING: usize = 10_000;
/// Most records that are sent and not yet confirmed; reading pauses above it.
const MAX_UNCONFIRMED: usize = 50_000;
/// Most outcomes taken before the next action is read.
const OUTCOMES_AT_A_TIME: usize = 1_000;
/// How long one look for the next thing to happen takes.
const POLL: Duration = Duration::from_millis(10);
const NONE: Duration = Duration::ZERO;

/// Send actions from a file: one JSON object a line
///
/// An action needs namespace, tenant, provider, action_type and payload. One without an id is given a random one. A line
/// that is no valid action is reported with its number and not sent; the others are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon produce examples/quickstart/actions.ndjson --wait
  acteon produce actions.ndjson --wait --timeout 10s --json
  generate | acteon produce -

Exits with 1 if a line was refused, or with --wait if an action got no outcome in time.")]
pub(crate) struct Produce {
    /// The file; - is standard input
    file: String,
    /// Wait for the last outcome of each action, print it, and a summary at the end
    #[arg(long)]
    wait: bool,
    /// Give up when no outcome has come for this long
    #[arg(long, default_value = "30s", value_parser = duration::parse, requires = "wait", value_name = "TIME")]
    timeout: Duration,
    /// Send each line as it is, valid or not, without an id being added
    #[arg(long)]
    raw: bool,
    /// Print JSON: one object an action, and one with the summary
    #[arg(long)]
    json: bool,
}

impl Produce {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load_quietly()?;
        let input = Input::open(&self.file)?;
        let mut run = Run::start(self, &config, input)?;
        run.go()?;
        run.finish()
    }
}

/// One command under way.
struct Run<'r> {
    args: &'r Produce,
    input: Input,
    /// No more lines will come.
    input_ended: bool,
    /// A line that the full queue did not take.
    held: Option<(u64, Prepared)>,
    sender: Sender,
    follower: Option<Follower>,
    waiting: Waiting,
    tally: Tally,
    clock: Stopwatch,
    /// When something was last sent, or an outcome came.
    moved_at: Duration,
    output: Output,
    actions_topic: &'r str,
}

impl<'r> Run<'r> {
    fn start(args: &'r Produce, config: &'r Config, input: Input) -> Result<Self> {
        let names = &config.topology.names;
        let sender = Sender::start(&config.kafka, names.actions())?;
        // Before anything is sent, so that no outcome is missed.
        let follower = match args.wait {
            true => Some(Follower::start(&config.kafka, names.outcomes(), From::End)?),
            false => None,
        };
        let mut output = Output::stdout();
        if args.wait && !args.json {
            output.line(Row::header())?;
        }
        Ok(Self {
            args,
            input,
            input_ended: false,
            held: None,
            sender,
            follower,
            waiting: Waiting::default(),
            tally: Tally::default(),
            clock: Stopwatch::start(),
            moved_at: NONE,
            output,
            actions_topic: names.actions(),
        })
    }

    fn go(&mut self) -> Result<()> {
        loop {
            let read = self.read()?;
            self.confirm()?;
            let heard = self.hear(if read { NONE } else { POLL })?;
            if heard || read {
                self.moved_at = self.clock.elapsed();
            } else {
                self.output.flush()?;
            }
            let done = self.input_ended && self.held.is_none() && self.sender.unconfirmed() == 0;
            if done && (self.follower.is_none() || self.waiting.is_empty()) {
                return Ok(());
            }
            // An input that is slow to come is no reason to give up; outcomes that don't come are.
            let stuck = self.args.wait && !self.waiting.is_empty() && (done || self.full());
            if stuck && self.clock.elapsed().saturating_sub(self.moved_at) > self.args.timeout {
                return Ok(());
            }
        }
    }

    fn full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING || self.sender.unconfirmed() >= MAX_UNCONFIRMED
    }

    /// Takes a line and sends it. Returns whether there was one to take.
    fn read(&mut self) -> Result<bool> {
        if let Some((number, prepared)) = self.held.take() {
            return self.send(number, prepared);
        }
        if self.input_ended || self.full() {
            return Ok(false);
        }
        let wait = if self.follower.is_some() || self.sender.unconfirmed() > 0 { NONE } else { POLL };
        match self.input.next(wait) {
            Line::Text { number, bytes } => match record::prepare(&bytes, self.args.raw) {
                Ok(Some(prepared)) => return self.send(number, prepared),
                // An empty line.
                Ok(None) => {}
                Err(error) => self.refuse(number, &error.to_string())?,
            },
            Line::TooLong { number } => {
                self.refuse(number, &format!("is longer than {} bytes", input::MAX_LINE_BYTES))?;
            }
            Line::Failed(error) => return Err(error),
            Line::End => {
                self.input_ended = true;
                return Ok(false);
            }
            Line::NoneYet => return Ok(false),
        }
        Ok(true)
    }

    fn send(&mut self, number: u64, prepared: Prepared) -> Result<bool> {
        if !self.sender.send(number, prepared.key.as_deref().map(str::as_bytes), &prepared.value)? {
            self.held = Some((number, prepared));
            return Ok(false);
        }
        self.tally.sent += 1;
        if self.follower.is_some() {
            let at = self.clock.elapsed();
            self.waiting.sent(Sent { line: number, action_id: prepared.id, at, place: None });
        }
        Ok(true)
    }

    /// A line that is not sent.
    fn refuse(&mut self, number: u64, problem: &str) -> Result<()> {
        self.tally.refused += 1;
        if self.args.json {
            self.output.json(&json!({ "line": number, "refused": problem }))?;
        } else {
            eprintln!("{}:{number}: refused: {problem}", self.args.file);
        }
        Ok(())
    }

    /// Takes what brokers say about records.
    fn confirm(&mut self) -> Result<()> {
        for report in self.sender.reports() {
            self.reported(report)?;
        }
        for (sent, outcome) in self.waiting.settle() {
            self.show(&sent, Some(&outcome))?;
        }
        Ok(())
    }

    fn reported(&mut self, report: Report) -> Result<()> {
        match report.place {
            Ok((partition, offset)) => {
                self.waiting.confirmed(report.line, partition, offset);
                if self.args.json && !self.args.wait {
                    let place = json!({ "line": report.line, "partition": partition, "offset": offset });
                    self.output.json(&place)?;
                }
                Ok(())
            }
            Err(error) => {
                self.waiting.forget(report.line);
                self.tally.sent = self.tally.sent.saturating_sub(1);
                self.refuse(report.line, &format!("Kafka did not take it: {error}"))
            }
        }
    }

    /// Takes outcomes that are there, or waits for the first. Returns whether one was ours.
    fn hear(&mut self, mut timeout: Duration) -> Result<bool> {
        let mut ours = Vec::new();
        let Some(follower) = &mut self.follower else {
            self.sender.wait(timeout);
            return Ok(false);
        };
        for _ in 0..OUTCOMES_AT_A_TIME {
            let record = match follower.next(timeout)? {
                Next::Record(record) => record,
                Next::End => continue,
                Next::Nothing => break,
            };
            timeout = NONE;
            match serde_json::from_slice::<OutcomeRecord<'_>>(record.payload().unwrap_or_default()) {
                Ok(outcome) if outcome.is_final => {
                    if let Answer::Ours(sent) = self.waiting.answered(&outcome, self.actions_topic) {
                        ours.push((sent, waiting::Outcome::of(&outcome)));
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, offset = record.offset(), "outcome can't be read"),
            }
        }
        for (sent, outcome) in &ours {
            self.show(sent, Some(outcome))?;
        }
        Ok(!ours.is_empty())
    }

    /// Prints what became of an action; `None`: nothing that we know of.
    fn show(&mut self, sent: &Sent, outcome: Option<&waiting::Outcome>) -> Result<()> {
        let latency = self.clock.elapsed().saturating_sub(sent.at);
        let row = Row { sent, outcome, latency };
        match outcome {
            Some(outcome) => self.tally.outcome(outcome.kind, latency),
            None => self.tally.missing += 1,
        }
        if self.args.json {
            self.output.json(&row.json())?;
        } else {
            self.output.line(row.line())?;
        }
        Ok(())
    }

    /// Says what is still missing, and sums up.
    fn finish(mut self) -> Result<Exit> {
        for sent in self.waiting.take_all() {
            self.show(&sent, None)?;
        }
        let elapsed = self.clock.elapsed();
        if self.args.json {
            self.output.json(&json!({ "summary": self.tally.json(self.args.wait, elapsed) }))?;
        } else if self.args.wait {
            self.output.line("")?;
            self.output.table(&["outcome", "actions"], self.tally.rows())?;
            self.output.line(self.tally.latencies(elapsed))?;
        } else {
            self.output.line(format!("{} to {}", self.tally.sent_line(), self.actions_topic))?;
        }
        self.output.flush()?;
        let complete = self.tally.refused == 0 && self.tally.missing == 0;
        Ok(if complete { Exit::Done } else { Exit::Failed })
    }
}
