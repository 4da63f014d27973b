//! What the tenants of the laws live by: rules, the state machine and the chains that the rules name.

use acteon_schemas::{ChainDefinition, StateMachineDefinition};
use regex::{Captures, Regex};

/// The rules, as YAML.
const RULES: &str = include_str!("rules.yaml");
/// The state machine of `alert` rules, as JSON.
const MACHINE: &str = include_str!("machine.json");
/// The chains that the rules name, and those that they call, as JSON.
const CHAINS: &str = include_str!("chains.json");

/// How long everything waits: what is `…_seconds` in the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As long as the files say: for a clock that is moved by hand.
    AsWritten,
    /// A third of that, in whole seconds: for a clock on the wall, which a run waits for.
    Brisk,
}

impl Pace {
    /// How long is waited where the files say so many seconds, in milliseconds.
    pub(super) fn milliseconds(self, written: u64) -> i64 {
        i64::try_from(self.seconds(written) * 1000).unwrap_or(i64::MAX)
    }

    fn seconds(self, written: u64) -> u64 {
        match self {
            Self::AsWritten => written,
            Self::Brisk => written.div_ceil(3),
        }
    }

    /// A file's text at this pace.
    #[allow(clippy::expect_used)]
    fn of(self, text: &str) -> String {
        let seconds = Regex::new(r#"(_seconds"?: *)([0-9]+)"#).expect("the pattern is well-formed");
        let paced = |found: &Captures<'_>| {
            let written = found[2].parse().expect("a number is one");
            format!("{}{}", &found[1], self.seconds(written))
        };
        seconds.replace_all(text, paced).into_owned()
    }
}

/// The rules that hold the actions of the laws' tenants, as YAML, beside those of [`crate::model::RULES`], which leave
/// them alone.
#[must_use]
pub fn rules(pace: Pace) -> String {
    pace.of(RULES)
}

/// The state machine that [`rules`] name.
///
/// # Panics
/// Never: its text is a part of this crate.
#[must_use]
#[allow(clippy::expect_used)]
pub fn machine(pace: Pace) -> StateMachineDefinition {
    serde_json::from_str(&pace.of(MACHINE)).expect("the machine is well-formed")
}

/// The chains that [`rules`] name, and those that they call.
///
/// # Panics
/// Never: their text is a part of this crate.
#[must_use]
#[allow(clippy::expect_used)]
pub fn chains(pace: Pace) -> Vec<ChainDefinition> {
    serde_json::from_str(&pace.of(CHAINS)).expect("the chains are well-formed")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_as_long_as_their_pace_says() {
        for (pace, hold, mend, stale) in [(Pace::AsWritten, 5, 30, 15), (Pace::Brisk, 2, 10, 5)] {
            assert!(rules(pace).contains(&format!("{{type: schedule, delay_seconds: {hold}}}")), "{}", rules(pace));
            let mended = chains(pace).into_iter().find(|chain| chain.name == "mend").unwrap();
            assert_eq!(mended.timeout_seconds, Some(mend));
            assert_eq!(machine(pace).timeouts[0].after_seconds, stale);
        }
        assert_eq!(rules(Pace::AsWritten), RULES);
    }
}
