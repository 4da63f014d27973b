use crate::command::CommandStep;
use crate::expect::Expectation;
use crate::stub::Stub;
use acteon_rules::Place;
use acteon_schemas::{ChainDefinition, StateMachineDefinition, TimeIntervalDefinition};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A scenario as written in its file.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// Its file, as it was named to [`crate::parse`].
    pub file: String,
    /// The configuration that it runs on, found from the working directory.
    pub config: Option<PathBuf>,
    /// Rule files and folders in place of the configuration's, found from the working directory; empty: none are named.
    pub rules: Vec<PathBuf>,
    /// What it defines itself.
    pub(crate) own: Own,
    /// Where the clock begins, in milliseconds since 1970.
    pub(crate) start: i64,
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// A path that stands in the file, as seen from the working directory.
    pub(crate) fn beside(file: &str, path: &str) -> PathBuf {
        Path::new(file).parent().unwrap_or_else(|| Path::new("")).join(path)
    }
}

/// Definitions that stand in the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// Name and type of each provider.
    pub(crate) providers: Vec<(String, String)>,
    pub(crate) chains: Vec<ChainDefinition>,
    pub(crate) state_machines: Vec<StateMachineDefinition>,
    pub(crate) time_intervals: Vec<TimeIntervalDefinition>,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) name: Option<String>,
    pub(crate) act: Act,
    pub(crate) expect: Vec<Expectation>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Provider(Stub),
    Dispatch(Vec<Sent>),
    Advance(Advance),
    Command(CommandStep),
    /// Nothing: it only looks.
    Look,
}

impl Act {
    /// The key that it is written with.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Provider(_) => "provider",
            Self::Dispatch(_) => "dispatch",
            Self::Advance(_) => "advance",
            Self::Command(_) => "command",
            Self::Look => "expect",
        }
    }
}

/// A record to send, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) record: Record,
    pub(crate) times: u32,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// An action; without an id, one is made.
    Action(Value),
    /// Bytes as they are.
    Raw(String),
}

/// How far the clock moves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advance {
    /// By so many milliseconds.
    By(i64),
    /// To this moment, in milliseconds since 1970.
    To(i64),
}

impl Scenario {
    /// Providers of the actions that it sends.
    pub(crate) fn dispatched_providers(&self) -> impl Iterator<Item = String> + '_ {
        let sent = self.steps.iter().flat_map(|step| match &step.act {
            Act::Dispatch(sent) => sent.as_slice(),
            _ => &[],
        });
        let actions = sent.filter_map(|sent| match &sent.record {
            Record::Action(action) => Some(action),
            Record::Raw(_) => None,
        });
        let started = self.steps.iter().filter_map(|step| match &step.act {
            Act::Command(command) => command.arguments.get("action"),
            _ => None,
        });
        actions.chain(started).filter_map(|action| action["provider"].as_str().map(str::to_owned))
    }
}
