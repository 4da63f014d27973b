use rdkafka::error::KafkaError;

/// Why the connectors can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A provider's configuration is bad.
    #[error("provider `{provider}`: `{key}` {problem}")]
    Provider {
        /// Configured name of the provider.
        provider: String,
        /// The key at fault.
        key: String,
        /// What is wrong and what is expected; never a secret.
        problem: String,
    },
    /// A limit or a name that is not a provider's is bad.
    #[error("connectors: `{key}` {problem}")]
    Config {
        /// The key at fault.
        key: &'static str,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// A template or a profile is bad.
    #[error("`{place}` {problem}")]
    Template {
        /// The key at fault, as `profiles[0].fields.body`.
        place: String,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// A Kafka client can't be made: a property that librdkafka refuses.
    #[error("the Kafka client of {client} can't be made: {source}")]
    Client {
        /// Whose client it is.
        client: String,
        /// librdkafka's words.
        source: KafkaError,
    },
    /// The operating system gives no more threads.
    #[error("no thread for {thread}: {source}")]
    Thread {
        /// What it was for.
        thread: String,
        /// The system's words.
        source: std::io::Error,
    },
}

impl Error {
    /// A bad key of one provider.
    pub(crate) fn provider(name: &str, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Provider { provider: name.to_owned(), key: key.into(), problem: problem.into() }
    }
}

/// An error and what caused it.
pub(crate) fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost cause, which says what happened; those around it say where in a library.
pub(crate) fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    causes(error).last().unwrap_or(error)
}
