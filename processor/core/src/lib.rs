//! The decision core: [`step`] is a function of (definitions, state, now, input), and nothing is decided outside it.
//!
//! No async, no clock, no Kafka, no RocksDB: the runtime brings the state and the time, and carries the effects out. The
//! same function serves the live processor, a dry run, rule tests and the simulation.

mod action;
mod approval;
mod capture;
mod chain;
mod circuit;
mod command;
mod counter;
mod dedup;
mod definitions;
mod dispatch;
mod effect;
mod event;
mod explain;
mod gates;
mod group;
mod held;
mod ids;
mod input;
pub mod keys;
mod mock;
mod page;
mod partition_clock;
mod policy;
mod progress;
mod queue;
mod record;
mod recurring;
mod redact;
mod reply;
mod result;
mod retry;
#[cfg(test)]
mod rig;
mod schedule;
mod secrets;
mod state;
mod step;
mod template;
mod throttle;
mod time;
mod timer;
mod turn;
mod value;

pub use chain::Chains;
pub use circuit::{Circuits, MAX_FALLBACKS, check_circuits};
pub use definitions::{Assembled, Definitions, DefinitionsError, Parts, SetAside};
pub use effect::{Effects, OtherDeadLetter, Recorder};
pub use event::MachineError;
pub use explain::{ExplainError, Explanation, explain, explain_with};
pub use group::{GroupSummary, group_of};
pub use input::{Input, InputKind, Task};
pub use keys::due_at;
pub use mock::Mocks;
pub use partition_clock::PartitionClock;
pub use redact::Redaction;
pub use result::SEEN_TTL_MS;
pub use secrets::Secrets;
pub use state::{MemoryState, State, StateError};
pub use step::{StepError, Stepped, step};
pub use value::{expires_at, is_expired};
