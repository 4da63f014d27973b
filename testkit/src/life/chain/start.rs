//! Chains that commands start.

use crate::life::Faults;
use crate::life::evidence::{Evidence, Told};
use std::collections::BTreeMap;

/// Each command that was answered with a chain has started that one, and no other command has started any.
pub(super) fn check(evidence: &Evidence, started: &BTreeMap<&str, &Told>, faults: &mut Faults) {
    let mut by_command: BTreeMap<&str, &str> = started
        .iter()
        .filter(|(_, told)| told.source.contains(".commands/") && told.released_by().is_none())
        .map(|(id, told)| (told.source.as_str(), *id))
        .collect();
    for told in evidence.outcomes.iter().filter(|told| told.outcome() == "command_done") {
        let asked = evidence.commands.get(&told.source).map(|command| &command["command"]["start_chain"]);
        if asked.is_none_or(|asked| asked.is_null()) {
            continue;
        }
        let chain = told.json["detail"]["CommandDone"]["result"]["chain_id"].as_str();
        if chain.is_none() || by_command.remove(told.source.as_str()) != chain {
            faults.add("command answered with a chain that it has not started", format!("{told:?}"));
        }
    }
    for (source, id) in by_command {
        faults.add("chain started by a command that does not say so", format!("{source}: {id}"));
    }
}
