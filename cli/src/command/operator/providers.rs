//! Providers, their circuits, and how their calls fare.

mod health;

use super::answer::Answer;
use super::{Ask, View};
use crate::args::Global;
use crate::clock;
use crate::duration;
use crate::exit::{Exit, Failure};
use acteon_runtime::definitions;
use acteon_schemas::{
    CIRCUITS_NAMESPACE, CircuitPhase, CircuitState, CommandKind, Definition, FleetHealth, ProviderDefinition,
};
use anyhow::Result;
use chrono::{DateTime, SecondsFormat};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns of the list: those of circuits behind those of calls.
const COLUMNS: [&str; 15] = {
    let [requests, success, p50, p95, p99, backlog, last_error] = health::COLUMNS;
    [
        "provider",
        "type",
        requests,
        success,
        p50,
        p95,
        p99,
        backlog,
        last_error,
        "state",
        "failures",
        "since",
        "next_probe",
        "fallback_provider",
        "reason",
    ]
};

/// Providers and their circuits
#[derive(Debug, Subcommand)]
pub(crate) enum Providers {
    /// List providers, how their calls fare, and how their circuits stand
    #[command(
        after_help = "Requests, success and durations are those of the last 15 minutes, of all members of the fleet.\nA provider that no running member tells of has no such numbers, and one without a circuit no state:\nsee [circuit_breaker].\n\nExamples:\n  acteon providers list\n  acteon providers list --json"
    )]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a provider, how its calls fare, and its circuit
    #[command(after_help = "Example:\n  acteon providers show payment-gateway")]
    Show {
        /// Its configured name
        provider: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a provider's circuit: it is not called, and its fallback is
    #[command(
        after_help = "Examples:\n  acteon providers trip payment-gateway --reason maintenance\n  acteon providers trip payment-gateway --for 15m"
    )]
    Trip {
        #[command(flatten)]
        whom: Whom,
        /// Try it again after this long; without it, it stays open until it is reset
        #[arg(long = "for", value_parser = duration::parse, value_name = "TIME")]
        duration: Option<Duration>,
        /// Why, for those who look at it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Close a provider's circuit and forget its failures
    #[command(after_help = "Example:\n  acteon providers reset payment-gateway")]
    Reset {
        #[command(flatten)]
        whom: Whom,
    },
}

/// What every command to a circuit takes.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Its configured name
    provider: String,
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

impl Whom {
    fn send(&self, global: &Global, kind: CommandKind) -> Result<Exit> {
        let ask = Ask {
            namespace: CIRCUITS_NAMESPACE.to_owned(),
            tenant: self.provider.clone(),
            by: self.by.clone(),
            timeout: self.timeout,
            json: self.json,
        };
        ask.act(kind).perform(global)
    }
}

impl Providers {
    /// Looks or asks, and shows what is found.
    ///
    /// # Errors
    /// Kafka can't be reached, there is no such provider, or a command is refused or gets no answer in time.
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Self::List { json } => {
                let show = if *json { Provider::summary } else { Provider::row };
                let list = published(global)?.iter().map(show).collect::<Vec<_>>();
                Answer::Done(json!({ "providers": list })).show(View::List(&COLUMNS), *json)
            }
            Self::Show { provider, json } => {
                let all = published(global)?;
                let Some(found) = all.iter().find(|one| one.definition.name == *provider) else {
                    let names: Vec<&str> = all.iter().map(|one| one.definition.name.as_str()).collect();
                    let message =
                        format!("no provider named `{provider}` is published; there are: {}", names.join(", "));
                    return Err(Failure::error(Exit::Failed, message));
                };
                let shown = if *json { found.detail() } else { found.fields() };
                Answer::Done(shown).show(View::Fields, *json)
            }
            Self::Trip { whom, duration, reason } => {
                // What is less than a second is asked for as one.
                let seconds = duration.map(|duration| duration.as_secs().max(1));
                whom.send(global, CommandKind::TripCircuit { seconds, reason: reason.clone() })
            }
            Self::Reset { whom } => whom.send(global, CommandKind::ResetCircuit {}),
        }
    }
}

/// A provider as the topics have it.
struct Provider {
    definition: ProviderDefinition,
    /// Absent while its circuit is closed and has counted nothing.
    state: Option<CircuitState>,
    /// Absent where no running member tells of it.
    health: Option<FleetHealth>,
    now: i64,
}

fn published(global: &Global) -> Result<Vec<Provider>> {
    let config = global.load_quietly()?;
    let table = definitions::read(&config.kafka, &config.topology.names)?;
    Ok(providers(table.definitions()?, health::read(&config), clock::now_ms()))
}

/// The providers among definitions, in order.
fn providers(definitions: Vec<Definition>, mut fleet: BTreeMap<String, FleetHealth>, now: i64) -> Vec<Provider> {
    let (mut providers, mut states) = (Vec::new(), BTreeMap::new());
    for definition in definitions {
        match definition {
            Definition::Provider(provider) => providers.push(provider),
            Definition::Circuit(state) => {
                states.insert(state.provider.clone(), state);
            }
            _ => {}
        }
    }
    let of = |definition: ProviderDefinition| {
        // What is left of a circuit that is not used any more says nothing.
        let state = states.remove(&definition.name).filter(|_| definition.circuit.is_some());
        let health = fleet.remove(&definition.name);
        Provider { definition, state, health, now }
    };
    providers.into_iter().map(of).collect()
}

impl Provider {
    /// What its circuit lets through, where it has one.
    fn phase(&self) -> Option<&'static str> {
        let closed = CircuitPhase::Closed;
        let phase = || self.state.as_ref().map_or(closed, |state| state.phase(self.now));
        self.definition.circuit.as_ref().map(|_| phase().as_str())
    }

    /// Its line of the list.
    fn row(&self) -> Value {
        with_cells(self.circuit(), self.health.as_ref().map(|health| health::cells(health, false)))
    }

    /// All about it, one field a line.
    fn fields(&self) -> Value {
        with_cells(self.circuit_detail(), self.health.as_ref().map(|health| health::cells(health, true)))
    }

    /// What the list tells programs, with `health` as the HTTP API has it.
    fn summary(&self) -> Value {
        self.with_report(self.circuit())
    }

    /// All about it, for programs.
    fn detail(&self) -> Value {
        self.with_report(self.circuit_detail())
    }

    fn with_report(&self, mut shown: Value) -> Value {
        shown["health"] = json!(self.health.as_ref().map(|health| health.report(self.phase())));
        shown
    }

    fn circuit(&self) -> Value {
        let circuit = self.definition.circuit.as_ref();
        let state = self.state.as_ref();
        json!({
            "provider": self.definition.name,
            "type": self.definition.provider_type,
            "state": self.phase(),
            "failures": circuit.map(|_| state.map_or(0, |state| state.failures)),
            "since": state.and_then(|state| state.opened_at).map(time),
            "next_probe": state.and_then(|state| state.probe_at).map(time),
            "fallback_provider": circuit.and_then(|circuit| circuit.fallback_provider.as_ref()),
            "reason": state.and_then(|state| state.reason.as_ref()),
        })
    }

    fn circuit_detail(&self) -> Value {
        let mut shown = self.circuit();
        if let Some(circuit) = &self.definition.circuit {
            shown["failure_threshold"] = json!(circuit.failure_threshold);
            shown["success_threshold"] = json!(circuit.success_threshold);
            shown["recovery_timeout_seconds"] = json!(circuit.recovery_timeout_ms / 1000);
            shown["successes"] = json!(self.state.as_ref().map_or(0, |state| state.successes));
        }
        if let Some(state) = &self.state {
            shown["changed_at"] = json!(time(state.changed_at));
        }
        shown
    }
}

/// An object with more fields.
fn with_cells(mut shown: Value, cells: Option<Map<String, Value>>) -> Value {
    if let Value::Object(fields) = &mut shown {
        fields.extend(cells.into_iter().flatten());
    }
    shown
}

/// A moment as everywhere in JSON.
fn time(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use acteon_schemas::{CircuitDefinition, LatencyHistogram, ProviderHealth};

    #[test]
    fn circuits_are_shown_with_their_providers() {
        let circuit = CircuitDefinition {
            failure_threshold: 2,
            success_threshold: 1,
            recovery_timeout_ms: 60_000,
            fallback_provider: Some("b".to_owned()),
        };
        let state = |provider: &str, opened_at| CircuitState {
            provider: provider.to_owned(),
            epoch: 1,
            failures: 2,
            successes: 0,
            opened_at,
            probe_at: opened_at.map(|at| at + 60_000),
            reason: Some("TIMEOUT".to_owned()),
            changed_at: 5,
        };
        let with =
            |name: &str| ProviderDefinition { circuit: Some(circuit.clone()), ..ProviderDefinition::new(name, "log") };
        let health = FleetHealth::of(&ProviderHealth {
            provider: "b".to_owned(),
            member: "m".to_owned(),
            measured_at: 0,
            window_seconds: 900,
            successes: 3,
            failures: 0,
            latency: LatencyHistogram::default(),
            consecutive_failures: 0,
            last_request_at: Some(0),
            last_error: None,
            in_flight: 0,
            lag: Some(7),
        });
        let all = |now| {
            let definitions = vec![
                Definition::Circuit(state("a", Some(1_000))),
                Definition::Circuit(state("b", Some(1_000))),
                Definition::Circuit(state("gone", None)),
                Definition::Provider(with("a")),
                Definition::Provider(ProviderDefinition::new("b", "webhook")),
                Definition::Provider(with("c")),
            ];
            providers(definitions, BTreeMap::from([("b".to_owned(), health.clone())]), now)
        };
        let states = |now| all(now).iter().map(|one| one.summary()["state"].clone()).collect::<Vec<_>>();
        assert_eq!(states(2_000), [json!("open"), Value::Null, json!("closed")]);
        assert_eq!(states(61_000)[0], "half_open");
        let first = all(2_000)[0].detail();
        assert_eq!(first["since"], "1970-01-01T00:00:01Z");
        assert_eq!((&first["next_probe"], &first["reason"]), (&json!("1970-01-01T00:01:01Z"), &json!("TIMEOUT")));
        assert_eq!((&first["fallback_provider"], &first["failure_threshold"]), (&json!("b"), &json!(2)));
        assert_eq!(first["health"], Value::Null, "nobody tells of it");
        assert!(all(0)[0].row().get("requests").is_none(), "a table shows - for it");
        let second = &all(2_000)[1];
        let told = &second.summary()["health"];
        assert_eq!((&told["total_requests"], &told["circuit_breaker_state"]), (&json!(3), &Value::Null));
        assert_eq!((&second.row()["requests"], &second.row()["backlog"]), (&json!(3), &json!(7)));
        assert!(COLUMNS.iter().all(|column| second.row().get(column).is_some()), "{}", second.row());
    }
}
