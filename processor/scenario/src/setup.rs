use crate::scenario::Scenario;
use acteon_core::{Parts, Secrets};
use acteon_rules::{Options, RuleAction, SourceFile, load_dir};
use acteon_schemas::{ChainDefinition, ChainStep, RuleFile, RulesDefinition, SettingsDefinition};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Type of the providers that answer by themselves.
const LOG: &str = "log";

/// What links are signed with, whatever the configuration's secret is: failures show them.
const APPROVAL_KEY: &[u8] = b"a key of scenarios alone";

/// What a scenario runs on.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The definitions.
    pub parts: Parts,
    /// Providers of type `log`: they answer `{"provider": <name>, "logged": true}` by themselves.
    pub log_providers: BTreeSet<String>,
}

/// Why a scenario has nothing to run on.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A folder of rules can't be read.
    #[error(transparent)]
    Rules(#[from] acteon_rules::Error),
    /// A rule file can't be read.
    #[error("can't read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Setup {
    /// What `scenario` runs on: what it names and defines itself, over the `configured` definitions where it names a
    /// configuration. Without one, every provider that anything names is there, none of them of type `log`.
    ///
    /// # Errors
    /// The scenario's rules can't be read. Whether they are good is seen when it is run.
    pub fn new(scenario: &Scenario, configured: Option<Self>) -> Result<Self, SetupError> {
        let has_configuration = configured.is_some();
        let mut setup = configured.unwrap_or_else(|| Self { parts: bare(), log_providers: BTreeSet::new() });
        if !scenario.rules.is_empty() {
            setup.parts.rules.files = rule_files(&scenario.rules)?;
        }
        let own = &scenario.own;
        for (name, provider_type) in &own.providers {
            setup.parts.providers.insert(name.clone());
            if provider_type == LOG {
                setup.log_providers.insert(name.clone());
            } else {
                setup.log_providers.remove(name);
            }
        }
        replace(&mut setup.parts.chains, &own.chains, |chain| &chain.name);
        replace(&mut setup.parts.state_machines, &own.state_machines, |machine| &machine.name);
        replace(&mut setup.parts.time_intervals, &own.time_intervals, |interval| &interval.name);
        setup.parts.secrets = Secrets { approval_keys: vec![(None, APPROVAL_KEY.to_vec())] };
        if !has_configuration {
            let named = named_providers(&setup.parts);
            setup.parts.providers.extend(named);
            setup.parts.providers.extend(scenario.dispatched_providers());
        }
        Ok(setup)
    }
}

/// Definitions without a configuration.
fn bare() -> Parts {
    let rules = RulesDefinition {
        evaluation: "cascade".to_owned(),
        default: "allow".to_owned(),
        default_timezone: "UTC".to_owned(),
        files: Vec::new(),
    };
    let settings = SettingsDefinition { audit_store_payload: true, ..SettingsDefinition::default() };
    Parts { rules, settings, ..Parts::default() }
}

/// Puts definitions in the place of those with the same name, and the others at the end.
fn replace<T: Clone>(all: &mut Vec<T>, own: &[T], name: impl Fn(&T) -> &String) {
    all.retain(|known| !own.iter().any(|other| name(other) == name(known)));
    all.extend_from_slice(own);
}

fn rule_files(paths: &[PathBuf]) -> Result<Vec<RuleFile>, SetupError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(load_dir(path)?.into_iter().map(|file| RuleFile { name: file.name, text: file.text }));
        } else {
            let read = |path: &Path| std::fs::read_to_string(path);
            let text = read(path).map_err(|source| SetupError::File { path: path.clone(), source })?;
            files.push(RuleFile { name: path.display().to_string(), text });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Providers that rules and chains name.
fn named_providers(parts: &Parts) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let sources: Vec<SourceFile> =
        parts.rules.files.iter().map(|file| SourceFile { name: file.name.clone(), text: file.text.clone() }).collect();
    // Rules that do not compile are refused when the scenario is run, with all that is wrong.
    if let Ok(checked) = acteon_rules::compile(&sources, &Options::default()) {
        for rule in checked.rules.rules() {
            match &rule.action {
                RuleAction::Reroute { targets } => names.extend(targets.iter().map(|target| target.provider.clone())),
                RuleAction::RequestApproval { notify_provider, .. } => names.extend(notify_provider.clone()),
                _ => {}
            }
        }
    }
    for chain in &parts.chains {
        names.extend(chain.on_cancel.as_ref().map(|cancel| cancel.provider.clone()));
        names.extend(chain_providers(chain));
    }
    names
}

fn chain_providers(chain: &ChainDefinition) -> BTreeSet<String> {
    let parallel = |step: &ChainStep| step.parallel.clone().map(|parallel| parallel.steps).unwrap_or_default();
    let inner: Vec<ChainStep> = chain.steps.iter().flat_map(parallel).collect();
    chain.steps.iter().chain(&inner).filter_map(|step| step.provider.clone()).collect()
}
