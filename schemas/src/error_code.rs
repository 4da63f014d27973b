//! Codes of [`ProviderError`](crate::ProviderError), as clients know them.

/// The provider could not do it, or there is no better name for what happened.
pub const EXECUTION_FAILED: &str = "EXECUTION_FAILED";
/// No answer in time.
pub const TIMEOUT: &str = "TIMEOUT";
/// No connection, or it broke.
pub const CONNECTION: &str = "CONNECTION";
/// The provider takes no more calls for now.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// Something could not be written in the provider's format.
pub const SERIALIZATION: &str = "SERIALIZATION";
/// The provider's settings are wrong in a way that only a call shows: an address that is refused or has moved.
pub const CONFIGURATION: &str = "CONFIGURATION";
/// The provider refuses the credentials, or there are none.
pub const CREDENTIALS: &str = "CREDENTIALS";
/// The payload is not what the provider takes.
pub const VALIDATION: &str = "VALIDATION";
/// An attachment is malformed or too large.
pub const ATTACHMENT_ERROR: &str = "ATTACHMENT_ERROR";
/// The provider's circuit breaker is open, and no call was made.
pub const CIRCUIT_OPEN: &str = "CIRCUIT_OPEN";
/// There is no provider of that name.
pub const PROVIDER_NOT_FOUND: &str = "PROVIDER_NOT_FOUND";

/// Whether a failure with this code says that the provider is unwell. What is wrong with one payload, with credentials
/// or with settings says nothing of the kind: a circuit breaker that opened for it would hold up good dispatches.
#[must_use]
pub fn counts_for_circuit(code: &str) -> bool {
    !matches!(
        code,
        CONFIGURATION | CREDENTIALS | VALIDATION | ATTACHMENT_ERROR | SERIALIZATION | CIRCUIT_OPEN | PROVIDER_NOT_FOUND
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_provider_is_to_blame_for_counts() {
        let counted = [EXECUTION_FAILED, TIMEOUT, CONNECTION, RATE_LIMITED, "SOME_OTHER"];
        let not_counted =
            [CONFIGURATION, CREDENTIALS, VALIDATION, ATTACHMENT_ERROR, SERIALIZATION, CIRCUIT_OPEN, PROVIDER_NOT_FOUND];
        assert!(counted.into_iter().all(counts_for_circuit));
        assert!(!not_counted.into_iter().any(counts_for_circuit));
    }
}
