//! What an operator asks of one tenant's state: a record of the commands topic, and the wait for its answer, a record of
//! the outcomes topic with the command's id.
//!
//! Each feature's file says what can be asked and which columns its lists have; sending, waiting and showing are the same
//! for all.

mod answer;
pub(crate) mod approvals;
pub(crate) mod chains;
pub(crate) mod dedup;
pub(crate) mod events;
pub(crate) mod groups;
mod input;
pub(crate) mod profiles;
pub(crate) mod providers;
pub(crate) mod quotas;
pub(crate) mod recurring;
pub(crate) mod retention;
pub(crate) mod retries;
pub(crate) mod scheduled;
mod send;
pub(crate) mod silences;
pub(crate) mod templates;
pub(crate) mod time_intervals;

use crate::args::Global;
use crate::clock;
use crate::duration;
use crate::exit::Exit;
use acteon_schemas::{Command, CommandKind, Page};
use anyhow::Result;
use clap::Args;
use std::time::Duration;
use uuid::Uuid;

/// What every command to a tenant's state takes.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The namespace
    #[arg(long, env = "ACTEON_NAMESPACE")]
    namespace: String,
    /// The tenant
    #[arg(long, env = "ACTEON_TENANT")]
    tenant: String,
    /// Who asks, for the audit records
    #[arg(long, env = "USER", value_name = "NAME")]
    by: Option<String>,
    /// Give up when there is no answer for this long
    #[arg(long, default_value = "10s", value_parser = duration::parse, value_name = "TIME")]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which part of a list is asked for.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Most entries; 1,000 at most [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
    /// Go on behind a part: what its last line says
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
}

impl Part {
    fn page(&self) -> Page {
        Page { limit: self.limit, after: self.after.clone() }
    }
}

/// How an answer is shown to people.
#[derive(Debug, Clone, Copy)]
enum View {
    /// A list, with these of its entries' fields as columns.
    List(&'static [&'static str]),
    /// All fields, one a line; lists of objects as tables below.
    Fields,
}

/// One question to the processor.
pub(crate) struct Request<'r> {
    ask: &'r Ask,
    kind: CommandKind,
    view: View,
}

/// A group of commands on one feature.
pub(crate) trait Operator {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// An argument names a file that can't be read, or holds no JSON of the expected shape.
    fn request(&self) -> Result<Request<'_>>;

    /// Asks, waits and shows the answer.
    ///
    /// # Errors
    /// Kafka can't be reached, the command is refused before it is sent, or no answer comes in time.
    fn run(&self, global: &Global) -> Result<Exit> {
        self.request()?.perform(global)
    }
}

impl Ask {
    fn list(&self, kind: CommandKind, columns: &'static [&'static str]) -> Request<'_> {
        Request { ask: self, kind, view: View::List(columns) }
    }

    fn act(&self, kind: CommandKind) -> Request<'_> {
        Request { ask: self, kind, view: View::Fields }
    }
}

impl Request<'_> {
    fn perform(self, global: &Global) -> Result<Exit> {
        let config = global.load_quietly()?;
        let command = Command {
            id: Uuid::new_v4().to_string(),
            namespace: self.ask.namespace.clone(),
            tenant: self.ask.tenant.clone(),
            issued_at: clock::now_ms(),
            issued_by: self.ask.by.clone().filter(|name| !name.is_empty()),
            command: self.kind,
        };
        let answer = send::and_wait(&config, &command, self.ask.timeout)?;
        answer.show(self.view, self.ask.json)
    }
}
