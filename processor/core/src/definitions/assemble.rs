//! From the records of the definitions topic to one snapshot: what operators have set stands over what the configuration
//! publishes.

use super::{Definitions, DefinitionsError, Parts};
use crate::secrets::Secrets;
use acteon_schemas::Definition;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A snapshot, and what had to be left out of it.
#[derive(Debug)]
pub struct Assembled {
    /// The snapshot.
    pub definitions: Definitions,
    /// What operators have set and the configuration of today does not allow, in the order of its keys.
    pub set_aside: Vec<SetAside>,
}

/// A definition that an operator has set and that has no effect, because the others do not go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its key, as [`Definition::key`] makes it.
    pub key: String,
    /// Why.
    pub reason: String,
}

impl Definitions {
    /// Compiles a snapshot of records. One of `operators` takes the place of the one of `published` that has its key. If the
    /// whole is refused, it is compiled without what operators have set, and of that each definition is added
    /// with which it still compiles: a configuration that has changed since never keeps a processor from its work, and
    /// whoever has the same records leaves out the same.
    ///
    /// `None` while there are no rules or no settings yet.
    ///
    /// # Errors
    /// What is published is refused by itself.
    pub fn assemble(
        version: i64,
        published: &[Definition],
        operators: &[Definition],
        secrets: &Secrets,
    ) -> Result<Option<Assembled>, DefinitionsError> {
        let set: Arc<BTreeSet<String>> = Arc::new(operators.iter().map(Definition::key).collect());
        let compile = |operators: &[&Definition]| {
            let compiled =
                parts(published, operators, secrets).map(|parts| Self::compile(version, parts)).transpose()?;
            Ok(compiled.map(|compiled| Self { operators: Arc::clone(&set), ..compiled }))
        };
        let everything: Vec<&Definition> = operators.iter().collect();
        let refused = match compile(&everything) {
            Ok(compiled) => return Ok(compiled.map(|definitions| Assembled { definitions, set_aside: Vec::new() })),
            Err(refused) if operators.is_empty() => return Err(refused),
            Err(_) => compile(&[])?,
        };
        let Some(mut definitions) = refused else { return Ok(None) };
        let (mut kept, mut left) = (Vec::new(), everything);
        // One may go only with another that comes behind it.
        let set_aside = loop {
            let (mut next, mut reasons) = (Vec::new(), Vec::new());
            for definition in &left {
                kept.push(*definition);
                match compile(&kept) {
                    Ok(Some(compiled)) => definitions = compiled,
                    Ok(None) => {}
                    Err(error) => {
                        kept.pop();
                        next.push(*definition);
                        reasons.push(SetAside { key: definition.key(), reason: error.to_string() });
                    }
                }
            }
            if next.len() == left.len() || next.is_empty() {
                break reasons;
            }
            left = next;
        };
        Ok(Some(Assembled { definitions, set_aside }))
    }
}

/// What is compiled; `None` without rules or settings.
fn parts(published: &[Definition], operators: &[&Definition], secrets: &Secrets) -> Option<Parts> {
    let (mut rules, mut settings) = (None, None);
    let mut parts = Parts { secrets: secrets.clone(), ..Parts::default() };
    for definition in published.iter().chain(operators.iter().copied()).cloned() {
        match definition {
            Definition::Rules(found) => rules = Some(found),
            Definition::Settings(found) => settings = Some(found),
            Definition::Provider(found) => {
                parts.circuits.extend(found.circuit.map(|circuit| (found.name.clone(), circuit)));
                parts.long_retries.extend(found.long_retry.map(|retry| (found.name.clone(), retry)));
                parts.providers.insert(found.name);
            }
            Definition::Chain(found) => match parts.chains.iter_mut().find(|chain| chain.name == found.name) {
                Some(published) => *published = found,
                None => parts.chains.push(found),
            },
            Definition::StateMachine(found) => parts.state_machines.push(found),
            Definition::TimeInterval(found) => parts.time_intervals.push(found),
            Definition::Circuit(found) => parts.circuit_states.push(found),
            Definition::RuleSwitch(found) => {
                parts.switches.insert(found.name, found.enabled);
            }
        }
    }
    Some(Parts { rules: rules?, settings: settings?, ..parts })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::{RuleFile, RuleSwitch, RulesDefinition, SettingsDefinition};
    use serde_json::json;

    const RULES: &str =
        "rules:\n  - {name: on, action: {type: allow}}\n  - {name: off, enabled: false, action: {type: deny}}\n";

    fn published(providers: &[&str]) -> Vec<Definition> {
        let file = RuleFile { name: "r.yaml".to_owned(), text: RULES.to_owned() };
        let rules = RulesDefinition {
            evaluation: "cascade".to_owned(),
            default: "allow".to_owned(),
            default_timezone: "UTC".to_owned(),
            files: vec![file],
        };
        let mut all = vec![Definition::Rules(rules), Definition::Settings(SettingsDefinition::default())];
        all.extend(
            providers.iter().map(|name| Definition::Provider(acteon_schemas::ProviderDefinition::new(*name, "log"))),
        );
        all
    }

    fn chain(name: &str, step: &serde_json::Value) -> Definition {
        let step = step.as_object().cloned().map(|mut step| {
            step.insert("name".to_owned(), json!("s"));
            step
        });
        Definition::Chain(serde_json::from_value(json!({"name": name, "steps": [step]})).unwrap())
    }

    fn switch(name: &str, enabled: bool) -> Definition {
        Definition::RuleSwitch(RuleSwitch { name: name.to_owned(), enabled })
    }

    fn assemble(published: &[Definition], operators: &[Definition]) -> Assembled {
        Definitions::assemble(1, published, operators, &Secrets::default()).unwrap().unwrap()
    }

    #[test]
    fn what_operators_set_stands_over_what_is_published() {
        let call = json!({"provider": "p", "action_type": "a"});
        let mut published = published(&["p"]);
        published.push(chain("c", &call));
        let longer = json!({"provider": "p", "action_type": "b"});
        let set =
            [chain("c", &longer), chain("d", &call), switch("on", false), switch("off", true), switch("gone", true)];
        let found = assemble(&published, &set);
        assert_eq!((found.set_aside, found.definitions.operators.len()), (Vec::new(), 5));
        let enabled: Vec<_> =
            found.definitions.rules.rules().iter().map(|rule| (rule.name.as_str(), rule.enabled)).collect();
        assert_eq!(enabled, [("on", false), ("off", true)]);
        assert_eq!(found.definitions.chains.get("c").unwrap().steps[0].action_type.as_deref(), Some("b"));
        assert!(found.definitions.chains.get("d").is_some());
    }

    #[test]
    fn what_does_not_go_with_the_configuration_any_more_is_left_out_and_nothing_else() {
        let set = [
            chain("outer", &json!({"sub_chain": "inner"})),
            chain("inner", &json!({"provider": "gone", "action_type": "a"})),
            chain("first", &json!({"sub_chain": "good"})),
            chain("good", &json!({"provider": "p", "action_type": "a"})),
            switch("on", false),
        ];
        let found = assemble(&published(&["p"]), &set);
        let keys: Vec<_> = found.set_aside.iter().map(|aside| aside.key.as_str()).collect();
        assert_eq!(keys, ["chain/outer", "chain/inner"]);
        assert!(found.set_aside[1].reason.contains("`gone`"), "{found:?}");
        assert!(found.definitions.chains.get("first").is_some(), "it came before the one that it calls");
        assert!(found.definitions.chains.get("good").is_some() && !found.definitions.rules.rules()[0].enabled);
    }

    #[test]
    fn nothing_is_assembled_of_half_or_of_bad_publications() {
        assert!(Definitions::assemble(1, &published(&[])[..1], &[], &Secrets::default()).unwrap().is_none());
        let mut bad = published(&[]);
        bad.push(chain("c", &json!({"provider": "gone", "action_type": "a"})));
        for operators in [vec![], vec![switch("on", false)]] {
            assert!(Definitions::assemble(1, &bad, &operators, &Secrets::default()).is_err());
        }
    }
}
