use crate::args::Global;
use crate::exit::Exit;
use crate::output::Output;
use acteon_schemas::{AuditRecord, DeadLetter, DeadLetterResolution, OutcomeRecord, headers};
use acteon_topology::{Follower, From, Names, Next};
use anyhow::Result;
use chrono::{DateTime, Local};
use clap::{Args, ValueEnum};
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};
use std::time::Duration;

/// How long a look for the next record takes.
const POLL: Duration = Duration::from_millis(100);
/// Most of a dead letter's value that a table row shows, in characters.
const SHOWN_VALUE_CHARS: usize = 80;

/// Show outcomes, audit records or dead letters as they come
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon tail outcomes
  acteon tail audit --from-beginning --count 20 --json
  acteon tail dlq --from-beginning --no-follow")]
pub(crate) struct Tail {
    /// What to show
    #[arg(value_enum)]
    what: What,
    /// Begin with the oldest record instead of the next one
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End when everything there is has been shown
    #[arg(long)]
    no_follow: bool,
    /// Print each record as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What became of actions
    Outcomes,
    /// What was decided, and why
    Audit,
    /// Records that could not be processed
    Dlq,
}

impl What {
    fn topic(self, names: &Names) -> &str {
        match self {
            Self::Outcomes => names.outcomes(),
            Self::Audit => names.audit(),
            Self::Dlq => names.dlq(),
        }
    }

    fn header(self) -> String {
        match self {
            Self::Outcomes => {
                row(["TIME", "NAMESPACE:TENANT", "ACTION TYPE", "OUTCOME", "PROVIDER", "RULE", "ACTION ID"])
            }
            Self::Audit => row(["TIME", "NAMESPACE:TENANT", "ACTION TYPE", "VERDICT", "PROVIDER", "RULE", "OUTCOME"]),
            Self::Dlq => format!("{:<12}  {:<28}  {:<16}  REASON / VALUE", "TIME", "SOURCE", "CODE"),
        }
    }
}

impl Tail {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load_quietly()?;
        let topic = self.what.topic(&config.topology.names);
        let from = if self.from_beginning { From::Beginning } else { From::End };
        let mut follower = Follower::start(&config.kafka, topic, from)?;
        let mut output = Output::stdout();
        if !self.json {
            output.line(self.what.header())?;
        }
        output.flush()?;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            match follower.next(POLL)? {
                Next::Record(record) => {
                    self.show(&record, &mut output)?;
                    left -= 1;
                }
                Next::Nothing => output.flush()?,
                Next::End if self.no_follow => break,
                Next::End => output.flush()?,
            }
        }
        output.flush()?;
        Ok(Exit::Done)
    }

    /// Prints one record. One that can't be read is said so and passed over: tools must not stop at it.
    fn show(&self, record: &BorrowedMessage<'_>, output: &mut Output) -> Result<()> {
        let value = record.payload().unwrap_or_default();
        let unreadable = |error: String| {
            let (partition, offset) = (record.partition(), record.offset());
            tracing::warn!(topic = record.topic(), partition, offset, error, "record can't be read");
        };
        match self.what {
            What::Outcomes => match serde_json::from_slice::<OutcomeRecord<'_>>(value) {
                Ok(outcome) if self.json => output.json(&outcome)?,
                Ok(outcome) => output.line(outcome_row(&outcome))?,
                Err(error) => unreadable(error.to_string()),
            },
            What::Audit => match serde_json::from_slice::<AuditRecord<'_>>(value) {
                Ok(audit) if self.json => output.json(&audit)?,
                Ok(audit) => output.line(audit_row(&audit))?,
                Err(error) => unreadable(error.to_string()),
            },
            What::Dlq => match dead_letter(record) {
                Some(letter) if self.json => output.json(&letter)?,
                Some(letter) => output.line(dead_letter_row(&letter))?,
                // What was done with a dead letter: `acteon dlq list` tells.
                None if is_resolution(record) => {}
                None => unreadable("its headers are not those of a dead letter".to_owned()),
            },
        }
        Ok(())
    }
}

pub(super) fn dead_letter(record: &BorrowedMessage<'_>) -> Option<DeadLetter> {
    let headers = record.headers()?;
    let pairs = headers.iter().filter_map(|header| header.value.map(|value| (header.key, value)));
    DeadLetter::from_record(pairs, record.key(), record.payload().unwrap_or_default())
}

pub(super) fn is_resolution(record: &BorrowedMessage<'_>) -> bool {
    let is_type = |header: rdkafka::message::Header<'_, &[u8]>| {
        header.key == headers::TYPE && header.value == Some(DeadLetterResolution::TYPE.as_bytes())
    };
    record.headers().is_some_and(|headers| headers.iter().any(is_type))
}

fn outcome_row(record: &OutcomeRecord<'_>) -> String {
    row([
        &time(record.decided_at),
        &format!("{}:{}", record.namespace, record.tenant),
        &record.action_type,
        record.outcome.as_str(),
        &record.provider,
        record.rule.as_deref().unwrap_or("-"),
        &record.action_id,
    ])
}

fn audit_row(record: &AuditRecord<'_>) -> String {
    row([
        &time(record.completed_at.unwrap_or(record.dispatched_at)),
        &format!("{}:{}", record.namespace, record.tenant),
        &record.action_type,
        &record.verdict,
        &record.provider,
        record.matched_rule.as_deref().unwrap_or("-"),
        record.outcome.as_str(),
    ])
}

fn dead_letter_row(letter: &DeadLetter) -> String {
    let mut value: String = letter.value.chars().take(SHOWN_VALUE_CHARS).collect();
    if value.len() < letter.value.len() {
        value.push('…');
    }
    // A value may hold anything; a row is one line.
    let value = value.replace(char::is_control, " ");
    format!(
        "{:<12}  {:<28}  {:<16}  {} / {value}",
        time(letter.at),
        letter.source.to_string(),
        letter.reason.code,
        letter.reason.message
    )
}

/// The columns of outcomes and audit records. What is too long moves the rest of its row.
fn row(cells: [&str; 7]) -> String {
    let [time, scope, action_type, what, provider, rule, last] = cells;
    format!("{time:<12}  {scope:<24}  {action_type:<20}  {what:<12}  {provider:<14}  {rule:<24}  {last}")
}

/// A time of day, as the reader's clock shows it.
fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |at| at.with_timezone(&Local).format("%H:%M:%S%.3f").to_string())
}
