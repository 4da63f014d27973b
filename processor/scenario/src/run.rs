use crate::check;
use crate::command::CommandStep;
use crate::engine::{Engine, EngineError, Mode};
use crate::query::{self, Scope};
use crate::report::{Failure, Report};
use crate::scenario::{Act, Advance, Record, Scenario, Sent, Step};
use crate::setup::Setup;
use acteon_schemas::CIRCUITS_NAMESPACE;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Why a scenario could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The definitions are refused.
    #[error("{0}")]
    Definitions(String),
    /// A step failed for a reason that no expectation is about.
    #[error("{file}:{line}: {step}: {message}")]
    Step {
        /// The scenario's file.
        file: String,
        /// Line of the step.
        line: u32,
        /// The step.
        step: String,
        /// Why.
        message: String,
    },
}

/// Where to stop for a look at what the rules make of an action: the step and the action in it, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    step: usize,
    action: usize,
}

/// What a step has done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// Offset of each action that was sent.
    pub(crate) sent: Vec<i64>,
    /// Offset of the command.
    pub(crate) command: Option<i64>,
    /// Why the step could not be done at all.
    pub(crate) failed: Option<Failure>,
}

/// Runs a scenario: performs its steps and checks what they lead to, up to the first step that is not as expected.
///
/// # Errors
/// The definitions are refused, or a step goes round in circles.
pub fn run(scenario: &Scenario, setup: &Setup, mode: Mode) -> Result<Report, RunError> {
    let mut runner = Runner::new(scenario, setup, mode)?;
    let mut report = Report::default();
    for (index, step) in scenario.steps.iter().enumerate() {
        let failed = |error: EngineError| runner_error(scenario, index, &error);
        let done = runner.perform(index, step, None).map_err(failed)?.unwrap_or_default();
        let told = &runner.engine.told;
        report.history.push(json!([told.outcomes, told.dispatched, told.dead_letters]));
        report.steps += 1;
        report.checked += step.expect.len();
        let mut failures = check::check(&mut runner.engine, &runner.scopes, step, &done).map_err(failed)?;
        for (failure, action) in &mut failures {
            failure.file.clone_from(&scenario.file);
            failure.step = title(index, step);
            if let Some(action) = *action
                && let Some(trace) = trace(scenario, setup, Probe { step: index, action })
            {
                failure.notes.push(trace);
            }
        }
        if !failures.is_empty() {
            report.failures = failures.into_iter().map(|(failure, _)| failure).collect();
            break;
        }
    }
    Ok(report)
}

fn title(index: usize, step: &Step) -> String {
    match &step.name {
        Some(name) => format!("step {} ({}, {name})", index + 1, step.act.key()),
        None => format!("step {} ({})", index + 1, step.act.key()),
    }
}

fn runner_error(scenario: &Scenario, index: usize, error: &EngineError) -> RunError {
    match (error, scenario.steps.get(index)) {
        (EngineError::Definitions(error), _) => RunError::Definitions(error.to_string()),
        (error, Some(step)) => RunError::Step {
            file: scenario.file.clone(),
            line: step.place.line,
            step: title(index, step),
            message: error.to_string(),
        },
        (error, None) => RunError::Definitions(error.to_string()),
    }
}

/// What the rules make of an action in the state that it meets. The scenario is run again up to there: a run leads to the
/// same state each time.
fn trace(scenario: &Scenario, setup: &Setup, probe: Probe) -> Option<String> {
    let mut runner = Runner::new(scenario, setup, Mode::default()).ok()?;
    for (index, step) in scenario.steps.iter().enumerate().take(probe.step + 1) {
        runner.perform(index, step, Some(probe)).ok()?;
    }
    let (namespace, tenant, value) = runner.probed?;
    let now = runner.engine.now;
    let mut state = runner.engine.state(&namespace, &tenant).clone();
    let explanation = acteon_core::explain(&runner.engine.definitions.rules, &mut state, now, &value).ok()?;
    let rule = explanation.matched_rule.as_deref().unwrap_or("the default");
    let (verdict, provider) = (explanation.verdict, &explanation.provider);
    Some(format!("verdict {verdict} by {rule}, provider {provider}; rule by rule:\n{}", explanation.trace))
}

struct Runner<'s> {
    engine: Engine<'s>,
    /// Scopes that actions and commands have named: those that lists are asked for.
    scopes: BTreeSet<Scope>,
    /// The action that the probe stopped at: namespace, tenant and record.
    probed: Option<(String, String, Vec<u8>)>,
}

impl<'s> Runner<'s> {
    fn new(scenario: &Scenario, setup: &'s Setup, mode: Mode) -> Result<Self, RunError> {
        let engine = Engine::new(setup, mode, scenario.start);
        let engine = engine.map_err(|error| RunError::Definitions(error.to_string()))?;
        Ok(Self { engine, scopes: BTreeSet::new(), probed: None })
    }

    /// Performs a step; `None` where the probe stopped it.
    fn perform(&mut self, index: usize, step: &Step, probe: Option<Probe>) -> Result<Option<Done>, EngineError> {
        self.engine.begin();
        let mut done = Done::default();
        match &step.act {
            Act::Look => {}
            Act::Provider(stub) => self.engine.providers.set(stub),
            Act::Dispatch(sent) => {
                let probe = probe.filter(|probe| probe.step == index).map(|probe| probe.action);
                match self.dispatch(index, sent, probe)? {
                    Some(offsets) => done.sent = offsets,
                    None => return Ok(None),
                }
            }
            Act::Advance(advance) => {
                let to = match advance {
                    Advance::By(ms) => self.engine.now.saturating_add(*ms),
                    Advance::To(to) => *to,
                };
                if to < self.engine.now {
                    let message = "the clock does not go back: it has passed this moment";
                    done.failed =
                        Some(Failure::new(step.place, "advance.to", moment(to), moment(self.engine.now)).note(message));
                } else {
                    self.engine.advance(to)?;
                }
            }
            Act::Command(command) => match self.command(index, step, command)? {
                Ok(offset) => done.command = Some(offset),
                Err(failure) => done.failed = Some(failure),
            },
        }
        Ok(Some(done))
    }

    fn dispatch(&mut self, index: usize, sent: &[Sent], probe: Option<usize>) -> Result<Option<Vec<i64>>, EngineError> {
        let mut offsets = Vec::new();
        for sent in sent {
            for _ in 0..sent.times {
                let value = match &sent.record {
                    Record::Raw(text) => text.clone().into_bytes(),
                    Record::Action(action) => {
                        let mut action = action.clone();
                        let scope = ["namespace", "tenant"].map(|key| action[key].as_str().map(str::to_owned));
                        let id = format!("step-{}-{}", index + 1, offsets.len() + 1);
                        if let Some(fields) = action.as_object_mut() {
                            fields.entry("id").or_insert_with(|| json!(id));
                        }
                        let value = action.to_string().into_bytes();
                        if let [Some(namespace), Some(tenant)] = scope {
                            if probe == Some(offsets.len()) {
                                self.probed = Some((namespace, tenant, value));
                                return Ok(None);
                            }
                            self.scopes.insert((namespace, tenant));
                        }
                        value
                    }
                };
                offsets.push(self.engine.dispatch(value)?);
            }
        }
        Ok(Some(offsets))
    }

    /// Sends a command; the failure says why it could not be.
    fn command(
        &mut self,
        index: usize,
        step: &Step,
        command: &CommandStep,
    ) -> Result<Result<i64, Failure>, EngineError> {
        let fail = |wanted: &str, found: Value| Ok(Err(Failure::new(step.place, "command", wanted, found)));
        let (namespace, tenant) = match (&command.namespace, &command.tenant, self.only_scope()) {
            (Some(namespace), Some(tenant), _) => (namespace.clone(), tenant.clone()),
            (namespace, tenant, Some(scope)) => {
                (namespace.clone().unwrap_or(scope.0), tenant.clone().unwrap_or(scope.1))
            }
            _ => {
                let scopes: Vec<String> = self.scopes.iter().map(|(ns, tenant)| format!("{ns}/{tenant}")).collect();
                return fail(
                    "`namespace` and `tenant`: they may be left out where the scenario has one tenant",
                    json!(scopes),
                );
            }
        };
        let scope = (namespace, tenant);
        let mut target = None;
        if let Some(wanted) = &command.target {
            let mut open = query::of(&mut self.engine, wanted.list, &scope)?;
            open.retain(|entry| {
                entry.is_open()
                    && wanted.selectors.iter().all(|(key, value)| {
                        let key = if wanted.list == "chains" && key == "chain" { "chain_name" } else { key };
                        entry.value[key] == json!(value)
                    })
            });
            let [only] = open.as_slice() else {
                let found = open.into_iter().map(|entry| entry.value).collect();
                let wanted =
                    format!("one entry of {} that is open, since `{}` is left out", wanted.list, wanted.argument);
                return fail(&wanted, found);
            };
            target = Some(only.id.clone());
        }
        let record = json!({
            "id": format!("step-{}-command", index + 1),
            "namespace": scope.0,
            "tenant": scope.1,
            "issued_at": self.engine.now,
            "issued_by": command.issued_by,
            "command": command.kind(target.as_deref()),
        });
        let offset = self.engine.command(&scope.0, &scope.1, record.to_string().into_bytes())?;
        // Circuits belong to no tenant.
        if scope.0 != CIRCUITS_NAMESPACE {
            self.scopes.insert(scope);
        }
        Ok(Ok(offset))
    }

    fn only_scope(&self) -> Option<Scope> {
        let mut scopes = self.scopes.iter();
        scopes.next().filter(|_| scopes.next().is_none()).cloned()
    }
}

fn moment(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}
