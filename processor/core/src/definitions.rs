mod assemble;

pub use assemble::{Assembled, SetAside};

use crate::chain::Chains;
use crate::circuit::Circuits;
use crate::event::machine::{MachineError, StateMachines};
use crate::policy::Intervals;
use crate::redact::Redaction;
use crate::secrets::Secrets;
use acteon_rules::{DefaultVerdict, Diagnostic, Evaluation, Names, Options, Rule, RuleAction, RuleSet, SourceFile};
use acteon_schemas::{
    ChainDefinition, CircuitDefinition, CircuitState, LongRetryDefinition, RulesDefinition, SettingsDefinition,
    StateMachineDefinition, TimeIntervalDefinition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An immutable snapshot of everything that decisions depend on beside state, time and input.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// Offset in the definitions topic up to which this snapshot was read.
    pub version: i64,
    /// The compiled rules.
    pub rules: Arc<RuleSet>,
    /// The chains.
    pub chains: Arc<Chains>,
    /// Names of the providers that have a dispatch topic.
    pub providers: Arc<BTreeSet<String>>,
    /// The circuits of those that have one.
    pub circuits: Circuits,
    /// The long retries of those that have them.
    pub(crate) long_retries: Arc<BTreeMap<String, LongRetryDefinition>>,
    /// Whether audit records carry the payload.
    pub audit_store_payload: bool,
    /// What they don't show of it.
    pub redaction: Redaction,
    /// The settings as published.
    pub settings: SettingsDefinition,
    /// The rules that operators have enabled or disabled, whatever their files say.
    pub switches: Arc<BTreeMap<String, bool>>,
    /// Keys ([`acteon_schemas::Definition::key`]) of everything that operators have set, what has no effect included.
    pub operators: Arc<BTreeSet<String>>,
    pub(crate) intervals: Arc<Intervals>,
    pub(crate) secrets: Secrets,
    pub(crate) state_machines: Arc<StateMachines>,
}

/// What a snapshot is compiled from.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// All rule files.
    pub rules: RulesDefinition,
    /// Settings of the decision core.
    pub settings: SettingsDefinition,
    /// Names of the providers that have a dispatch topic.
    pub providers: BTreeSet<String>,
    /// How their dispatches are made again hours later, by provider.
    pub long_retries: BTreeMap<String, LongRetryDefinition>,
    /// Chains.
    pub chains: Vec<ChainDefinition>,
    /// State machines.
    pub state_machines: Vec<StateMachineDefinition>,
    /// How circuits work, by provider.
    pub circuits: BTreeMap<String, CircuitDefinition>,
    /// How they stand; those of providers without a circuit are ignored.
    pub circuit_states: Vec<CircuitState>,
    /// Time intervals.
    pub time_intervals: Vec<TimeIntervalDefinition>,
    /// Which rules operators have enabled or disabled.
    pub switches: BTreeMap<String, bool>,
    /// What the topic may not hold.
    pub secrets: Secrets,
}

/// Why definitions were refused. The running ones stay.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    /// The rules have errors, each with its place.
    #[error("{}", list(.0))]
    Rules(Vec<Diagnostic>),
    /// Chains have errors, each with chain and step.
    #[error("{}", .0.join("\n"))]
    Chains(Vec<String>),
    /// Circuits have errors, each with its provider.
    #[error("{}", .0.join("\n"))]
    Circuits(Vec<String>),
    /// `evaluation`, `default` or `default_timezone` has no such value.
    #[error("`{key}`: unknown value `{value}`; expected {expected}")]
    Option {
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A time interval has a wrong value.
    #[error("time interval `{name}`: {problem}")]
    TimeInterval {
        /// Its name.
        name: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// State machines have errors, each with its key.
    #[error("{}", list(.0))]
    StateMachines(Vec<MachineError>),
}

fn list(problems: &[impl ToString]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Definitions {
    /// Compiles a snapshot and checks it: the rules' grammar, the names that they use, and that approvals
    /// can be signed.
    ///
    /// # Errors
    /// Everything that is wrong with the rules, with file, line and column; an unknown option; or everything that is
    /// wrong with the state machines.
    pub fn compile(version: i64, parts: Parts) -> Result<Self, DefinitionsError> {
        let Parts { rules, settings, providers, chains, state_machines, time_intervals, secrets, .. } = parts;
        let circuits = Circuits::compile(parts.circuits, parts.circuit_states, &providers);
        let circuits = circuits.map_err(DefinitionsError::Circuits)?;
        let options = options(&rules)?;
        let files: Vec<SourceFile> =
            rules.files.into_iter().map(|file| SourceFile { name: file.name, text: file.text }).collect();
        let intervals = Intervals::compile(&time_intervals)
            .map_err(|(name, problem)| DefinitionsError::TimeInterval { name, problem })?;
        let rules = acteon_rules::compile(&files, &options).map_err(DefinitionsError::Rules)?.rules;
        let rules = rules.with_switches(&parts.switches).map_err(DefinitionsError::Rules)?;
        let chain_names = chains.iter().map(|chain| chain.name.clone()).collect();
        let machine_names = state_machines.iter().map(|machine| machine.name.clone()).collect();
        let state_machines = StateMachines::compile(state_machines).map_err(DefinitionsError::StateMachines)?;
        let names = Names {
            providers: Some(&providers),
            chains: Some(&chain_names),
            state_machines: Some(&machine_names),
            // A tenant may have one of its own that the configuration does not know.
            time_intervals: None,
        };
        let mut problems = acteon_rules::check_references(&rules, &names);
        problems.extend(unsigned_approvals(&rules, &secrets));
        if !problems.is_empty() {
            return Err(DefinitionsError::Rules(problems));
        }
        Ok(Self {
            version,
            rules: Arc::new(rules),
            chains: Arc::new(Chains::compile(chains, &providers).map_err(DefinitionsError::Chains)?),
            providers: Arc::new(providers),
            circuits,
            long_retries: Arc::new(parts.long_retries),
            audit_store_payload: settings.audit_store_payload,
            redaction: Redaction::new(&settings.audit_redact_fields, &settings.audit_redact_placeholder),
            settings,
            switches: Arc::new(parts.switches),
            operators: Arc::default(),
            intervals: Arc::new(intervals),
            secrets,
            state_machines: Arc::new(state_machines),
        })
    }

    /// The same definitions with circuits that stand otherwise: nothing is compiled anew.
    #[must_use]
    pub fn with_circuits(&self, version: i64, states: Vec<CircuitState>) -> Self {
        Self { version, circuits: self.circuits.with_states(states), ..self.clone() }
    }

    /// When an audit record of this moment may be deleted.
    pub(crate) fn audit_expires_at(&self, now: i64) -> Option<i64> {
        let seconds = i64::try_from(self.settings.audit_ttl_seconds?).unwrap_or(i64::MAX);
        Some(now.saturating_add(seconds.saturating_mul(1000)))
    }
}

fn options(rules: &RulesDefinition) -> Result<Options, DefinitionsError> {
    let unknown = |key, value: &str, expected| DefinitionsError::Option { key, value: value.to_owned(), expected };
    Ok(Options {
        evaluation: match rules.evaluation.as_str() {
            "cascade" => Evaluation::Cascade,
            "first_match" => Evaluation::FirstMatch,
            other => return Err(unknown("evaluation", other, "`cascade` or `first_match`")),
        },
        default: match rules.default.as_str() {
            "allow" => DefaultVerdict::Allow,
            "deny" => DefaultVerdict::Deny,
            other => return Err(unknown("default", other, "`allow` or `deny`")),
        },
        default_timezone: rules.default_timezone.parse().map_err(|_| {
            unknown("default_timezone", &rules.default_timezone, "an IANA zone such as `Europe/Berlin`")
        })?,
    })
}

/// An error for each rule that asks for an approval where no key signs its links.
fn unsigned_approvals(rules: &RuleSet, secrets: &Secrets) -> Vec<Diagnostic> {
    if secrets.approval_keys.first().is_some_and(|(_, key)| !key.is_empty()) {
        return Vec::new();
    }
    let asks = |rule: &&Rule| rule.enabled && matches!(rule.action, RuleAction::RequestApproval { .. });
    rules
        .rules()
        .iter()
        .filter(asks)
        .map(|rule| {
            let message = format!(
                "rule `{}`: no key signs the links of approvals: set `[server] approval_secret` for every processor",
                rule.name
            );
            Diagnostic::error(&rule.source.file, rule.source.place, message)
        })
        .collect()
}
