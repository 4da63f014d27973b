use serde::{Deserialize, Serialize};

/// How the processor has a dispatch made again that its connector has given up: a timer of minutes or hours each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongRetryDefinition {
    /// Most retries; from 1.
    pub max_retries: u32,
    /// The wait before the first one, in milliseconds; doubles with each further one.
    pub initial_ms: u64,
    /// The longest wait, in milliseconds, before up to a tenth is added so that calls which failed together do not come
    /// again together. A provider that asks for a longer one is called after this.
    pub max_ms: u64,
}
