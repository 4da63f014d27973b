//! What the rules name: state machines and chains.

use acteon_schemas::{ChainDefinition, StateMachineDefinition};

/// The state machine of `alert` rules, as JSON.
const MACHINE: &str = include_str!("machine.json");

/// The state machine that [`super::RULES`] name.
///
/// # Panics
/// Never: its text is a part of this crate.
#[must_use]
#[allow(clippy::expect_used)]
pub fn machine() -> StateMachineDefinition {
    serde_json::from_str(MACHINE).expect("the machine is well-formed")
}

/// The chains that [`super::RULES`] name, and those that they call, as JSON.
const CHAINS: &str = include_str!("chains.json");

/// The chains that [`super::RULES`] name, and those that they call.
///
/// # Panics
/// Never: their text is a part of this crate.
#[must_use]
#[allow(clippy::expect_used)]
pub fn chains() -> Vec<ChainDefinition> {
    serde_json::from_str(CHAINS).expect("the chains are well-formed")
}
