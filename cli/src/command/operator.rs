//! What an operator asks of one tenant's state: records of the commands topic.

use crate::args::Global;
use crate::clock;
use crate::command::produce::Sender;
use crate::exit::Exit;
use crate::output::Output;
use acteon_schemas::{Command, CommandKind, tenant_key};
use anyhow::Result;
use clap::{Args, Subcommand};
use uuid::Uuid;

/// Deduplication state
#[derive(Debug, Subcommand)]
pub(crate) enum Dedup {
    Forget(Forget),
}

/// Throttle state
#[derive(Debug, Subcommand)]
pub(crate) enum Throttle {
    Reset(Reset),
}

/// Forget that a deduplication key was seen: the next action with it passes
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acteon dedup forget --namespace monitoring --tenant acme-corp --key db-unreachable")]
pub(crate) struct Forget {
    #[command(flatten)]
    scope: Scope,
    /// The deduplication key
    #[arg(long)]
    key: String,
}

/// Forget what a throttle rule has counted for a tenant
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acteon throttle reset --namespace notifications --tenant tenant-1 --rule throttle-notifications")]
pub(crate) struct Reset {
    #[command(flatten)]
    scope: Scope,
    /// The rule's name
    #[arg(long)]
    rule: String,
}

#[derive(Debug, Args)]
struct Scope {
    /// The namespace
    #[arg(long)]
    namespace: String,
    /// The tenant
    #[arg(long)]
    tenant: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Dedup {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let Self::Forget(forget) = self;
        send(global, &forget.scope, CommandKind::ForgetDedupKey { dedup_key: forget.key.clone() })
    }
}

impl Throttle {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let Self::Reset(reset) = self;
        send(global, &reset.scope, CommandKind::ResetThrottle { rule: reset.rule.clone() })
    }
}

fn send(global: &Global, scope: &Scope, kind: CommandKind) -> Result<Exit> {
    let config = global.load_quietly()?;
    let topic = config.topology.names.commands();
    let command = Command {
        id: Uuid::new_v4().to_string(),
        namespace: scope.namespace.clone(),
        tenant: scope.tenant.clone(),
        issued_at: clock::now_ms(),
        issued_by: None,
        command: kind,
    };
    let value = serde_json::to_vec(&command)?;
    // What the processor would refuse is refused here, where someone reads it.
    Command::decode(&value)?;
    let mut sender = Sender::start(&config.kafka, topic)?;
    sender.send(0, Some(tenant_key(&scope.namespace, &scope.tenant).as_bytes()), &value)?;
    let report = sender.finish()?;
    let mut output = Output::stdout();
    if scope.json {
        output.json(&command)?;
    } else {
        let place = match report.first().map(|report| &report.place) {
            Some(Ok((partition, offset))) => format!(" to {topic}/{partition}/{offset}"),
            _ => String::new(),
        };
        output.line(format!("sent command {}{place}; the processor takes it in its turn", command.id))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
