//! What operators set: definitions that stand over what the configuration publishes.

use super::{Changes, PUBLISH_ATTEMPTS, Table, Written, read, write};
use crate::error::Error;
use acteon_core::{Assembled, Definitions, Secrets};
use acteon_schemas::{Definition, MAX_RECORD_BYTES, OPERATOR_PREFIX};
use acteon_topology::{KafkaConfig, Names};

/// Most definitions that operators may set: every process holds all of them.
const MAX_OPERATOR_DEFINITIONS: usize = 1_000;

/// Why a definition is not set or taken back.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The others do not go with the change, or it is too large.
    #[error("{0}")]
    Refused(String),
    /// Nothing has been published yet that it could stand over.
    #[error("no rules have been published yet: does a processor run?")]
    Unpublished,
    /// The topic can't be read or written.
    #[error(transparent)]
    Kafka(#[from] Error),
}

/// Sets a definition of an operator, or with `None` takes it back, if everything still compiles with it. Returns what then
/// is in effect. Of several that change one definition at the same time, the last one's stays.
///
/// # Errors
/// The definitions do not go together, and the topic stays as it is; or it can't be read or written.
pub fn edit(
    kafka: &KafkaConfig,
    names: &Names,
    secrets: &Secrets,
    key: &str,
    value: Option<&Definition>,
) -> Result<Definitions, EditError> {
    for _ in 0..PUBLISH_ATTEMPTS {
        let table = read(kafka, names)?;
        let (changes, expected) = edited(&table, secrets, key, value)?;
        if changes.is_empty() {
            return Ok(expected);
        }
        if write(kafka, names, &changes)? == Written::Committed {
            // With the version that it has in the topic, and what others have written since.
            let compiled = read(kafka, names)?.compile(secrets)?;
            return Ok(compiled.unwrap_or(expected));
        }
    }
    let topic = names.definitions();
    Err(Error::Kafka(format!("{topic}: {PUBLISH_ATTEMPTS} times another process wrote at the same time")).into())
}

/// What has to be written for a change, and what is in effect with it.
fn edited(
    table: &Table,
    secrets: &Secrets,
    key: &str,
    value: Option<&Definition>,
) -> Result<(Changes, Definitions), EditError> {
    let (key, refused) = (format!("{OPERATOR_PREFIX}{key}"), EditError::Refused);
    let value = value.map(serde_json::to_vec).transpose().map_err(|error| refused(error.to_string()))?;
    let before = table.assemble(secrets)?.ok_or(EditError::Unpublished)?;
    if table.records.get(&key) == value.as_ref() {
        return Ok((Changes::new(), before.definitions));
    }
    let mut changed = table.clone();
    if let Some(bytes) = &value {
        if bytes.len() > MAX_RECORD_BYTES {
            let length = bytes.len();
            return Err(refused(format!("it has {length} bytes as a definition; the limit is {MAX_RECORD_BYTES}")));
        }
        changed.records.insert(key.clone(), bytes.clone());
        let number = changed.records.keys().filter(|key| key.starts_with(OPERATOR_PREFIX)).count();
        if number > MAX_OPERATOR_DEFINITIONS {
            return Err(refused(format!("operators may set {MAX_OPERATOR_DEFINITIONS} definitions; take some back")));
        }
    } else {
        changed.records.remove(&key);
    }
    let after = changed.assemble(secrets).map_err(|error| refused(error.to_string()))?;
    let Assembled { definitions, set_aside } = after.ok_or(EditError::Unpublished)?;
    // What had no effect before need not hinder anybody now.
    let newly = set_aside.iter().find(|aside| !before.set_aside.iter().any(|known| known.key == aside.key));
    let own = set_aside.iter().find(|aside| value.is_some() && key.strip_prefix(OPERATOR_PREFIX) == Some(&aside.key));
    match own.or(newly) {
        Some(aside) => Err(refused(aside.reason.clone())),
        None => Ok((vec![(key, value)], definitions)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::{ProviderDefinition, RuleSwitch, RulesDefinition, SettingsDefinition};
    use serde_json::json;

    fn published() -> Vec<Definition> {
        let rules = RulesDefinition {
            evaluation: "cascade".to_owned(),
            default: "allow".to_owned(),
            default_timezone: "UTC".to_owned(),
            files: Vec::new(),
        };
        vec![
            Definition::Rules(rules),
            Definition::Settings(SettingsDefinition::default()),
            Definition::Provider(ProviderDefinition::new("p", "log")),
        ]
    }

    fn table(published: &[Definition], operators: &[Definition]) -> Table {
        let mut table = Table { version: 0, ..Table::default() };
        let all = published.iter().map(|one| (one.key(), one));
        for (key, definition) in all.chain(operators.iter().map(|one| (one.operator_key(), one))) {
            table.records.insert(key, serde_json::to_vec(definition).unwrap());
        }
        table
    }

    fn chain(name: &str, step: &serde_json::Value) -> Definition {
        let mut step = step.clone();
        step["name"] = json!("s");
        Definition::Chain(serde_json::from_value(json!({"name": name, "steps": [step]})).unwrap())
    }

    fn edit(table: &Table, key: &str, value: Option<&Definition>) -> Result<Changes, String> {
        let done = edited(table, &Secrets::default(), key, value);
        done.map(|(changes, _)| changes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_change_is_written_under_the_operators_key_and_only_where_it_is_one() {
        let switch = Definition::RuleSwitch(RuleSwitch { name: "r".to_owned(), enabled: false });
        let plain = table(&published(), &[]);
        let changes = edit(&plain, "rule_switch/r", Some(&switch)).unwrap();
        assert_eq!(changes, [("operator/rule_switch/r".to_owned(), Some(serde_json::to_vec(&switch).unwrap()))]);
        let set = table(&published(), std::slice::from_ref(&switch));
        assert_eq!(edit(&set, "rule_switch/r", Some(&switch)).unwrap(), []);
        assert_eq!(edit(&set, "rule_switch/r", None).unwrap(), [("operator/rule_switch/r".to_owned(), None)]);
        assert_eq!(edit(&plain, "rule_switch/r", None).unwrap(), []);
        // Publishing again leaves it.
        assert_eq!(super::super::changes(&set, &published()).unwrap(), []);
    }

    #[test]
    fn a_change_that_does_not_go_with_the_rest_is_refused() {
        let good = chain("inner", &json!({"provider": "p", "action_type": "a"}));
        let outer = chain("outer", &json!({"sub_chain": "inner"}));
        let bad = chain("bad", &json!({"provider": "gone", "action_type": "a"}));
        let plain = table(&published(), &[]);
        for (chain, part) in [(&outer, "unknown sub-chain `inner`"), (&bad, "`gone`")] {
            assert!(edit(&plain, &chain.key(), Some(chain)).unwrap_err().contains(part));
        }
        let set = table(&published(), &[good.clone(), outer]);
        assert!(edit(&set, "chain/inner", None).unwrap_err().contains("unknown sub-chain"), "the other one needs it");
        assert_eq!(edit(&set, "chain/outer", None).unwrap().len(), 1);

        // The configuration has lost the provider: neither has any effect, and either may go.
        let lost = table(&published()[..2], &[good]);
        assert_eq!(edit(&lost, "chain/inner", None).unwrap().len(), 1);
        let switch = Definition::RuleSwitch(RuleSwitch { name: "r".to_owned(), enabled: false });
        assert_eq!(edit(&lost, "rule_switch/r", Some(&switch)).unwrap().len(), 1);
        let unpublished = edit(&Table::default(), "chain/bad", Some(&bad)).unwrap_err();
        assert!(unpublished.contains("no rules have been published"), "{unpublished}");
    }

    #[test]
    fn there_is_a_most() {
        let switch = |index: usize| Definition::RuleSwitch(RuleSwitch { name: format!("r{index}"), enabled: false });
        let all: Vec<_> = (0..MAX_OPERATOR_DEFINITIONS).map(switch).collect();
        let full = table(&published(), &all);
        let refused = edit(&full, "rule_switch/more", Some(&switch(MAX_OPERATOR_DEFINITIONS))).unwrap_err();
        assert!(refused.contains("may set 1000"), "{refused}");
        assert!(
            edit(
                &full,
                "rule_switch/r0",
                Some(&Definition::RuleSwitch(RuleSwitch { name: "r0".into(), enabled: true }))
            )
            .is_ok()
        );
    }
}
