//! From configuration and rule files to the records of the definitions topic, checked as a whole.

use crate::config::Config;
use acteon_core::{Definitions, DefinitionsError, Parts};
use acteon_rules::{
    DefaultVerdict, Diagnostic, Evaluation, Names, Options, RuleAction, RuleSet, Severity, SourceFile, ThrottleMode,
    check_references, compile, load_dir,
};
use acteon_schemas::{Definition, MAX_RECORD_BYTES, ProviderDefinition, RuleFile, RulesDefinition, SettingsDefinition};
use acteon_topology::expiring_retention_ms;
use anyhow::{Result, bail};
use std::path::Path;

const HOUR_MS: i64 = 3_600_000;

/// The rule files of a directory, as read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RuleFiles(Vec<SourceFile>);

/// What came of checking rule files.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Present if they compile, even if they may not be used.
    rules: Option<RuleSet>,
    diagnostics: Vec<Diagnostic>,
    /// What is wrong with the configuration's chains, state machines and time intervals.
    definitions: Vec<String>,
    /// What the configuration's chains will hardly mean, one line each.
    warnings: Vec<String>,
}

impl RuleFiles {
    /// Reads the files of a directory that must exist.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        Ok(Self(load_dir(directory)?))
    }

    /// Reads the configured directory. If the configuration names none and there is none, there are no rules.
    pub(crate) fn configured(config: &Config) -> Result<Self> {
        let directory = &config.rules.directory;
        if !config.rules.directory_given && !directory.exists() {
            return Ok(Self::default());
        }
        Self::read(directory)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Compiles the rules and checks what this version and this configuration make of them. `configured`: whether what
    /// they name must be in the configuration; then everything is compiled as the processor does it.
    pub(crate) fn check(&self, config: &Config, configured: bool) -> Checked {
        let checked = match compile(&self.0, &options(config)) {
            Ok(checked) => checked,
            Err(diagnostics) => {
                return Checked { rules: None, diagnostics, definitions: Vec::new(), warnings: Vec::new() };
            }
        };
        let mut diagnostics = outlives_changelog(&checked.rules, config.topology.settings.expiring_retention_ms);
        let (mut definitions, mut warnings) = (Vec::new(), Vec::new());
        match configured.then(|| Definitions::compile(0, parts(config, self))) {
            None => diagnostics.extend(check_references(&checked.rules, &Names::default())),
            Some(Ok(compiled)) => {
                warnings.extend_from_slice(compiled.chains.warnings());
                diagnostics.extend(unknown_intervals(&checked.rules, config));
            }
            Some(Err(DefinitionsError::Rules(found))) => diagnostics.extend(found),
            Some(Err(other)) => definitions.extend(other.to_string().lines().map(str::to_owned)),
        }
        diagnostics.extend(checked.warnings);
        diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Checked { rules: Some(checked.rules), diagnostics, definitions, warnings }
    }
}

impl Checked {
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// What is wrong with chains, state machines and time intervals, one line each.
    pub(crate) fn definitions(&self) -> &[String] {
        &self.definitions
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors().is_empty()
    }

    /// The errors, one line each.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        errors.map(ToString::to_string).chain(self.definitions.iter().cloned()).collect()
    }

    /// How many rules there are, if they could be read.
    pub(crate) fn rule_count(&self) -> Option<usize> {
        self.rules.as_ref().map(|rules| rules.rules().len())
    }

    /// The rules, or the errors, one line each.
    pub(crate) fn into_rules(self) -> Result<RuleSet, Vec<String>> {
        let errors = self.errors();
        match self.rules {
            Some(rules) if errors.is_empty() => Ok(rules),
            _ => Err(errors),
        }
    }
}

/// How rules are compiled. The words and the zone were checked when the configuration was.
fn options(config: &Config) -> Options {
    Options {
        evaluation: match config.rules.evaluation.as_str() {
            "first_match" => Evaluation::FirstMatch,
            _ => Evaluation::Cascade,
        },
        default: match config.rules.default.as_str() {
            "deny" => DefaultVerdict::Deny,
            _ => DefaultVerdict::Allow,
        },
        default_timezone: config.rules.default_timezone.parse().unwrap_or(chrono_tz::UTC),
    }
}

/// A warning for each time interval that rules name and the configuration does not have.
fn unknown_intervals(rules: &RuleSet, config: &Config) -> Vec<Diagnostic> {
    let names = config.time_intervals.iter().map(|interval| interval.name.clone()).collect();
    let mut found = check_references(rules, &Names { time_intervals: Some(&names), ..Names::default() });
    for diagnostic in &mut found {
        diagnostic.severity = Severity::Warning;
        diagnostic
            .message
            .push_str(" in the configuration; it means something for tenants that have one of their own alone");
    }
    found
}

/// An error for each rule that asks to remember something for longer than its changelog keeps it: after a restore it
/// would be forgotten too early.
fn outlives_changelog(rules: &RuleSet, retention_ms: i64) -> Vec<Diagnostic> {
    let too_long = |rule: &acteon_rules::Rule| {
        let (key, ms) = match &rule.action {
            RuleAction::Deduplicate { ttl_ms, .. } => ("ttl_seconds", *ttl_ms),
            RuleAction::Throttle { window_ms, mode: ThrottleMode::Delay { max_delay_ms, .. }, .. } => {
                ("window_seconds with max_delay_seconds", window_ms.saturating_add(*max_delay_ms))
            }
            RuleAction::Throttle { window_ms, .. } => ("window_seconds", *window_ms),
            _ => return None,
        };
        let needed = expiring_retention_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        if needed <= retention_ms {
            return None;
        }
        let hours = needed / HOUR_MS + i64::from(needed % HOUR_MS != 0);
        Some(Diagnostic {
            severity: Severity::Error,
            file: rule.source.file.clone(),
            line: rule.source.place.line,
            column: rule.source.place.column,
            message: format!(
                "rule `{}`: {key} is longer than the changelog keeps state: set [topology] expiring_retention_hours to \
                 {hours} and run `acteon topology apply`",
                rule.name
            ),
            suggestion: None,
        })
    };
    rules.rules().iter().filter_map(too_long).collect()
}

/// What is wrong with the configuration's chains, state machines and time intervals, without a look at the rules, and what
/// they will hardly mean; one line each.
pub(crate) fn problems(config: &Config) -> (Vec<String>, Vec<String>) {
    let checked = RuleFiles::default().check(config, true);
    (checked.errors(), checked.warnings)
}

/// What the processor compiles.
pub(crate) fn parts(config: &Config, files: &RuleFiles) -> Parts {
    Parts {
        rules: RulesDefinition {
            files: files.0.iter().map(|file| RuleFile { name: file.name.clone(), text: file.text.clone() }).collect(),
            ..rules(config)
        },
        settings: settings(config),
        providers: config.providers.iter().map(|provider| provider.name.clone()).collect(),
        long_retries: config
            .providers
            .iter()
            .filter_map(|provider| Some((provider.name.clone(), provider.long_retry.clone()?)))
            .collect(),
        chains: config.chains.definitions.clone(),
        state_machines: config.state_machines.clone(),
        time_intervals: config.time_intervals.clone(),
        circuits: config.circuits.clone(),
        secrets: config.secrets.clone(),
        ..Parts::default()
    }
}

/// How rules are evaluated; without files.
fn rules(config: &Config) -> RulesDefinition {
    RulesDefinition {
        evaluation: config.rules.evaluation.clone(),
        default: config.rules.default.clone(),
        default_timezone: config.rules.default_timezone.clone(),
        files: Vec::new(),
    }
}

fn settings(config: &Config) -> SettingsDefinition {
    SettingsDefinition {
        audit_store_payload: config.audit.store_payload,
        audit_redact_fields: config.audit.redact_fields.clone(),
        audit_redact_placeholder: config.audit.placeholder.clone(),
        audit_ttl_seconds: config.audit.ttl_seconds,
        event_ttl_seconds: config.event_ttl_seconds,
        completed_chain_ttl_seconds: config.chains.completed_ttl_seconds,
        max_recurring_actions_per_tenant: config.recurring.max_per_tenant,
        min_recurring_interval_seconds: config.recurring.min_interval_seconds,
        external_url: config.server.external_url.clone(),
    }
}

/// All definitions that the configuration and the rule files make: rules, settings, providers, chains, state machines and
/// time intervals. Secrets are not among them.
///
/// # Errors
/// The rules together, or another definition, do not fit a record.
pub(crate) fn of(config: &Config, files: &RuleFiles) -> Result<Vec<Definition>> {
    let name = |path: &str| match Path::new(path).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.to_owned(),
    };
    let files = files.0.iter().map(|file| RuleFile { name: name(&file.name), text: file.text.clone() });
    let mut all = vec![
        Definition::Rules(RulesDefinition { files: files.collect(), ..rules(config) }),
        Definition::Settings(settings(config)),
    ];
    all.extend(config.providers.iter().map(|provider| {
        Definition::Provider(ProviderDefinition {
            circuit: config.circuits.get(&provider.name).cloned(),
            long_retry: provider.long_retry.clone(),
            ..ProviderDefinition::new(&provider.name, provider.settings.type_name())
        })
    }));
    all.extend(config.chains.definitions.iter().cloned().map(Definition::Chain));
    all.extend(config.state_machines.iter().cloned().map(Definition::StateMachine));
    all.extend(config.time_intervals.iter().cloned().map(Definition::TimeInterval));
    for definition in &all {
        let bytes = serde_json::to_vec(definition)?.len();
        if bytes > MAX_RECORD_BYTES {
            bail!("the definition {} has {bytes} bytes; the limit is {MAX_RECORD_BYTES}", definition.key());
        }
    }
    Ok(all)
}
