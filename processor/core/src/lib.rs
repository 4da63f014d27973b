//! The decision core: [`step`] is a function of (definitions, state, now, input), and nothing is decided outside it.
//!
//! No async, no clock, no Kafka, no RocksDB: the runtime brings the state and the time, and carries the effects out. The
//! same function serves the live processor, a dry run, rule tests and the simulation.

mod action;
mod command;
mod dedup;
mod definitions;
mod effect;
mod explain;
mod gates;
mod ids;
mod input;
pub mod keys;
mod partition_clock;
mod record;
mod redact;
mod result;
mod state;
mod step;
mod throttle;
mod timer;
mod value;

pub use definitions::{Definitions, DefinitionsError, unsupported};
pub use effect::{Effects, Recorder};
pub use explain::{ExplainError, Explanation, explain};
pub use input::{Input, InputKind, Task};
pub use keys::due_at;
pub use partition_clock::PartitionClock;
pub use redact::Redaction;
pub use result::SEEN_TTL_MS;
pub use state::{MemoryState, State, StateError};
pub use step::{StepError, Stepped, step};
pub use value::{expires_at, is_expired};
