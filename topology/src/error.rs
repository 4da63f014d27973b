use std::time::Duration;

/// What can go wrong with the topology.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name, count or property that Kafka would refuse, found before asking it.
    #[error("{0}")]
    Invalid(String),
    /// A client can't be made from the properties.
    #[error("the Kafka properties are refused: {reason}")]
    Properties {
        /// librdkafka's words, which name the property.
        reason: String,
    },
    /// No broker answered.
    #[error("Kafka at {bootstrap} does not answer: {reason}")]
    Unreachable {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// The last thing that librdkafka said.
        reason: String,
    },
    /// No broker answered in all the time given.
    #[error("gave up after {limit:?}: Kafka at {bootstrap} does not answer: {reason}")]
    WaitedTooLong {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// The last thing that librdkafka said.
        reason: String,
        /// How long it was tried.
        limit: Duration,
    },
    /// A broker answered, and refused.
    #[error("Kafka at {bootstrap} refused to {what}: {reason}")]
    Refused {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// What it was asked for, as the rest of a sentence.
        what: String,
        /// Kafka's words.
        reason: String,
    },
    /// There is no such topic.
    #[error("there is no topic {topic} on Kafka at {bootstrap}: create the topics with `acteon topology apply`")]
    NoTopic {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// The topic's name.
        topic: String,
    },
    /// Kafka said yes, and the change is not to be seen.
    #[error("Kafka at {bootstrap} has accepted the changes, but after {limit:?} {missing}")]
    NotVisible {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// What is still to be seen, as the rest of a sentence.
        missing: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The topics differ in a way that is for people to decide; nothing was changed.
    #[error("{}", list("the topics on Kafka do not fit the configuration:", .0, "nothing was changed"))]
    Conflicts(Vec<String>),
    /// The topics are not what the processor needs.
    #[error("{}", list(&format!("the topics on Kafka at {bootstrap} are not ready:"), .differences, .remedy))]
    NotReady {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// One line a difference.
        differences: Vec<String>,
        /// What to do.
        remedy: String,
    },
}

fn list(head: &str, lines: &[String], tail: &str) -> String {
    let mut text = head.to_owned();
    for line in lines {
        text.push_str("\n  - ");
        text.push_str(line);
    }
    text.push('\n');
    text.push_str(tail);
    text
}
